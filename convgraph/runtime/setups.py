"""The setups of model requests: all that a request says but its messages. Each is journaled once and named by its digest from then on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convgraph.journal.values import canonical, digest_text
from convgraph.protocols import Model, ModelRequest

REMEMBERED = 256
"""How many distinct setups are kept. Tools or schemas that are made anew for each request would otherwise pile up."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A setup's canonical text, and the digest that stands for it.

    `parts` are the objects that it was known by: an id is only unique as long as its object lives.
    """

    digest: str
    text: str
    parts: tuple[Any, ...]


class Setups:
    """The setups met so far. All runs of a graph share them, so that each is spelled out and hashed once."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Setup] = {}

    def of(self, model: Model, request: ModelRequest) -> Setup:
        """The setup of this request to this model."""
        key = (id(model), request.system, id(request.tools), id(request.schema), repr(request.params), request.speaker)
        return self._known.get(key) or self._add(key, model, request)

    def text(self, digest: str) -> str:
        """The text of a setup met before; the digest itself where it is not known."""
        return next((setup.text for setup in self._known.values() if setup.digest == digest), digest)

    def _add(self, key: tuple[Any, ...], model: Model, request: ModelRequest) -> Setup:
        from convgraph.graph.documents.identity import of_speaker

        text = canonical(
            {
                "model": of_speaker(model.describe()),
                "speaker": request.speaker,
                "system": request.system,
                "tools": list(request.tools),
                "schema": request.schema,
                "params": dict(request.params),
            }
        )
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        setup = self._known[key] = Setup(digest_text(text), text, (model, request.tools, request.schema))
        return setup
