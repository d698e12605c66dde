"""Round robin: the one selector that is a pure rule, so that a run and a simulation go around in the same order."""

from __future__ import annotations

from convgraph.graph.definition import END, Edge
from convgraph.graph.state import State


def longest_waiting(state: State, edges: tuple[Edge, ...]) -> Edge:
    """The transition whose target has waited longest for its turn; those that never spoke come first, in order of declaration.

    In a group where everybody may follow everybody this is AutoGen's round robin; after a router it takes its
    targets in turn. A guarded transition to the end is taken as soon as it is enabled, an unguarded one last.
    """

    def rank(edge: Edge) -> tuple[int, int]:
        if edge.target == END:
            return (-1, edge.index) if edge.guard is not None else (state.turn, edge.index)
        return state.last_turn.get(edge.target, 0), edge.index

    return min(edges, key=rank)
