"""From a journal to the plain steps that coverage counts: which node had the turn in which graph, and what was taken then."""

from __future__ import annotations

from collections.abc import Iterable

from convgraph.graph.coverage import Taken
from convgraph.graph.definition import START, Definition
from convgraph.journal.events import Edited, Event, Moved, Recorded, Stepped
from convgraph.journal.turn_paths import around, conversation_name, is_frame, is_opened


def steps_taken(definition: Definition, events: Iterable[Recorded]) -> list[Taken]:
    """The steps of a recorded run of `definition`, those of the conversations nested in it included.

    Conversations that the code of a turn has opened are left out, unless the definition has them as an agent's own.

    Attempts that failed count as well: what they exercised was exercised. Steps that do not fit the definition are
    given as they are; `coverage` names them.
    """
    steps: dict[str, Taken] = {}
    having = {"": definition.beginning or ""}  # who has the turn, in each conversation
    for recorded in events:
        event: Event = recorded.event
        if isinstance(event, Edited) and event.node is not None:
            having[""] = event.node
        if not isinstance(event, Stepped | Moved):
            continue
        conversation = around(event.path)
        way, found = _way(definition, conversation, having)
        if is_opened(event.path) and not found:
            continue
        if isinstance(event, Stepped):
            steps[event.path] = Taken(event.node, event.edge, way, _values(event.guards), event.goto is not None)
        elif event.path not in steps:  # who begins was chosen
            steps[event.path] = Taken(START, event.edge, way, _values(event.guards))
        else:
            steps[event.path] = steps[event.path]._replace(edge=event.edge, guards=_values(event.guards))
        if event.target is not None:
            having[conversation] = event.target
    return list(steps.values())


def _way(definition: Definition, conversation: str, having: dict[str, str]) -> tuple[tuple[str, ...], bool]:
    """The names of the nodes (and branches) that lead to the graph which a nested conversation runs; and whether it is there.

    A nested conversation's steps are written before the step that it is part of, so the node around it is the
    one that has the turn there.
    """
    way: list[str] = []
    graph, outer, parts = definition, "", conversation.split("/") if conversation else []
    while parts:
        name = having.get(outer, graph.beginning or "")
        way.append(name)
        place = graph.nodes.get(name)
        taken = parts[:1]
        if place is not None and place.branches:
            taken = parts[:2]
            place = next((branch for branch in place.branches if branch.name == taken[-1]), place.branches[0])
            way.append(place.name)
        if place is not None and place.inner is not None and place.kind != "graph" and len(parts) > len(taken):
            taken = parts[: len(taken) + 1]  # the conversation that an agent has before it replies
        own = conversation_name(taken[-1])
        if place is None or place.inner is None or is_frame(taken[-1]) != (place.kind != "graph") or own not in (None, place.inner.name):
            return tuple(way), False  # a run of another graph: what is found so far shows where
        graph, outer, parts = place.inner, "/".join(filter(None, [outer, *taken])), parts[len(taken) :]
    return tuple(way), True


def _values(guards: dict[str, bool] | None) -> dict[int, bool]:
    return {int(index): value for index, value in (guards or {}).items()}
