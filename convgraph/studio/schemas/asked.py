"""What is asked of the studio: to begin a run, to go on with one, to change what is said of it."""

from __future__ import annotations

from pydantic import Field

from convgraph.studio.schemas.base import In, Json


class LimitsIn(In):
    """Limits instead of the graph's."""

    turns: int | None = Field(None, ge=1)
    seconds: float | None = Field(None, gt=0)
    tokens: int | None = Field(None, ge=1)
    usd: float | None = Field(None, gt=0)


class StandIn(In):
    """Who answers in place of the graph's models: `replies` in order (after the last one, again from the first), or another model."""

    replies: list[str] | None = None
    model: Json = None


class BeginRun(In):
    """Begin a run of a known graph, or of a document that is being written."""

    graph: str | None = None
    document: str | None = Field(None, description="YAML or JSON of a graph, instead of `graph`")
    input: str | None = None
    state: dict[str, Json] | None = None
    limits: LimitsIn | None = None
    labels: list[str] = []
    run_id: str | None = None
    models: StandIn | None = None


class GoOn(In):
    """Resume a run: with answers, new limits, or its unfinished turn anew."""

    answers: dict[str, Json] = {}
    limits: LimitsIn | None = None
    redo_turn: bool = False


class SayNext(In):
    """Continue an ended conversation with its user's next message."""

    input: str
    state: dict[str, Json] | None = None


class Fork(In):
    """Make a new run of another's first steps, with another last message or other fields of the state; and begin it."""

    at: int = Field(ge=1)
    message: str | None = None
    state: dict[str, Json] | None = None
    run_id: str | None = None
    begin: bool = True


class Labels(In):
    """All the labels that a run is to have."""

    labels: list[str]
