"""Checks of structured fan-out: a join that can never fill, and branches that write the same state field."""

from __future__ import annotations

import re
from collections.abc import Iterator

from convgraph.graph.checks import guard_facts
from convgraph.graph.checks.node_types import writes
from convgraph.graph.checks.scope import Finding, Scope, with_branches
from convgraph.graph.definition import Node, named
from convgraph.graph.guards import CelExpression

_STATE_FIELD = re.compile(r"state\s*\.\s*([A-Za-z_]\w*)")
_GIVE_A_LIST = "give it a CEL expression that is a list with items, such as state.topics"


def joins(scope: Scope) -> Iterator[Finding]:
    """Groups that cannot be joined, and state fields that two of their branches write without a reducer."""
    for node, under in with_branches(scope):
        if node.kind not in ("parallel", "foreach"):
            continue
        faults = [*_branch_faults(scope, node), *(_parallel_faults(node) if node.kind == "parallel" else _foreach_faults(scope, node))]
        for message, hint in faults:
            yield scope.error("unfillable-join", node, message, hint, under)
        for key, writers in _clashes(scope, node):
            hint = f"give the field a reducer: {key}: Annotated[…, Reducer(merge)]"
            yield scope.error("shared-key", node, f"{writers} write state.{key} at the same time", hint, under)


def _branch_faults(scope: Scope, node: Node) -> Iterator[tuple[str, str]]:
    names = [branch.name for branch in node.branches]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"{names.count(name)} branches have the name {name!r}, so they cannot be told apart", "give each branch a name of its own"
    if node.concurrency is not None and node.concurrency < 1:
        yield f"concurrency={node.concurrency} lets no branch begin", "allow at least one at a time, or leave concurrency out"
    for branch in node.branches:
        if branch.inner is not None and Scope(branch.inner, scope.root).hopeless:
            yield f"its branch {branch.name!r} never reaches its END", "correct the branch's graph"


def _parallel_faults(node: Node) -> Iterator[tuple[str, str]]:
    if not node.branches:
        yield "Parallel has no branches, so there is nothing to join", "give it at least one"
    if node.over is not None:
        yield "Parallel runs each branch once and takes no list", "use ForEach to run over a list"


def _foreach_faults(scope: Scope, node: Node) -> Iterator[tuple[str, str]]:
    if not node.branches:
        yield "ForEach has no body, so there is nothing to join", "give it the node that runs for each item"
    if len(node.branches) > 1:
        yield f"ForEach has {len(node.branches)} bodies", "give it one node; use a Parallel group or a graph for more"
    if node.over is None:
        yield "ForEach has nothing to run over", _GIVE_A_LIST
    elif value := guard_facts.constant_value(node.over):
        if not isinstance(value[0], list):
            yield f"it runs over `{node.over.text}`, which is not a list", _GIVE_A_LIST
        elif not value[0]:
            yield f"it runs over `{node.over.text}`, which is always empty", _GIVE_A_LIST
    elif (kind := _scalar(scope, node.over)) is not None:
        yield f"it runs over `{node.over.text}`, which is declared as {kind}, not as a list", _GIVE_A_LIST


def _scalar(scope: Scope, over: CelExpression) -> str | None:
    """The declared type of the state field that a ForEach runs over, where it certainly is no list."""
    found = _STATE_FIELD.fullmatch(over.text.strip())
    if found is None or scope.graph.state is None:
        return None
    properties = scope.graph.state.model.model_json_schema().get("properties", {})
    kind = properties.get(found[1], {}).get("type")
    return kind if kind in ("string", "integer", "number", "boolean") else None


def _clashes(scope: Scope, node: Node) -> Iterator[tuple[str, str]]:
    """The state fields without a reducer that several branches write, and who does."""
    if scope.graph.state is None:
        return
    unmerged = scope.graph.state.fields - set(scope.graph.state.reducers)
    for key in sorted(unmerged & _written(node)):
        writers = [branch.name for branch in node.branches if key in _written(branch)]
        if node.kind == "foreach" and writers:
            yield key, f"the runs of {writers[0]!r}"
        elif len(writers) > 1:
            yield key, named(writers)


def _written(node: Node) -> frozenset[str]:
    """What a node and its branches write. A sub-graph has a state of its own."""
    return writes(node).union(*map(_written, node.branches))
