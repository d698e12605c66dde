"""What a picture says of nodes and graphs in a few words: how they choose, what they may cost, how often they are tried."""

from __future__ import annotations

from collections.abc import Mapping

from convgraph.graph.definition import Definition, Limits, Node
from convgraph.wording import counted


def node_notes(graph: Definition, node: Node) -> tuple[str, ...]:
    """What is to be known of the node beside its name and description."""
    notes = list(own_notes(node))
    if node.select is not None:
        notes.append(f"select: {node.select}")
    if node.fallback is not None:
        notes.append(f"fallback: {node.fallback}")
    limit = graph.limits.visits_of(node.name)
    if isinstance(graph.limits.visits, Mapping) and limit is not None:
        notes.append(f"at most {counted(limit, 'visit')}")
    return tuple(notes)


def own_notes(node: Node) -> tuple[str, ...]:
    """What is to be known of a branch, whatever graph it is in."""
    notes: list[str] = []
    if node.over is not None:
        notes.append(f"for each in {node.over.text}")
    if node.concurrency is not None:
        notes.append(f"{node.concurrency} at a time")
    if node.distributed:
        notes.append("each a run of its own")
    if node.timeout is not None:
        notes.append(f"timeout {node.timeout:g} s")
    if node.retry is not None and node.retry.attempts > 1:
        notes.append(f"up to {node.retry.attempts} attempts")
    if node.view is not None:
        notes.append(str(node.view))
    return tuple(notes)


def graph_notes(graph: Definition) -> tuple[str, ...]:
    """What holds for the graph as a whole."""
    notes = [f"select: {graph.select}"]
    if graph.fallback is not None:
        notes.append(f"fallback: {graph.fallback}")
    if limits := _limits_text(graph.limits):
        notes.append(f"limits: {limits}")
    return tuple(notes)


def _limits_text(limits: Limits) -> str:
    parts: list[str] = []
    if limits.turns is not None:
        parts.append(f"{limits.turns} turns")
    if isinstance(limits.visits, int):
        parts.append(f"{limits.visits} visits of a node")
    if limits.seconds is not None:
        parts.append(f"{limits.seconds:g} s")
    if limits.tokens is not None:
        parts.append(f"{limits.tokens:,} tokens")
    if limits.usd is not None:
        parts.append(f"${limits.usd:g}")
    return ", ".join(parts)
