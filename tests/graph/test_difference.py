"""The difference of two documents names every change, where it is, and whether a stored run can live with it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from convgraph.graph.documents import Change, canonical_json, difference, fingerprint, from_document, summary

PROMPT = "You write essays.\nBe brief."
BASE: dict[str, Any] = {
    "version": 1,
    "name": "essay",
    "start": "writer",
    "state": {
        "fields": {"score": {"type": "number", "default": 0}, "topics": {"type": "array", "default": [], "description": "what about"}}
    },
    "select": "auto",
    "fallback": "critic",
    "limits": {"turns": 20, "visits": {"writer": 5}},
    "detail": {"selector_model": "gpt", "carryover": True},
    "nodes": [
        {
            "name": "writer",
            "kind": "agent",
            "description": "writes",
            "detail": {
                "type": "AssistantAgent",
                "system_message": PROMPT,
                "model": {"name": "gpt", "params": {"temperature": 0}},
                "tools": [],
            },
            "retry": {"attempts": 3},
            "timeout": 60,
        },
        {"name": "critic", "kind": "agent", "detail": {"type": "AssistantAgent", "system_message": "You judge."}, "select": "first"},
        {"name": "score", "kind": "function", "detail": {"type": "function", "call": "essay:score", "signature": "(ctx) -> str"}},
        {
            "name": "panel",
            "kind": "parallel",
            "branches": [
                {"name": "legal", "kind": "agent", "detail": {"system_message": "law"}},
                {"name": "style", "kind": "agent", "detail": {"system_message": "style"}},
            ],
        },
        {"name": "each", "kind": "foreach", "over": "state.topics", "concurrency": 2, "branches": [{"name": "one", "kind": "agent"}]},
        {
            "name": "review",
            "kind": "graph",
            "graph": {
                "name": "inner",
                "start": "reader",
                "limits": {"turns": 3},
                "nodes": [{"name": "reader", "kind": "agent", "detail": {"system_message": "You read."}}],
                "edges": [{"from": "reader", "to": "END"}],
            },
        },
    ],
    "edges": [
        {"from": "writer", "to": "critic"},
        {"from": "critic", "to": "END", "when": "turn > 3", "label": "enough"},
        {"from": "critic", "to": "writer", "priority": -1},
        {"from": "writer", "to": "score", "on": "error"},
        {"from": "score", "to": "END", "python": "essay:passed"},
        {"from": "score", "to": "panel"},
        {"from": "panel", "to": "review"},
        {"from": "review", "to": "each"},
        {"from": "each", "to": "writer"},
    ],
}


def changed(edit: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    document = copy.deepcopy(BASE)
    edit(document)
    return document


def at(document: Any, path: str) -> tuple[Any, Any]:
    """The container of a path such as `nodes.0.detail`, and the last key."""
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        document = document[step]
    return document, last


def put(path: str, value: Any) -> dict[str, Any]:
    def edit(document: dict[str, Any]) -> None:
        container, key = at(document, path)
        container[key] = value

    return changed(edit)


def drop(path: str) -> dict[str, Any]:
    def edit(document: dict[str, Any]) -> None:
        container, key = at(document, path)
        del container[key]

    return changed(edit)


def added(path: str, value: Any) -> dict[str, Any]:
    def edit(document: dict[str, Any]) -> None:
        container, key = at(document, path)
        container[key].append(value)

    return changed(edit)


def swapped(path: str, one: int, other: int) -> dict[str, Any]:
    def edit(document: dict[str, Any]) -> None:
        container, key = at(document, path)
        container[key][one], container[key][other] = container[key][other], container[key][one]

    return changed(edit)


def renamed(old: str, new: str) -> dict[str, Any]:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {walk(key): walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return new if value == old else value

    return walk(copy.deepcopy(BASE))


COMPATIBLE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a prompt": (put("nodes.0.detail.system_message", "Write!"), ["graph 'essay', node 'writer': prompt"]),
    "a prompt in a sub-graph": (
        put("nodes.5.graph.nodes.0.detail.system_message", "Read!"),
        ["graph 'essay', node 'review/reader': prompt"],
    ),
    "a prompt in a branch": (put("nodes.3.branches.0.detail.system_message", "laws"), ["graph 'essay', node 'panel/legal': prompt"]),
    "a description": (put("nodes.0.description", "writes well"), ["graph 'essay', node 'writer': description"]),
    "a label": (put("edges.1.label", "good"), ["graph 'essay', edge critic -> END when turn > 3: label"]),
    "a new label": (put("edges.0.label", "go"), ["graph 'essay', edge writer -> critic: label"]),
    "a limit": (put("limits.turns", 30), ["graph 'essay': limits.turns"]),
    "a new limit": (put("limits.usd", 1.5), ["graph 'essay': limits.usd"]),
    "no limits": (drop("limits"), ["graph 'essay': limits.turns", "graph 'essay': limits.visits"]),
    "a limit in a sub-graph": (drop("nodes.5.graph.limits"), ["graph 'essay', node 'review': limits.turns"]),
    "a timeout": (drop("nodes.0.timeout"), ["graph 'essay', node 'writer': timeout"]),
    "a retry": (put("nodes.1.retry", {"attempts": 2}), ["graph 'essay', node 'critic': retry"]),
    "a model's parameter": (
        put("nodes.0.detail.model.params.temperature", 1),
        ["graph 'essay', node 'writer': detail.model.params.temperature"],
    ),
    "another model": (put("nodes.0.detail.model", "gpt-5"), ["graph 'essay', node 'writer': detail.model"]),
    "a function that moved": (put("nodes.2.detail.call", "book:score"), ["graph 'essay', node 'score': detail.call"]),
    "a guard that moved": (put("edges.4.python", "book:passed"), ["graph 'essay', edge score -> END when passed(): guard"]),
    "the order of nodes": (swapped("nodes", 0, 1), ["graph 'essay': node-order"]),
    "a field's description": (put("state.fields.topics.description", "about"), ["graph 'essay': state.fields.topics.description"]),
    "the selector's model": (put("detail.selector_model", "gpt-5"), ["graph 'essay': graph-detail.selector_model"]),
}
INCOMPATIBLE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "another name": (put("name", "novel"), ["graph 'novel': name"]),
    "another start": (put("start", "critic"), ["graph 'essay': start"]),
    "a beginning that is chosen": (
        changed(lambda document: (document.pop("start"), document["edges"].append({"from": "START", "to": "writer", "when": "turn == 0"}))),
        ["graph 'essay': start", "graph 'essay', edge START -> writer when turn == 0: edge-added"],
    ),
    "another selector": (put("select", "first"), ["graph 'essay': select"]),
    "a node's selector": (drop("nodes.1.select"), ["graph 'essay', node 'critic': select"]),
    "another fallback": (put("fallback", "writer"), ["graph 'essay': fallback"]),
    "another carryover": (put("detail.carryover", 1), ["graph 'essay': graph-detail.carryover"]),
    "a new node": (added("nodes", {"name": "judge", "kind": "agent"}), ["graph 'essay', node 'judge': node-added"]),
    "a node less": (drop("nodes.4"), ["graph 'essay', node 'each': node-removed"]),
    "another kind": (put("nodes.1.kind", "function"), ["graph 'essay', node 'critic': kind"]),
    "another signature": (put("nodes.2.detail.signature", "(ctx)"), ["graph 'essay', node 'score': detail.signature"]),
    "another tool": (put("nodes.0.detail.tools", ["search"]), ["graph 'essay', node 'writer': detail.tools"]),
    "another list to run over": (put("nodes.4.over", "messages"), ["graph 'essay', node 'each': over"]),
    "another concurrency": (put("nodes.4.concurrency", 3), ["graph 'essay', node 'each': concurrency"]),
    "a branch less": (drop("nodes.3.branches.0"), ["graph 'essay', node 'panel/legal': branch-removed"]),
    "a branch more": (added("nodes.3.branches", {"name": "facts", "kind": "agent"}), ["graph 'essay', node 'panel/facts': branch-added"]),
    "the order of branches": (swapped("nodes.3.branches", 0, 1), ["graph 'essay', node 'panel': branch-order"]),
    "a branch renamed": (put("nodes.3.branches.0.name", "law"), ["graph 'essay', node 'panel/legal': branch-renamed"]),
    "no sub-graph": (drop("nodes.5.graph"), ["graph 'essay', node 'review': graph"]),
    "a sub-graph's edge": (
        put("nodes.5.graph.edges.0.to", "reader"),
        ["graph 'essay', node 'review', edge reader -> END: edge-retargeted"],
    ),
    "a new edge": (added("edges", {"from": "panel", "to": "END"}), ["graph 'essay', edge panel -> END: edge-added"]),
    "an edge less": (drop("edges.3"), ["graph 'essay', edge writer -> score on error: edge-removed"]),
    "another target": (put("edges.1.to", "panel"), ["graph 'essay', edge critic -> END when turn > 3: edge-retargeted"]),
    "another guard": (put("edges.1.when", "turn > 4"), ["graph 'essay', edge critic -> END when turn > 3: guard"]),
    "no guard": (drop("edges.1.when"), ["graph 'essay', edge critic -> END when turn > 3: guard"]),
    "another opaque guard": (put("edges.4.python", "essay:failed"), ["graph 'essay', edge score -> END when passed(): guard"]),
    "another priority": (put("edges.2.priority", 1), ["graph 'essay', edge critic -> writer: priority"]),
    "another outcome": (put("edges.3.on", "limit"), ["graph 'essay', edge writer -> score on error: on"]),
    "another order of edges": (swapped("edges", 1, 2), ["graph 'essay': edge-order"]),
    "a new field": (put("state.fields.title", {"type": "string"}), ["graph 'essay': state.fields.title"]),
    "a field less": (drop("state.fields.score"), ["graph 'essay': state.fields.score"]),
    "another type": (put("state.fields.score.type", "integer"), ["graph 'essay': state.fields.score.type"]),
    "no state": (drop("state"), ["graph 'essay': state"]),
}


def told(changes: list[Change]) -> list[str]:
    return [f"{change.where}: {change.kind}" for change in changes]


def test_a_document_does_not_differ_from_itself() -> None:
    assert difference(BASE, copy.deepcopy(BASE)) == []
    assert summary([]) == "no differences"


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_run_can_live_with_this(name: str) -> None:
    document, expected = COMPATIBLE[name]
    changes = difference(BASE, document)
    assert told(changes) == expected
    assert all(change.compatible for change in changes)


@pytest.mark.parametrize("name", INCOMPATIBLE)
def test_a_run_cannot_live_with_this(name: str) -> None:
    document, expected = INCOMPATIBLE[name]
    changes = difference(BASE, document)
    assert told(changes) == expected
    assert not any(change.compatible for change in changes)


def test_a_renamed_node_is_told_as_such_and_not_once_for_each_of_its_edges() -> None:
    changes = difference(BASE, renamed("critic", "judge"))
    assert told(changes) == ["graph 'essay': fallback", "graph 'essay', node 'critic': node-renamed"]
    assert (changes[1].before, changes[1].after, changes[1].compatible) == ("critic", "judge", False)
    assert told(difference(BASE, renamed("writer", "author"))) == [
        "graph 'essay': limits.visits",
        "graph 'essay', node 'writer': node-renamed",
    ]


def test_edges_from_start_are_compared_like_all_others() -> None:
    one = changed(lambda document: (document.pop("start"), document["edges"].append({"from": "START", "to": "writer", "label": "go"})))
    other = copy.deepcopy(one)
    other["edges"][-1] |= {"label": "begin"}
    assert told(difference(one, other)) == ["graph 'essay', edge START -> writer: label"]
    assert all(change.compatible for change in difference(one, other))
    other["edges"][-1] |= {"to": "critic"}
    assert [change.compatible for change in difference(one, other)] == [False, False]


def test_nodes_that_say_nothing_are_not_taken_for_one_renamed() -> None:
    one = {"version": 1, "name": "g", "nodes": [{"name": "a", "kind": "agent"}]}
    other = {"version": 1, "name": "g", "nodes": [{"name": "b", "kind": "agent"}]}
    assert [change.kind for change in difference(one, other)] == ["node-removed", "node-added"]


def test_a_pydantic_state_may_move_but_not_change() -> None:
    schema = {"title": "Essay", "type": "object", "properties": {"score": {"type": "number", "default": {"title": "x"}}}}
    one = BASE | {"state": {"python": "essay:Essay", "schema": schema}}
    moved = BASE | {"state": {"python": "book:Novel", "schema": schema | {"title": "Novel"}}}
    assert [(change.kind, change.compatible) for change in difference(one, moved)] == [("state.python", True), ("state.schema.title", True)]
    other_default = copy.deepcopy(one)
    other_default["state"]["schema"]["properties"]["score"]["default"]["title"] = "y"
    assert [change.compatible for change in difference(one, other_default)] == [False]


def mutants(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The document with each value in turn changed, taken away or repeated."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        place = f"{path}.{key}" if path else str(key)
        if key not in ("name", "kind", "nodes", "from", "to", "version"):
            yield f"{place} taken away", drop(place)
        if isinstance(item, str):
            yield f"{place} changed", put(place, f"{item}-2")
        elif isinstance(item, bool):
            yield f"{place} turned", put(place, int(item))
        elif isinstance(item, int | float):
            yield f"{place} is another kind of number", put(place, float(item) if isinstance(item, int) else int(item))
        elif isinstance(item, list) and item:
            yield f"{place} has its last item twice", added(place, copy.deepcopy(item[-1]))
            yield f"{place} reversed", put(place, item[::-1])
        yield from mutants(item, place)


MUTANTS = {name: document for name, document in mutants(BASE) if canonical_json(document) != canonical_json(BASE)}


@pytest.mark.parametrize("name", MUTANTS)
def test_no_change_goes_unnoticed_in_either_direction(name: str) -> None:
    assert difference(BASE, MUTANTS[name])
    assert difference(MUTANTS[name], BASE)


def test_the_mutants_are_many() -> None:
    assert len(MUTANTS) > 150


def test_graphs_of_one_fingerprint_differ_in_nothing_that_matters() -> None:
    base = copy.deepcopy(BASE) | {"edges": []}
    moved = copy.deepcopy(base)
    for document, module in ((base, "essay"), (moved, "book")):
        document["nodes"][2]["detail"]["call"] = f"{module}:score"
        document["nodes"][0]["detail"]["tools"] = [{"type": "function", "call": f"{module}:search"}]
    assert fingerprint(from_document(base)) == fingerprint(from_document(moved))
    assert [(change.kind, change.compatible) for change in difference(base, moved)] == [("detail.tools", True), ("detail.call", True)]


def test_a_change_reads_well() -> None:
    texts = [str(change) for change in difference(BASE, put("edges.1.when", "turn > 4"))]
    assert texts == ["graph 'essay', edge critic -> END when turn > 3: guard: 'turn > 3' -> 'turn > 4' (incompatible)"]
    assert str(difference(BASE, put("nodes.0.detail.system_message", PROMPT.replace("brief", "quick")))[0]) == (
        "graph 'essay', node 'writer': prompt changed\n"
        "    --- before\n    +++ after\n    @@ -1,2 +1,2 @@\n     You write essays.\n    -Be brief.\n    +Be quick."
    )
    assert str(difference(BASE, drop("nodes.0.timeout"))[0]) == "graph 'essay', node 'writer': timeout: was 60"
    assert str(difference(BASE, put("limits.usd", 1.5))[0]) == "graph 'essay': limits.usd: 1.5"


def test_a_summary_puts_first_what_stops_a_run_and_stays_short() -> None:
    document = put("start", "critic")
    document["limits"]["turns"] = 3
    lines = summary(difference(BASE, document)).splitlines()
    assert [line.endswith("(incompatible)") for line in lines] == [True, False]
    many = [Change("label", f"edge {number}", "a", "b", True) for number in range(100)]
    assert len(summary(many).splitlines()) == 13
    assert summary(many).endswith("… and 88 more")
