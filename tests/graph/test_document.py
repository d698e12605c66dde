"""A definition goes through a document, JSON and YAML, and comes back the same; what is not a document is refused with its path."""

import json
import string
import sys
from enum import StrEnum
from types import FunctionType, ModuleType
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from convgraph.errors import DefinitionError
from convgraph.graph.definition import END, START, Definition, Edge, Limits, Node, Retry
from convgraph.graph.documents import (
    canonical_json,
    dumps_yaml,
    fingerprint,
    from_document,
    json_schema,
    loads_yaml,
    to_document,
)
from convgraph.graph.guards import CallableGuard, CelExpression, CelGuard
from convgraph.graph.schema import StateSchema

HERE = __name__


class Essay(BaseModel):
    score: float = 0
    topics: list[str] = []


def approved(view: Any) -> bool:
    return "APPROVED" in view.last.text


class Judge:
    def approves(self, view: Any) -> bool:
        return True


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module can be imported by its name, however the tests were started."""
    monkeypatch.setitem(sys.modules, HERE, sys.modules.get(HERE) or _this_module())


def _this_module() -> Any:
    module = ModuleType(HERE)
    module.__dict__.update(globals())
    return module


GUARDS = [
    None,
    CelGuard('last.content.contains("APPROVED")'),
    CelGuard("turn > 3 && declined"),
    CallableGuard(approved),
]
NAMES = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=12).filter(lambda name: name not in ("END", "START"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
YAML_TRAPS = st.sampled_from(
    [
        "on",
        "yes",
        "null",
        "~",
        "12:30",
        "1e5",
        "0x1f",
        "010",
        "<<",
        "=",
        "a: b",
        "- a",
        "2020-01-01",
        "a\nb\n",
        "a \nb",
        "\n",
        "# a",
        "1_000",
        ".5",
        "%a",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS | YAML_TRAPS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | YAML_TRAPS, inner, max_size=3),
    max_leaves=8,
)
DETAILS = st.dictionaries(st.sampled_from(["type", "system_message", "model", "on", "params"]), VALUES, max_size=4)
POSITIVE = st.integers(1, 1000)
LIMITS = st.builds(
    Limits,
    turns=st.none() | POSITIVE,
    visits=st.none() | POSITIVE | st.dictionaries(NAMES, POSITIVE, min_size=1, max_size=2),
    seconds=st.none() | st.floats(0.1, 1e9),
    tokens=st.none() | POSITIVE,
    usd=st.none() | st.floats(0.001, 100),
)
RETRIES = st.builds(Retry, attempts=st.integers(1, 9), wait=st.floats(0, 9), on=st.lists(TEXTS, max_size=2).map(tuple))
SELECTS: Any = st.sampled_from(["first", "round_robin", "random", "auto", "manual", "callable"])


def nodes(depth: int) -> st.SearchStrategy[Node]:
    kinds: list[Any] = ["function", "agent"]
    inside = st.none()
    branches: st.SearchStrategy[list[Node]] = st.just([])
    if depth:
        kinds += ["graph", "parallel", "foreach"]
        inside |= definitions(depth - 1)
        branches = st.lists(nodes(depth - 1), max_size=2)
    return st.builds(
        Node,
        name=NAMES,
        kind=st.sampled_from(kinds),
        description=TEXTS | YAML_TRAPS,
        detail=DETAILS,
        inner=inside,
        branches=branches.map(tuple),
        over=st.none() | st.just(CelExpression("[1, 2]", "over")),
        concurrency=st.none() | POSITIVE,
        select=st.none() | SELECTS,
        fallback=st.none() | NAMES,
        retry=st.none() | RETRIES,
        timeout=st.none() | st.floats(0.1, 100),
    )


@st.composite
def definitions(draw: st.DrawFn, depth: int = 1) -> Definition:
    members = draw(st.lists(nodes(depth), max_size=3, unique_by=lambda node: node.name))
    names = [node.name for node in members] or ["nobody"]
    ends = st.sampled_from(names)
    made = draw(
        st.lists(
            st.builds(
                Edge,
                source=ends,
                target=ends | st.just(END),
                guard=st.sampled_from(GUARDS),
                priority=st.integers(-3, 3),
                label=TEXTS,
                on=st.sampled_from(["reply", "error", "limit"]),
            ),
            max_size=4,
        )
    )
    first = draw(st.lists(st.builds(Edge, source=st.just(START), target=ends | st.just(END), guard=st.sampled_from(GUARDS)), max_size=2))
    made = draw(st.permutations([*made, *first]))
    edges = tuple(Edge(edge.source, edge.target, edge.guard, edge.priority, edge.label, edge.on, index) for index, edge in enumerate(made))
    fields = {"score": {"type": "number", "default": 0}, "password": {"type": "string", "default": ""}}
    schemas: list[StateSchema | None] = [None, StateSchema.of(Essay, "test"), StateSchema.of(fields, "test")]
    return Definition(
        name=draw(NAMES),
        nodes={node.name: node for node in members},
        edges=edges,
        start=None if first else draw(st.none() | ends),
        state=draw(st.sampled_from(schemas)),
        select=draw(SELECTS),
        fallback=draw(st.none() | ends),
        limits=draw(LIMITS),
        detail=draw(DETAILS),
    )


@settings(max_examples=60)
@given(definitions())
def test_a_definition_survives_its_document(definition: Definition) -> None:
    document = to_document(definition)
    again = from_document(document, allow=[HERE])
    assert to_document(again) == document
    assert fingerprint(again) == fingerprint(definition)
    assert list(again.nodes) == list(definition.nodes)
    assert [str(edge) for edge in again.edges] == [str(edge) for edge in definition.edges]
    assert again.limits == definition.limits


@settings(max_examples=40)
@given(definitions())
def test_a_document_survives_json_and_yaml(definition: Definition) -> None:
    document = to_document(definition)
    assert json.loads(canonical_json(document)) == document
    text = dumps_yaml(document)
    assert loads_yaml(text) == document
    assert canonical_json(loads_yaml(text)) == canonical_json(document), "1 and 1.0 are not the same either"
    assert dumps_yaml(loads_yaml(text)) == text


@settings(max_examples=40)
@given(definitions())
def test_a_document_fits_its_schema(definition: Definition) -> None:
    jsonschema.Draft202012Validator(json_schema()).validate(to_document(definition))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def document(**changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "name": "essay",
        "start": "writer",
        "nodes": [{"name": "writer", "kind": "agent"}],
        "edges": [{"from": "writer", "to": "END"}],
    } | changes


def with_node(**fields: Any) -> dict[str, Any]:
    return document(nodes=[{"name": "writer", "kind": "agent", **fields}])


def with_edge(**fields: Any) -> dict[str, Any]:
    return document(edges=[{"from": "writer", "to": "END", **fields}])


UNFIT: dict[str, tuple[Any, str]] = {
    "not a mapping": ([], "the document: [] is not a mapping"),
    "no version": ({"name": "essay", "nodes": []}, "'version' is missing"),
    "a newer version": (document(version=2), "has version 2, and this convgraph reads up to 1; use a newer"),
    "a wrong version": (document(version="1"), "version: '1' is not 1"),
    "an unknown key": (document(nods=[]), "'nods' is not known here; known are version, name"),
    "a name of spaces": (document(name="my essay"), "name: 'my essay' is not 1 to 64 letters"),
    "a name with a line end": (document(name="essay\n"), "name: 'essay\\n' is not 1 to 64 letters"),
    "nodes as a mapping": (document(nodes={}), "nodes: {} is not a list"),
    "a node without a kind": (document(nodes=[{"name": "a"}]), "nodes[0]: 'kind' is missing"),
    "an unknown kind": (with_node(kind="agnet"), "nodes[0].kind: 'agnet' is not one of 'function', 'agent'"),
    "a detail of text": (with_node(detail="prompt"), "nodes[0].detail: 'prompt' is not a mapping"),
    "a timeout of zero": (with_node(timeout=0), "nodes[0].timeout: 0 is not above 0"),
    "no attempts": (with_node(retry={"attempts": 0}), "nodes[0].retry.attempts: 0 is less than 1"),
    "a bad branch": (with_node(branches=[{"name": "x"}]), "nodes[0].branches[0]: 'kind' is missing"),
    "a bad sub-graph": (
        with_node(graph={"name": "inner", "nodes": [], "limits": {"turns": -1}}),
        "nodes[0].graph.limits.turns: -1 is not above 0",
    ),
    "an edge to nothing": (document(edges=[{"from": "writer"}]), "edges[0]: 'to' is missing"),
    "an unquoted truth": (with_edge(when=True), "edges[0].when: True is not a text; put it in quotes"),
    "two guards": (with_edge(when="true", python="a:b"), "edges[0]: 'when' and 'python' exclude each other"),
    "an unknown outcome": (with_edge(on="success"), "edges[0].on: 'success' is not one of 'reply', 'error', 'limit'"),
    "a half priority": (with_edge(priority=0.5), "edges[0].priority: 0.5 is not a whole number"),
    "a true priority": (with_edge(priority=True), "edges[0].priority: True is not a whole number"),
    "an unknown selector": (document(select="best"), "select: 'best' is not one of 'first'"),
    "visits of text": (document(limits={"visits": "3"}), "limits.visits: '3' is not a whole number above zero, or a mapping"),
    "visits of zero": (document(limits={"visits": {"writer": 0}}), "limits.visits: {'writer': 0} is not a whole number above zero"),
    "a state of nothing": (document(state={}), "state: {} is not"),
    "a callable": (with_node(detail={"call": print}), "nodes[0].detail.call: <built-in function print>"),
    "not a number": (with_node(detail={"a": float("nan")}), "nodes[0].detail.a: nan (float) has no JSON form"),
    "a key of numbers": (with_node(detail={1: 2}), "nodes[0].detail: the key 1 is not a text"),
    "a secret": (with_node(detail={"model": [{"api_key": "sk-1"}]}), "nodes[0].detail.model[0].api_key: a secret has no place"),
    "a secret in a sub-graph": (
        with_node(graph={"name": "inner", "nodes": [], "detail": {"Password": "x"}}),
        "nodes[0].graph.detail.Password: a secret has no place",
    ),
    # what only shows when it is built
    "a guard that is no CEL": (with_edge(when="turn >"), "edges[0].when: guard 'turn >', column"),
    "a guard of an unknown name": (with_edge(when="trun > 3"), "edges[0].when: guard 'trun > 3', column 1: unknown name 'trun'"),
    "a list that is no CEL": (with_node(over="[1"), "nodes[0].over"),
    "an edge out of END": (document(edges=[{"from": "END", "to": "writer"}]), "no edge can leave END"),
    "an edge to START": (document(edges=[{"from": "writer", "to": "START"}]), "no edge can lead to START"),
    "a start and edges from START": (
        document(edges=[{"from": "START", "to": "writer"}, {"from": "writer", "to": "END"}]),
        "a graph has either set_start or edges that leave START",
    ),
    "START as the start": (document(start="START"), "set_start('START') (graph document, start): START is no node"),
    "a beginning after an error": (
        {key: value for key, value in document(edges=[{"from": "START", "to": "writer", "on": "error"}]).items() if key != "start"},
        "on='error' cannot fire before anybody has spoken",
    ),
    "a reserved name": (document(nodes=[{"name": "END", "kind": "agent"}]), "the name 'END' is reserved"),
    "a name twice": (document(nodes=[{"name": "a", "kind": "agent"}] * 2), "(graph document, nodes[1]): there is a node 'a' already"),
    "a guard that may not be imported": (
        with_edge(python="os:remove"),
        "edges[0].python: 'os:remove' may not be imported; pass allow=['os']",
    ),
    "a guard beside an allowed module": (with_edge(python=f"{HERE}_too:approved"), "may not be imported"),
    "a guard that is not there": (with_edge(python=f"{HERE}:disapproved"), "edges[0].python: "),
    "a guard that is a class": (with_edge(python=f"{HERE}:Judge"), "is not a function that can be a guard"),
    "a lambda": (with_edge(python=f"{HERE}:<lambda>"), "define it at the top level of a module"),
    "a method": (with_edge(python=f"{HERE}:Judge().approves"), "belongs to an instance"),
    "a path without a name": (with_edge(python=HERE), "is not of the form"),
    "a state that may not be imported": (document(state={"python": "os:PathLike"}), "state: 'os:PathLike' may not be imported"),
    "a state that is no model": (document(state={"python": f"{HERE}:Judge"}), "is not a pydantic model class"),
    "a state field without a type": (document(state={"fields": {"score": {}}}), "state: state field 'score' needs a 'type'"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_not_a_document_is_refused_with_its_path(name: str) -> None:
    value, said = UNFIT[name]
    with pytest.raises(DefinitionError) as refused:
        from_document(value, allow=[HERE], where="graph document")
    assert said in str(refused.value)
    assert "graph document" in str(refused.value)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    """JSON knows one kind of number; where a count is asked for, 2.0 is 2."""
    whole = with_node(retry={"attempts": 2}, concurrency=2) | {"limits": {"turns": 9, "visits": {"writer": 2}}}
    pointed = with_node(retry={"attempts": 2.0}, concurrency=2.0) | {"limits": {"turns": 9, "visits": {"writer": 2.0}}}
    assert canonical_json(to_document(from_document(pointed))) == canonical_json(to_document(from_document(whole)))


def test_all_faults_are_told_at_once_and_before_anything_is_imported() -> None:
    broken = with_edge(python="no_such_module:guard") | {"select": "best", "limits": {"turns": 0}}
    with pytest.raises(DefinitionError) as refused:
        from_document(broken, allow=["no_such_module"])
    assert "select: 'best'" in str(refused.value)
    assert "limits.turns: 0" in str(refused.value)
    assert "no_such_module" not in str(refused.value)


@given(st.recursive(VALUES, lambda inner: st.dictionaries(st.sampled_from([*json_schema()["properties"]]), inner), max_leaves=12))
def test_any_json_is_either_read_or_refused(value: Any) -> None:
    changed = {**document(), **value} if isinstance(value, dict) else value
    fits = jsonschema.Draft202012Validator(json_schema()).is_valid(changed)
    try:
        from_document(changed, allow=[])
    except DefinitionError:
        return
    assert fits, "what is read fits the schema"


def test_a_document_nested_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(10_000):
        deep = {"a": deep}
    with pytest.raises(DefinitionError, match="nest deeper"):
        from_document(with_node(detail=deep))
    round_and_round: dict[str, Any] = {}
    round_and_round["self"] = round_and_round
    with pytest.raises(DefinitionError, match="nest deeper"):
        to_document(Definition("essay", {"a": Node("a", "agent", detail=round_and_round)}, (), "a"))


def test_a_detail_that_is_no_json_is_refused_with_its_path() -> None:
    definition = Definition("essay", {"a": Node("a", "agent", detail={"tools": [{"call": approved}]})}, (), "a")
    with pytest.raises(DefinitionError, match=r"graph 'essay', node 'a', detail\.tools\[0\]\.call: <function approved"):
        to_document(definition)


def with_detail(**detail: Any) -> Definition:
    return Definition("essay", {"writer": Node("writer", "agent", detail=detail)}, (Edge("writer", END),), "writer")


def test_secrets_never_enter_a_document_or_a_fingerprint() -> None:
    tool = {"name": "login", "parameters": {"type": "object", "properties": {"password": {"type": "string"}}}}
    clean = with_detail(model={"name": "gpt", "max_tokens": 5}, tools=[tool])
    secret = with_detail(
        model={"name": "gpt", "max_tokens": 5, "api_key": "sk-1", "OPENAI_API_KEY": "sk-2", "headers": {"Authorization": "Bearer sk-3"}},
        tools=[tool],
        config_list=[{"api-key": "sk-4", "client_secret": {"value": "sk-5"}}],
    )
    assert "sk-" not in canonical_json(to_document(secret))
    assert to_document(clean)["nodes"][0]["detail"]["tools"] == [tool], "a parameter's name is no secret"
    assert to_document(clean)["nodes"][0]["detail"]["model"]["max_tokens"] == 5
    with_key, without_key = with_detail(model={"api_key": "sk-1"}), with_detail(model={"api_key": "sk-2"})
    assert fingerprint(with_key) == fingerprint(without_key)


def test_a_node_named_like_a_secret_is_a_node() -> None:
    limits = Limits(visits={"secret": 2})
    definition = Definition("essay", {"secret": Node("secret", "agent")}, (Edge("secret", END),), "secret", limits=limits)
    assert from_document(json.loads(canonical_json(to_document(definition)))).limits == limits


def test_a_callable_counts_by_name_and_signature_and_not_by_where_it_is() -> None:
    def function(call: str, signature: str) -> Definition:
        return with_detail(type="function", call=call, signature=signature)

    assert fingerprint(function("essay:score", "(ctx) -> str")) == fingerprint(function("__main__:score", "(ctx) -> str"))
    assert fingerprint(function("essay:score", "(ctx) -> str")) != fingerprint(function("essay:score", "(ctx) -> Reply"))
    assert fingerprint(with_detail(call="a")) != fingerprint(with_detail(call="b")), "only a function's call is a path"

    def guarded(guard: Any) -> Definition:
        return Definition("essay", {"a": Node("a", "agent")}, (Edge("a", END, CallableGuard(guard)),), "a")

    before = fingerprint(guarded(approved))
    moved = FunctionType(approved.__code__, globals(), "approved")
    moved.__module__ = "__main__"
    assert fingerprint(guarded(moved)) == before
    assert fingerprint(guarded(lambda view: True)) != before


def test_what_the_conversation_depends_on_changes_the_fingerprint() -> None:
    base = document(edges=[{"from": "writer", "to": "END", "when": "turn > 3"}, {"from": "writer", "to": "writer"}])
    prints = {fingerprint(from_document(base))}
    for change in (
        {"name": "other"},
        {"select": "auto"},
        {"limits": {"turns": 3}},
        {"detail": {"a": 1}},
        {"edges": list(reversed(base["edges"]))},
        {"nodes": [{"name": "writer", "kind": "function"}]},
        {"nodes": [{"name": "writer", "kind": "agent", "timeout": 3}]},
        {"state": {"fields": {"a": {"type": "string"}}}},
    ):
        prints.add(fingerprint(from_document(base | change)))
    assert len(prints) == 9


def test_the_fingerprint_stays_what_it_is() -> None:
    """A fingerprint is stored with each run: should this fail, stored runs would be refused by the next version."""
    text = canonical_json(to_document(from_document(document())))
    assert text == (
        '{"edges":[{"from":"writer","to":"END"}],"name":"essay","nodes":[{"kind":"agent","name":"writer"}],"start":"writer","version":1}'
    )
    assert fingerprint(from_document(document())) == "6f7c969bd63b635d3bf1d01a43e9653c91fe1ba07cd62c4fb0d8cd038c29abd1"


def test_an_instance_or_a_local_function_has_a_path_that_says_so() -> None:
    def local(view: Any) -> bool:
        return True

    definition = Definition(
        "essay",
        {"a": Node("a", "agent")},
        (Edge("a", END, CallableGuard(local)), Edge("a", END, CallableGuard(Judge().approves), index=1)),
        "a",
    )
    paths = [edge["python"] for edge in to_document(definition)["edges"]]
    assert paths == [f"{HERE}:test_an_instance_or_a_local_function_has_a_path_that_says_so.<locals>.local", f"{HERE}:Judge().approves"]


def test_allow_takes_one_module_or_several_and_what_is_below_them() -> None:
    for allow in (HERE, [HERE], {HERE, "other"}):
        definition = from_document(with_edge(python=f"{HERE}:approved"), allow=allow)
        assert definition.edges[0].guard is not None
        assert definition.edges[0].guard.text == "approved()"


def test_what_was_read_says_where_it_stood() -> None:
    definition = from_document(document(), where="essay.yaml")
    assert definition.nodes["writer"].origin == "essay.yaml, nodes[0]"
    assert definition.edges[0].origin == "essay.yaml, edges[0]"


def test_a_text_of_a_special_class_is_written_as_a_text() -> None:
    class Mode(StrEnum):
        NEVER = "never"

    assert to_document(with_detail(mode=Mode.NEVER))["nodes"][0]["detail"] == {"mode": "never"}
    assert dumps_yaml({"mode": Mode.NEVER}) == "mode: never\n"
