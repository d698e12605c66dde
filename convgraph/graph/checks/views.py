"""Checks of what nodes are shown of the conversation."""

from __future__ import annotations

from collections.abc import Iterator

from convgraph.graph.checks.scope import Finding, Scope
from convgraph.graph.definition import END, Edge, Node
from convgraph.graph.views import View


def views(scope: Scope) -> Iterator[Finding]:
    """Views that nobody would be shown anything by, and summaries that nobody could make or keep."""
    nodes = scope.graph.nodes
    placed: list[tuple[Node | Edge, str, View]] = [(node, name, node.view) for name, node in nodes.items() if node.view is not None]
    placed += [(edge, edge.target, edge.view) for edge in scope.graph.edges if edge.view is not None]
    for place, name, view in placed:
        if name == END:
            yield scope.error("unfit-view", place, "the end is shown nothing", "leave view= out")
        elif name in nodes:
            yield from _of_node(scope, place, nodes[name], view)


def _of_node(scope: Scope, place: Node | Edge, node: Node, view: View) -> Iterator[Finding]:
    if node.kind == "graph":
        why = f"{node.name!r} is a conversation of its own, which starts from the last message alone"
        yield scope.error("unfit-view", place, why, "put the view on the nodes inside it")
        return
    if view.summary is None:
        return
    state = scope.graph.state
    if state is None or view.summary not in state.fields:
        hint = f'give the graph\'s state a field for it: {{"{view.summary}": {{"type": "object", "default": {{}}}}}}'
        yield scope.error("unfit-view", place, f"its summary is to be kept in {view.summary!r}, which is no field of the state", hint)
    if node.kind in ("parallel", "foreach"):
        yield scope.error(
            "unfit-view", place, f"the branches of {node.name!r} cannot keep a summary together", "use last= or tokens= alone"
        )
    elif node.kind == "agent" and not node.detail.get("model"):
        yield scope.error(
            "unfit-view", place, f"{node.name!r} has no model to make the summary", "give the agent a model, or leave summary= out"
        )
