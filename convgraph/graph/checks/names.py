"""Checks of what a definition refers to: nodes, speakers, state fields, and what its nodes expect of one another."""

from __future__ import annotations

from collections.abc import Iterator

from convgraph.graph.checks import guard_facts
from convgraph.graph.checks.node_types import accepts, mismatch, returns, writes
from convgraph.graph.checks.scope import Finding, Scope, did_you_mean, guard_text, with_branches
from convgraph.graph.definition import END, START, Node, named
from convgraph.graph.guards import CelExpression, CelGuard, Guard


def start(scope: Scope) -> Iterator[Finding]:
    """A graph without a start, or one whose start is not a node."""
    graph = scope.graph
    if graph.beginning == START:
        return
    if graph.start is None:
        hint = (
            "call set_start with the node that speaks first, or let edges leave START" if graph.nodes else "add nodes, then call set_start"
        )
        yield scope.error("missing-start", None, "no node is the start", hint)
    elif graph.start not in graph.nodes:
        yield scope.error(
            "unknown-endpoint", None, f"the start is {graph.start!r}, but there is no such node", did_you_mean(scope, graph.start)
        )


def endpoints(scope: Scope) -> Iterator[Finding]:
    """Edges that begin or end at no node."""
    nodes = scope.graph.nodes
    for edge in scope.graph.edges:
        for role, name, beyond in (("source", edge.source, START), ("target", edge.target, END)):
            if name not in nodes and name != beyond:
                yield scope.error("unknown-endpoint", edge, f"its {role} {name!r} is not a node of this graph", did_you_mean(scope, name))


def speakers(scope: Scope) -> Iterator[Finding]:
    """Names of nobody: nodes without a speaker, limits and guards on the visits of no node."""
    graph = scope.graph
    for node, under in with_branches(scope):
        if node.kind == "graph" and node.inner is None:
            yield scope.error("unknown-agent", node, "it is a sub-graph without a graph", "give the node its graph", under)
        path = f"{scope.path}{under}{node.name}"
        if scope.known is not None and node.kind in ("function", "agent") and path not in scope.known:
            yield scope.error(
                "unknown-agent", node, "nobody is known to speak here", "add the agent or function that this node stands for", under
            )
    limited = graph.limits.visits
    for name in limited if limited is not None and not isinstance(limited, int) else ():
        if name not in graph.speakers:
            yield scope.error("unknown-agent", None, f"Limits(visits=…) names {name!r}, which is not a node", did_you_mean(scope, name))
    for edge in graph.edges:
        for name in sorted(guard_facts.visits_read(edge.guard) - set(graph.speakers)):
            yield scope.error(
                "unknown-agent",
                edge,
                f"its guard {guard_text(edge)} reads the visits of {name!r}, which is not a node",
                did_you_mean(scope, name),
            )


def fallbacks(scope: Scope) -> Iterator[Finding]:
    """Fallbacks that are no node, or no target of the node that would fall back on them."""
    graph = scope.graph
    for fallback, place in ((graph.fallback, None), *((node.fallback, node) for node in graph.nodes.values())):
        if fallback is not None and fallback != END and fallback not in graph.nodes:
            yield scope.error("unknown-agent", place, f"the fallback {fallback!r} is not a node", did_you_mean(scope, fallback))
    places: list[tuple[str, Node | None]] = [*graph.nodes.items(), (START, None)]
    for name, node in places:
        fallback = graph.fallback_at(name)
        targets = list(dict.fromkeys(edge.target for edge in scope.replies(name)))
        can_miss = graph.select_at(name) in ("auto", "manual", "callable") and len(targets) > 1
        # The graph's fallback cannot serve its own node, which is no fault of that node's.
        own = fallback == name and (node is None or node.fallback is None)
        exists = fallback in graph.nodes or fallback == END
        if exists and can_miss and not own and fallback not in targets:
            yield scope.warning(
                "fallback-not-a-target",
                node,
                f"the fallback {fallback!r} cannot be taken from {'here' if node else START}, where the targets are {named(targets)}",
                f"add an edge to {fallback!r}" + (", or give the node a fallback= among its targets" if node else f" from {START}"),
            )


def state_keys(scope: Scope) -> Iterator[Finding]:
    """What reads or writes a field that the state's schema does not declare."""
    graph = scope.graph
    fields = graph.state.fields if graph.state is not None else frozenset[str]()
    hint = f"declare it with state=; {f'the state has {named(sorted(fields))}' if fields else 'the graph declares no state'}"
    for edge in graph.edges:
        for key in sorted(_keys_read(edge.guard) - fields):
            yield scope.error("undeclared-key", edge, f"its guard {guard_text(edge)} reads state.{key}, which is not declared", hint)
    for node, under in with_branches(scope):
        for key in sorted(_keys_read(node.over) - fields):
            yield scope.error("undeclared-key", node, f"it runs over state.{key}, which is not declared", hint, under)
        for key in sorted(writes(node) - fields):
            yield scope.error("undeclared-key", node, f"it writes state.{key}, which is not declared", hint, under)


def _keys_read(expression: Guard | CelExpression | None) -> frozenset[str]:
    if isinstance(expression, CelGuard | CelExpression):
        return expression.state_keys or frozenset()
    return frozenset()


def types(scope: Scope) -> Iterator[Finding]:
    """Edges whose source gives nothing that their target takes."""
    nodes = scope.graph.nodes
    for edge in scope.live:
        # After an error there is no message of the source's for the target to take.
        if edge.on == "error" or edge.source not in nodes or edge.target not in nodes:
            continue
        given = returns(nodes[edge.source])
        for gives, takes in filter(None, [mismatch(given, taken) for taken in accepts(nodes[edge.target])]):
            yield scope.error(
                "type-mismatch",
                edge,
                f"{edge.source!r} returns {gives}, but {edge.target!r} accepts {takes}",
                "change one of the two annotations, or put a node that converts between them",
            )
