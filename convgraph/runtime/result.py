"""What a run leaves its caller with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convgraph.errors import ConvgraphError
from convgraph.graph.state import State, Status
from convgraph.journal.runs import OpenQuestion
from convgraph.journal.store import Store
from convgraph.messages import Message, Usage


@dataclass(frozen=True, slots=True, repr=False)
class RunResult:
    """The outcome of a run, or of the part of it that has run so far.

    `status`: `finished` (reached END), `stuck` (no transition was enabled), `waiting` (for a person),
    `limited`, `cancelled` or `failed`; `stop_reason` says why in words. `messages` are all messages of the
    conversation, the input first; `state` is the typed state; `usage` counts every model call once, those of
    selections and nested conversations included; `steps` is the number of turns. `questions` lists what a
    `waiting` run waits for.
    """

    run_id: str
    status: Status
    stop_reason: str
    messages: list[Message]
    state: Any = None
    usage: Usage = Usage()
    steps: int = 0
    questions: tuple[OpenQuestion, ...] = ()
    warnings: tuple[str, ...] = ()
    exception: Exception | None = field(default=None, compare=False)
    """The exception that a `failed` run failed with, where it was raised in this process."""
    store: Store | None = field(default=None, compare=False)
    picture: Callable[[], Mapping[str, str]] | None = field(default=None, compare=False)
    """What a notebook shows besides the words, by MIME type: the graph with the run on it."""

    def __repr__(self) -> str:
        said = f", last={self.messages[-1].text!r:.60}" if self.messages else ""
        return f"RunResult({self.run_id!r}, {self.status!r}, {self.stop_reason!r}, steps={self.steps}{said})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        words = {"text/plain": repr(self)}
        try:
            return {**(self.picture() if self.picture is not None else {}), **words}
        except ConvgraphError:
            return words  # its record is gone: displaying a value must not fail

    def _repr_svg_(self) -> str | None:
        return self._repr_mimebundle_().get("image/svg+xml")

    @property
    def last(self) -> Message | None:
        """The last message, or None."""
        return self.messages[-1] if self.messages else None


def result_of(
    run_id: str,
    state: State,
    store: Store,
    questions: tuple[OpenQuestion, ...] = (),
    warnings: tuple[str, ...] = (),
    exception: Exception | None = None,
) -> RunResult:
    """The result that a state amounts to."""
    return RunResult(
        run_id,
        state.status or "cancelled",
        state.reason,
        list(state.history),
        state.data,
        state.usage,
        state.turn,
        questions,
        warnings,
        exception if state.status == "failed" else None,
        store,
    )
