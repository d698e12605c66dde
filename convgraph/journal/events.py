"""What a journal holds: one plain record for each thing that happened. A run's state is a fold of them.

A `path` says where in the run something belongs (see `turn_paths`). Fields are only ever added, with a default;
`FORMAT` is raised when an older reader must not go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

from convgraph.graph.state import ErrorInfo, Move, Status, Turn
from convgraph.messages import NO_USAGE, Message, Usage
from convgraph.plain_data import PlainData, fresh

FORMAT = 1

EffectKind: TypeAlias = Literal["model", "tool", "code", "reply", "conversation", "human", "timer", "child", "clock", "random", "doubt"]
JsonObject: TypeAlias = dict[str, Any]


class Question(PlainData, frozen=True):
    """Something a person is asked: an id unique in the run, a prompt, and the JSON schema that an answer must fit.

    `to` is whose question it is: the name of the person, which is that of the node that asks unless it says otherwise. With
    `due`, nobody is asked: it is the clock that answers, at that time (seconds since 1970).
    """

    id: str
    prompt: str
    schema: JsonObject = fresh(default_factory=lambda: {"type": "string"})
    to: str = ""
    due: float | None = None


class RunStarted(PlainData, frozen=True):
    """A run began. `definition` is the digest of the graph's document among the store's contents.

    `trace` is where the run (or, for one that somebody else begins, whoever made it) is traced, as a W3C `traceparent`, if it is.
    """

    kind: ClassVar[str] = "run_started"
    graph: str
    fingerprint: str
    definition: str
    messages: tuple[Message, ...] = ()
    state: JsonObject | None = None
    limits: JsonObject = fresh(default_factory=dict[str, Any])
    target: str = ""
    trace: str = ""


class Resumed(PlainData, frozen=True):
    """A run that had stopped goes on. `limits` are new ones, `redo` asks for a new attempt at the unfinished turn.

    `trace` is where it is traced from here on, if it is.
    """

    kind: ClassVar[str] = "resumed"
    limits: JsonObject | None = None
    redo: bool = False
    fingerprint: str = ""
    definition: str = ""
    trace: str = ""


class Edited(PlainData, frozen=True):
    """The conversation was changed from outside, by a fork, a migration or a further input of the user."""

    kind: ClassVar[str] = "edited"
    why: Literal["forked", "migrated", "continued"]
    node: str | None = None
    last: Message | None = None
    messages: tuple[Message, ...] = ()
    update: JsonObject | None = None
    data: JsonObject | None = None
    choosing: bool | None = None
    parent: str = ""
    step: int = 0
    fingerprint: str = ""
    definition: str = ""
    trace: str = ""


class EffectStarted(PlainData, frozen=True):
    """Something that may happen outside is about to be done, or a person is asked. Without an `EffectFinished` it is in doubt.

    A `conversation` that code opens inside a turn is one too, so that it is known whether it had come to its end;
    `definition` is then the digest of its graph's document.
    """

    kind: ClassVar[str] = "effect_started"
    path: str
    effect: EffectKind
    name: str
    ordinal: int
    digest: str
    key: str = ""
    question: Question | None = None
    definition: str = ""


class EffectFinished(PlainData, frozen=True):
    """An effect's result, or its error.

    A model's `digest` is that of its request's setup, a point, and that of the messages; `request` says how many they were.
    """

    kind: ClassVar[str] = "effect_finished"
    path: str
    effect: EffectKind
    name: str
    ordinal: int
    digest: str
    result: Any = None
    error: ErrorInfo | None = None
    usage: Usage = NO_USAGE
    seconds: float = 0.0
    request: JsonObject | None = None
    question: str | None = None


class AttemptFailed(PlainData, frozen=True):
    """An attempt at a turn failed.

    `cause` is `timeout` where the clock ended it, `redo` where a person asked for a new one, `answer` where what a person (or
    code that stood in for one) said did not fit the question: these come from outside, and are not for the code to repeat.
    """

    kind: ClassVar[str] = "attempt_failed"
    path: str
    attempt: int
    error: ErrorInfo
    cause: Literal["error", "timeout", "redo", "answer"] = "error"
    seconds: float = 0.0


class Stepped(PlainData, frozen=True):
    """A turn, and the transition after it: what one step added. `edge` is None where the run ended without one.

    `guards` holds the values of the opaque guards that were evaluated, by edge index; the others can be
    recomputed. `chosen_by` says which selector chose, `move_usage` what the choice cost.
    """

    kind: ClassVar[str] = "step"
    path: str
    node: str
    messages: tuple[Message, ...] = ()
    updates: tuple[JsonObject, ...] = ()
    goto: str | None = None
    error: ErrorInfo | None = None
    usage: Usage = NO_USAGE
    seconds: float = 0.0
    inner_turns: int = 0
    visits: dict[str, int] | None = None
    limit: str | None = None
    asked: tuple[str, ...] = ()
    target: str | None = None
    edge: int | None = None
    move_usage: Usage = NO_USAGE
    move_limit: str | None = None
    chosen_by: str = ""
    guards: dict[str, bool] | None = None
    reason: str = ""

    def turn(self) -> Turn:
        """The turn, for the machine."""
        return Turn(
            self.node,
            self.messages,
            self.updates,
            self.goto,
            self.error,
            self.usage,
            self.seconds,
            self.inner_turns,
            self.visits,
            self.limit,
            self.asked,
            self.reason,
        )

    def move(self) -> Move | None:
        """The transition, for the machine."""
        return (
            None if self.target is None else Move(self.target, self.edge if self.edge is not None else -1, self.move_usage, self.move_limit)
        )


class Moved(PlainData, frozen=True):
    """A transition taken apart from a turn: from START to who begins, or after a run that had stopped at a limit was given a new one."""

    kind: ClassVar[str] = "moved"
    path: str
    target: str
    edge: int
    usage: Usage = NO_USAGE
    limit: str | None = None
    chosen_by: str = ""
    guards: dict[str, bool] | None = None

    def move(self) -> Move:
        """The transition, for the machine."""
        return Move(self.target, self.edge, self.usage, self.limit)


class BranchFinished(PlainData, frozen=True):
    """A branch of a parallel group (or an item of a `ForEach`) has had its say; its siblings may still be at work."""

    kind: ClassVar[str] = "branch"
    path: str
    node: str
    messages: tuple[Message, ...] = ()
    update: JsonObject | None = None
    asked: tuple[str, ...] = ()


class Ended(PlainData, frozen=True):
    """The run stopped. Only `finished` and `stuck` are for good."""

    kind: ClassVar[str] = "ended"
    status: Status
    reason: str


class Delta(PlainData, frozen=True):
    """A piece of text as a model says it. Streamed, never stored."""

    kind: ClassVar[str] = "delta"
    path: str
    node: str
    text: str


class Said(PlainData, frozen=True):
    """What an agent of a chat says, and to whom, told as it is said. Streamed for consoles, never stored: the step is."""

    kind: ClassVar[str] = "said"
    path: str
    to: str
    messages: tuple[Message, ...]


Event: TypeAlias = RunStarted | Resumed | Edited | EffectStarted | EffectFinished | AttemptFailed | Stepped | Moved | BranchFinished | Ended
EVENTS: Mapping[str, type[Any]] = {
    event.kind: event
    for event in (RunStarted, Resumed, Edited, EffectStarted, EffectFinished, AttemptFailed, Stepped, Moved, BranchFinished, Ended)
}


class Recorded(NamedTuple):
    """An event as it stands in a journal: its place in the run, and when it was written (seconds since 1970)."""

    seq: int
    at: float
    event: Event
