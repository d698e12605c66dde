"""A recorded document as a definition to look at: drawn, folded and explained without any of its code.

A run is to be seen wherever its journal is, whether or not the functions and classes that its graph names can be imported there.
Nothing of it can run: an opaque guard has no value but the recorded one, and a state model of which only the name is known holds
plain JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from convgraph.errors import GuardError
from convgraph.graph.definition import Definition
from convgraph.graph.documents.document import DocumentReader, checked
from convgraph.graph.expressions import VARIABLES
from convgraph.graph.guards import CelGuard, Guard
from convgraph.graph.schema import StateSchema

if TYPE_CHECKING:
    from convgraph.graph.state import State


def recorded_definition(document: Mapping[str, Any], where: str = "recorded graph") -> Definition:
    """The definition that a run was made with, for looking at only: nothing is imported. Raises `DefinitionError` for what is none."""
    return _RecordReader(frozenset(), where).graph(checked(document, where), "")


class RecordedGuard:
    """A Python guard of which only the name is known."""

    __slots__ = ("_where", "reads", "text")
    opaque = True

    def __init__(self, path: str, where: str) -> None:
        self.text = f"{path.rpartition(':')[2]}()"
        self.reads = frozenset(VARIABLES)
        self._where = where

    def __call__(self, state: State) -> bool:
        """Raise `GuardError`: its code is not here."""
        raise GuardError(
            f"{self._where}: guard {self.text} is code that is not here; its value at turn {state.turn} is in the journal, if asked"
        )


class _Anything(BaseModel):
    """A state of which only the values are known."""

    model_config = ConfigDict(extra="allow")


class _RecordedState(StateSchema):
    """A state model of which only the name is known. Later writes replace earlier ones: how shared fields were merged is code."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_Anything)

    def apply(self, state: BaseModel, update: Mapping[str, Any], where: str) -> BaseModel:
        return self._validated({**state.model_dump(), **update}, where)


class _RecordReader(DocumentReader):
    """Reads a document without importing what it names."""

    def guard(self, document: Mapping[str, Any], path: str) -> Guard | None:
        if "python" in document:
            return RecordedGuard(document["python"], self.at(f"{path}.python"))
        return CelGuard(document["when"], self.at(f"{path}.when")) if "when" in document else None

    def state(self, document: Mapping[str, Any], path: str) -> StateSchema:
        return StateSchema.of(document["fields"], self.at(path)) if "fields" in document else _RecordedState()
