"""Steps of a run: what was said and done in each, what followed, and why."""

from __future__ import annotations

from typing import Literal

from convgraph.studio.schemas.base import ChangeOut, Json, LimitOut, Out, UsageOut


class ToolCallOut(Out):
    """A model's wish to call a tool."""

    id: str
    name: str
    arguments: str


class PartOut(Out):
    """A part of a message: a text, or a picture as a `data:` URL of an image type (never another address)."""

    kind: Literal["text", "image", "other"]
    text: str = ""
    image: str = ""


class MessageOut(Out):
    """A message as it was said."""

    sender: str
    role: str
    parts: list[PartOut]
    tool_calls: list[ToolCallOut] = []
    tool_call_id: str | None = None
    data: Json = None


class StepRow(Out):
    """A step in short: enough for a list of thousands. `text` is the beginning of what was said.

    `edge` is the transition that was taken after it, None where the run ended there; `inner` counts turns nested in it, `effects` what
    was done by kind. Sums are for this step; `at` is when it was written, `seq` its event. `more` says that there is more to see than
    the text; `edited` that a fork has put other words in its place; `then` is what its user said after it, in a continued conversation.
    """

    step: int
    seq: int
    path: str
    node: str
    sender: str
    text: str
    target: str | None
    edge: str | None
    at: float
    seconds: float
    tokens: int
    usd: float
    error: str = ""
    inner: int = 0
    effects: dict[str, int] = {}
    more: bool = False
    edited: bool = False
    then: str = ""


class StepPage(Out):
    """Steps `first` to `first + len(steps) - 1`, of `total` so far."""

    total: int
    first: int
    steps: list[StepRow]


class GuardOut(Out):
    """A way out of the node and what became of it. `value` is `true`, `false` or what went wrong."""

    edge: str
    target: str
    label: str
    guard: str
    on: str
    priority: int
    value: str
    taken: bool
    why: str


class ChoiceOut(Out):
    """Who came next and why: each way out with its guard's value, who chose, what a selecting model or person answered."""

    node: str
    guards: list[GuardOut]
    target: str | None
    edge: str | None
    chosen_by: str
    answers: list[str]
    distribution: dict[str, float] | None
    reason: str


class EffectOut(Out):
    """Something that was done in a turn. `request` and `result` are shown as text or JSON; unfinished effects have no `result`."""

    path: str
    kind: str
    name: str
    ordinal: int
    started: bool
    finished: bool
    request: Json = None
    result: Json = None
    error: str = ""
    seconds: float = 0.0
    usage: UsageOut = UsageOut()


class StepOut(StepRow):
    """A step in full: what was said and done, the state after it and what changed, what nested turns said, and the choice that followed.

    `visits` says how often each node had had the turn by then, nested ones too, by the picture's ids.
    """

    messages: list[MessageOut]
    done: list[EffectOut]
    nested: list[StepRow]
    attempts: list[str]
    choice: ChoiceOut | None
    state: Json
    changes: list[ChangeOut]
    usage: UsageOut
    limits: list[LimitOut]
    visits: dict[str, int] = {}
    problem: str = ""
