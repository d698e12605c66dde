"""What every agent has: a name, a description, and a turn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from typing import Any

from convgraph.graph.definition import check_name
from convgraph.messages import ReplyLike
from convgraph.runtime.context import Context


class Agent(ABC):
    """A participant of conversations. It holds no conversation state: two runs may use one agent at the same time."""

    def __init__(self, name: str, description: str = "") -> None:
        check_name(name, type(self).__name__)
        self._name = name
        self._description = description

    @property
    def name(self) -> str:
        """The agent's name: its identity in a graph."""
        return self._name

    @property
    def description(self) -> str:
        """What others (a selecting model, a drawing) are told about the agent."""
        return self._description

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """The agent's definition as plain JSON, without secrets."""

    @abstractmethod
    def speak(self, ctx: Context) -> Awaitable[ReplyLike]:
        """Have the turn."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"
