"""A journal is data, whoever wrote it: reading it imports nothing, calls nothing, and refuses what it does not know."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgraph.errors import ConvgraphError, NotEncodable, StoreError
from convgraph.journal.codec import ValueCodec, decode_event, encode_event
from convgraph.journal.events import EVENTS, EffectFinished

ROOT = Path(__file__).parents[2]


@dataclass
class Score:
    """A registered type."""

    value: int


class Bomb:
    """What a pickle would set off."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('a pickle was loaded')",)


PICKLE = base64.b64encode(pickle.dumps(Bomb())).decode()

PAYLOADS: list[Any] = [
    {"$type": "os.system", "value": "true"},
    {"$type": "builtins.eval", "value": "1"},
    {"$type": "registered:os", "value": {}},
    {"$type": "registered:Score", "value": "os"},
    {"$type": "registered:Score", "value": {"value": "not a number"}},
    {"$type": "registered:", "value": None},
    {"$type": "pickle", "value": PICKLE},
    {"$type": "!!python/object/apply:os.system", "value": ["true"]},
    {"$type": "antigravity", "value": 1},
    {"$type": ["bytes"], "value": ""},
    {"$type": {"a": 1}, "value": ""},
    {"$type": 7, "value": ""},
    {"$type": True},
    {"$type": ""},
    {"$type": "bytes"},
    {"$type": "bytes", "value": "é"},
    {"$type": "bytes", "value": 7},
    {"$type": "datetime", "value": "yesterday"},
    {"$type": "datetime", "value": None},
    {"$type": "date", "value": "2026-99-99"},
    {"$type": "time", "value": {}},
    {"$type": "timedelta", "value": "a while"},
    {"$type": "timedelta", "value": 1e300},
    {"$type": "decimal", "value": "many"},
    {"$type": "decimal", "value": []},
    {"$type": "uuid", "value": "no"},
    {"$type": "uuid", "value": 7},
    {"$type": "float", "value": "much"},
    {"$type": "tuple"},
    {"$type": "tuple", "value": 7},
    {"$type": "set", "value": [[1]]},
    {"$type": "set", "value": [{"a": 1}]},
    {"$type": "frozenset", "value": None},
    {"$type": "dict", "value": 7},
    {"$type": "dict", "value": [[1]]},
    {"$type": "dict", "value": [[[1], 2]]},
    {"$type": "dict", "value": [1]},
    {"deep": [{"$type": "unknown"}]},
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: json.dumps(payload)[:50])
def test_a_payload_that_is_not_ours_is_refused_with_its_path(payload: Any) -> None:
    with pytest.raises(StoreError, match=r"\$"):
        ValueCodec([Score]).decode(payload)


def test_a_nested_bomb_is_refused() -> None:
    bomb: Any = {"$type": "tuple", "value": []}
    for _ in range(100_000):
        bomb = {"$type": "tuple", "value": [bomb]}
    with pytest.raises(StoreError, match="nested"):
        ValueCodec().decode(bomb)


@pytest.mark.parametrize("depth", [50, 100, 150, 200, 250, 300, 1000, 20_000])
def test_what_can_be_written_can_be_read(depth: int) -> None:
    """However deep a tool's result is nested: it is refused when it is to be written, or it comes back."""
    value: Any = "core"
    for _ in range(depth):
        value = [value]
    codec = ValueCodec()
    try:
        event = EffectFinished("1", "tool", "dig", 0, "digest", codec.encode(value))
        text = encode_event(event)
    except NotEncodable:
        assert depth > 100
        return
    read = decode_event("effect_finished", text, "run", 1)
    assert isinstance(read, EffectFinished)
    assert codec.decode(read.result) == value


def test_a_mapping_with_our_tag_in_it_comes_back_as_it_was() -> None:
    """A tool may return anything that looks like ours: it is data all the same."""
    codec = ValueCodec()
    for payload in [{"$type": "bytes", "value": "AAAA"}, {"$type": "tuple", "value": [1]}, {"a": {"$type": "registered:Score"}}]:
        assert codec.decode(json.loads(json.dumps(codec.encode(payload)))) == payload


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["bytes", "tuple", "set", "dict", "uuid"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["$type", "value", "a"]), inner, max_size=3),
    max_leaves=12,
)


@given(_JSON)
def test_any_json_is_a_value_or_a_store_error(payload: Any) -> None:
    try:
        ValueCodec([Score]).decode(payload)
    except StoreError:
        return


@given(st.sampled_from(sorted(EVENTS)), st.one_of(_JSON.map(json.dumps), st.text(max_size=30), st.binary(max_size=30)))
def test_any_body_is_an_event_or_a_store_error(kind: str, body: str | bytes) -> None:
    try:
        decode_event(kind, body, "run", 1)
    except ConvgraphError as error:
        said = str(error)
    else:
        said = "run 'run', event 1"
    assert "run 'run', event 1" in said


_READ_ALL = """
import builtins, json, sys
from convgraph.journal.codec import ValueCodec, decode_event
from convgraph.errors import ConvgraphError
from convgraph import open_store
payloads = json.load(open(sys.argv[1]))
store = open_store(sys.argv[2]); store.events("run")   # whatever reading needs is loaded now
before = set(sys.modules)
def forbidden(*args, **options): raise SystemExit(f"called with {args!r:.200}")
builtins.eval = builtins.exec = builtins.__import__ = forbidden
import os; os.system = os.popen = forbidden
for payload in payloads:
    body = json.dumps({"path": "1", "effect": "tool", "name": "x", "ordinal": 0, "digest": "", "result": payload})
    event = decode_event("effect_finished", body, "run", 1)
    try:
        ValueCodec().decode(event.result)
    except ConvgraphError:
        pass
for recorded in store.events("run"):
    pass
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_reading_imports_nothing_and_calls_nothing(tmp_path: Path) -> None:
    """Judged in a process of its own, where `eval`, `exec`, imports and shells are booby-trapped."""
    from convgraph import END, ConversationGraph, open_store

    graph = ConversationGraph("plain")
    graph.add_node(lambda ctx: "hello", name="node")
    graph.add_edge("node", END)
    graph.set_start("node")
    with open_store(tmp_path / "runs.db") as store:
        graph.run("hello", store=store, run_id="run")
    (tmp_path / "payloads.json").write_text(json.dumps([payload for payload in PAYLOADS if json.dumps(payload)]))
    script = _READ_ALL.replace("import os; os.system", "os.system").replace("import builtins, json, sys", "import builtins, json, os, sys")
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "payloads.json"), str(tmp_path / "runs.db")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout.splitlines()[-1]) == []
