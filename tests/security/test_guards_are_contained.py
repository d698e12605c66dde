"""A guard is text from anywhere: it can neither reach Python nor stall a conversation."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from convgraph import END, ConversationGraph
from convgraph.errors import GuardError
from convgraph.graph.guards import CelGuard
from convgraph.graph.schema import StateSchema
from convgraph.graph.state import State
from convgraph.messages import History, Message

PATIENCE = 2.0
"""Seconds that any guard may take to be refused, or to be evaluated over a long conversation."""


class Numbers(BaseModel):
    """A state with a long list in it."""

    values: list[int] = list(range(300))


def long_conversation() -> State:
    schema = StateSchema.of(Numbers, "test")
    history = History([Message("user", "a" * 2000 + "!") for _ in range(300)])
    return State("node", history, True, 300, schema, schema.initial(None))


REACHES = [
    "__import__('os').system('true')",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "last.__class__ == ''",
    "last.content.__class__.__mro__ == []",
    "last['__class__'] == null",
    "state.__init__.__globals__ == {}",
    "''.__class__.__base__.__subclasses__() == []",
    "().__class__ == 1",
    "messages.__len__() > 0",
    "messages.append(1)",
    "last.content.format(last) == ''",
    "last.content.encode() == b''",
    "visits.items() == []",
    "getattr(last, 'content') == ''",
    "globals() == {}",
    "os.environ == {}",
    "sys.modules == {}",
    "lambda: 1",
    "(lambda: 1)()",
    "[x for x in messages] == []",
    "last.content := 'x'",
    "import os",
    "True if 1 else False",
    "{{config}}",
    "${jndi:ldap://x}",
    "f'{last}' == ''",
    "`id` == ''",
    "last.content; last.content",
    "google.protobuf.Any{} == null",
    "@os == 1",
    "env('HOME') == ''",
    "__builtins__ == null",
    "_ == 1",
    "last.content.matches('a') && __import__('os') == null",
    "messages.map(__import__, __import__('os')) == []",
    "messages.exists(os, os.system('true'))",
]


@pytest.mark.parametrize("text", REACHES)
def test_a_guard_that_tries_to_reach_python_is_refused_or_finds_nothing(text: str) -> None:
    """It does not compile, or is an error when evaluated; it never sees an object of Python's."""
    with contextlib.suppress(GuardError):
        assert CelGuard(text)(long_conversation()) in (True, False)


@pytest.mark.parametrize("text", [text for text in REACHES if "__" in text and "['" not in text])
def test_names_of_pythons_insides_are_refused_when_the_guard_is_added(text: str) -> None:
    graph = ConversationGraph("guarded")
    graph.add_node(lambda ctx: "hello", name="node")
    with pytest.raises(GuardError):
        graph.add_edge("node", END, when=text)


STALLS = [
    "'a' * 1000000000 == ''",
    "'" + "a" * 100_000 + "' == ''",
    "(" * 5000 + "true" + ")" * 5000,
    "!" * 1999 + "true",
    "-" * 1990 + "1 == 1",
    "true" + " && true" * 240,
    "1" + " + 1" * 480 + " == 481",
    "'a'" + " + 'a'" * 270 + " == ''",
    "[" * 900 + "]" * 900 + " == []",
    "messages.all(a, messages.all(b, messages.all(c, a == b && b == c)))",
    "messages.map(a, messages.map(b, messages.map(c, messages))) == []",
    "[1,2,3,4,5,6,7,8,9].all(a, [1,2,3].all(b, [1,2].all(c, true)))",
    "messages.all(a, messages.all(b, a.content != b.content + 'x'))",
    "state.values.all(a, state.values.all(b, a * b >= 0))",
    "size(messages.map(a, messages.map(b, a.content + b.content))) == 0",
    "size(state.values.map(a, state.values.map(b, [a, b]))) == 0",
    "last.content.matches('(a+)+$')",
    "last.content.matches('(a|aa)+$')",
    "last.content.matches('(a*)*b')",
    "last.content.matches('(.*.*.*)*x')",
    "last.content.matches('((a{1,100}){1,100}){1,100}')",
    "last.content.matches('a{1000}{1000}{1000}')",
    "last.content.matches('(?:a?){500}a{500}')",
    "messages.all(m, m.content.matches('(a+)+$'))",
    "messages.exists(m, m.content.matches('^(([a-z])+.)+[A-Z]([a-z])+$'))",
    "99999999999999999999999999999999 == 1",
    "9223372036854775807 + 1 == 0",
    "1 / 0 == 1",
    "1.0e400 == 1.0",
    "duration('99999999999999999999h') == duration('1s')",
    "timestamp('9999999-01-01T00:00:00Z') == timestamp('1970-01-01T00:00:00Z')",
    "\0",
    "last.content == '\ud800'",
]


@pytest.mark.parametrize("text", STALLS, ids=lambda text: ascii(text[:40]))
def test_a_guard_that_tries_to_stall_is_refused_or_bounded(text: str) -> None:
    started = time.perf_counter()
    with contextlib.suppress(GuardError):
        CelGuard(text)(long_conversation())
    assert time.perf_counter() - started < PATIENCE


_TOKENS = [
    *"last messages state turn visits usage error sender declined content true false null os __class__ self".split(),
    *". . ( ) [ ] { } , : ? ! && || == != < > + - * / % in 0 1 'a' \"b\" 1.5 r'\\' size( .map( .all( .matches( .contains( x".split(),
]


@settings(max_examples=400)
@given(st.one_of(st.lists(st.sampled_from(_TOKENS), max_size=25).map(" ".join), st.text(max_size=60)))
def test_any_text_is_a_guard_or_a_guard_error(text: str) -> None:
    """Nothing else comes out, neither when it is compiled nor when it is evaluated."""
    with contextlib.suppress(GuardError):
        assert CelGuard(text)(long_conversation()) in (True, False)
