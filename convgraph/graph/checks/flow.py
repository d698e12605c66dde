"""Checks of where a conversation can go: dead ends, traps, gaps, shadows, cycles without an end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from convgraph.graph.checks import guard_facts
from convgraph.graph.checks.scope import WHOLE_RUN_LIMITS, Finding, Scope, guard_text, is_cycle, network_of
from convgraph.graph.definition import START, Edge, Node, named

if TYPE_CHECKING:
    from networkx import DiGraph


def dead_ends(scope: Scope) -> Iterator[Finding]:
    """Nodes that a reply cannot lead out of; a START that nobody can follow."""
    if scope.graph.beginning == START and not scope.replies(START):
        message = "nobody can begin: no guard of an edge that leaves START can ever hold"
        yield scope.error("dead-end", None, message, "add an edge from START without a guard")
    for name, node in scope.graph.nodes.items():
        if name not in scope.reachable or scope.replies(name):
            continue
        ways = [edge for edge in scope.graph.edges if edge.source == name]
        if any(edge.on == "reply" for edge in ways):
            message = "no guard of a transition that leaves it can ever hold"
        elif ways:
            message = f"after a reply no transition leaves it (only on {named(sorted({edge.on for edge in ways}))})"
        else:
            message = "no transition leaves it"
        yield scope.error("dead-end", node, message, "add an edge to the next node or to END")


def traps(scope: Scope) -> Iterator[Finding]:
    """The innermost regions without a way to END: fix these, and whatever leads into them is right again."""
    if not scope.doomed:
        return
    import networkx

    network = network_of(scope, [edge for edge in scope.ways if edge.on != "error"]).subgraph(scope.doomed)
    order = list(scope.graph.nodes)
    for members in sorted(networkx.strongly_connected_components(network), key=lambda members: min(map(order.index, members))):
        leaves = any(target not in members for member in members for target in network.successors(member))
        if leaves or not is_cycle(network, members):
            continue
        names = sorted(members, key=order.index)
        yield scope.error(
            "trap-cycle",
            scope.graph.nodes[names[0]],
            f"once here, the conversation never reaches END: {_tour(network, names)}",
            f"add an edge from {'one of ' if len(names) > 1 else ''}{_some(names)} that leads on to END",
        )


def _tour(network: DiGraph[str], names: list[str]) -> str:
    """A cycle through the region's first node, as an arrow chain; and the others by name."""
    import networkx

    first = names[0]
    back = networkx.shortest_path(network, target=first)  # pyright: ignore[reportUnknownMemberType]  # the stub's gap
    cycle = [first, *min((back[after] for after in network.successors(first) if after in back), key=len)]
    others = [name for name in names if name not in cycle]
    return " -> ".join(cycle) + (f" (and {_some(others)})" if others else "")


def _some(names: list[str]) -> str:
    return named(names) if len(names) <= 6 else f"{named(names[:5])} and {len(names) - 5} more"


def unreachable(scope: Scope) -> Iterator[Finding]:
    """Nodes that no conversation comes to."""
    for name, node in scope.graph.nodes.items():
        if name not in scope.reachable:
            start = START if scope.graph.beginning == START else f"the start {scope.graph.start!r}"
            yield scope.warning("unreachable-node", node, f"no way leads here from {start}", "add an edge to it, or remove it")


def never_enabled(scope: Scope) -> Iterator[Finding]:
    """Edges whose guard is constantly false."""
    for edge in scope.graph.edges:
        if edge not in scope.live_set:
            yield scope.warning(
                "never-enabled", edge, f"its guard {guard_text(edge)} is never true", "correct the guard, or remove the edge"
            )


def shadowed(scope: Scope) -> Iterator[Finding]:
    """Edges that another one, always enabled when they are, is preferred to."""
    for edge in scope.live:
        above = scope.shadow_of(edge)
        if above is None:
            continue
        why = "has no guard" if above.guard is None else "is always true" if guard_facts.constant(above) else "has the same guard"
        yield scope.warning(
            "shadowed-edge",
            edge,
            f"it is never chosen, because {above.source} -> {above.target}, which is considered before it, {why}",
            "put it first, give it a higher priority, or remove it",
        )


def gaps(scope: Scope) -> Iterator[Finding]:
    """Nodes with no else-edge; a START with none."""
    places: list[tuple[str, Node | None]] = [*scope.graph.nodes.items(), (START, None)]
    for name, node in places:
        ways = scope.replies(name)
        if not ways or guard_facts.exhaustive(ways):
            continue
        guards = ", ".join(guard_text(edge) for edge in ways[:4]) + (", …" if len(ways) > 4 else "")
        yield scope.warning(
            "guard-gap",
            node,
            f"every way {'out' if node else 'from START'} is guarded ({guards}), and where none of the guards holds the run is stuck",
            "add an edge without a guard as the last one",
        )
        if len(ways) == 1 and ways[0].guard is not None and ways[0].guard.opaque:
            yield scope.warning(
                "opaque-guard",
                ways[0],
                f"the only way out of {name!r} depends on Python code ({guard_text(ways[0])}), which cannot be looked into",
                "write the guard in CEL, or add an edge without a guard",
            )


def unbounded(scope: Scope) -> Iterator[Finding]:
    """Cycles that nothing ends: no limit, and no guard on the number of turns or visits. Handovers aside."""
    import networkx

    limits, graph = scope.graph.limits, scope.graph
    given = scope.bounds | {name for name in WHOLE_RUN_LIMITS if getattr(limits, name) is not None}
    if given & {"turns", "seconds"}:
        return
    counted = {name for name in graph.nodes if limits.visits_of(name) is not None}
    if given & {"tokens", "usd"}:
        counted |= {name for name, node in graph.nodes.items() if node.kind != "function" or graph.select_at(name) == "auto"}
    network = network_of(scope, [edge for edge in scope.live if edge.on != "limit" and _lasts(scope, edge)])
    network = network.subgraph(scope.reachable - counted)
    order = list(graph.nodes)
    for members in sorted(networkx.strongly_connected_components(network), key=lambda members: min(map(order.index, members))):
        if is_cycle(network, members):
            names = sorted(members, key=order.index)
            yield scope.warning(
                "unbounded-cycle",
                graph.nodes[names[0]],
                f"nothing bounds the cycle {_tour(network, names)}",
                "give the graph Limits(turns=…), or limit the visits of a node in it",
            )


def _lasts(scope: Scope, edge: Edge) -> bool:
    """Whether the edge can be taken without end: it has no such guard as `turn < 5`, nor is one like `turn >= 5` preferred to it."""
    return not guard_facts.lapses(edge) and not any(guard_facts.settles(upper) for upper in scope.preferred_to(edge))
