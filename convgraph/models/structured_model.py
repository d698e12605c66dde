"""A model whose answers fit one schema, whoever asks: `response_format` in a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from convgraph.json_schema import Schema
from convgraph.models.sent import sent_by
from convgraph.plain_data import replaced
from convgraph.protocols import Model, ModelReply, ModelRequest


class StructuredModel:
    """`model`, asked with `schema` where a request has none of its own; the parsed answer is the reply's `data`."""

    def __init__(self, model: Model, schema: Schema, schema_name: str = "answer") -> None:
        self.model = model
        self._schema = dict(schema)
        self._schema_name = schema_name

    def __repr__(self) -> str:
        return f"StructuredModel({self.model!r}, {self._schema_name!r})"

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def priced(self) -> bool:
        return self.model.priced

    def describe(self) -> Mapping[str, Any]:
        """The model, and what its answers fit."""
        return {"type": "structured", "model": self.model.describe(), "schema": self._schema, "schema_name": self._schema_name}

    def with_model(self, model: Model) -> StructuredModel:
        """The same around another model."""
        return StructuredModel(model, self._schema, self._schema_name)

    def sends(self, request: ModelRequest) -> Mapping[str, Any]:
        """What the model sends, with the schema."""
        return sent_by(self.model, self._asked(request))

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """Ask the model. Raises what the model raises; an answer that does not fit is a `ModelOutputError`."""
        return await self.model.respond(self._asked(request), on_delta)

    def _asked(self, request: ModelRequest) -> ModelRequest:
        return request if request.schema is not None else replaced(request, schema=self._schema, schema_name=self._schema_name)
