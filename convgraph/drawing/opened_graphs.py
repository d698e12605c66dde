"""The graphs of the conversations that a run's turns have opened: the store keeps each once, by its digest."""

from __future__ import annotations

import json
from collections.abc import Iterable

from convgraph.errors import DefinitionError
from convgraph.graph.definition import Definition
from convgraph.graph.documents import from_document
from convgraph.journal.events import EffectStarted, Recorded
from convgraph.journal.store import Store


async def opened_graphs(store: Store, events: Iterable[Recorded]) -> dict[str, Definition]:
    """The graphs of the conversations that were opened, by digest.

    Without those that only the program that opened them can make: where a guard or a state is code of its own.
    """
    digests = {recorded.event.definition for recorded in events if isinstance(recorded.event, EffectStarted)} - {""}
    graphs: dict[str, Definition] = {}
    for digest in sorted(digests):
        text = await store.content(digest)
        try:
            graphs[digest] = from_document(json.loads(text or ""), allow=["convgraph"], where=f"content {digest}")
        except (DefinitionError, json.JSONDecodeError):
            continue  # a picture without that one's labels is a picture all the same
    return graphs
