"""Questions that wait for people, and their answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from convgraph.studio.schemas.base import In, Json, Out


class QuestionOut(Out):
    """A question that waits for a person. `kind`: a question, a tool call or code that somebody has to allow, an effect in doubt."""

    run_id: str
    id: str
    graph: str
    graph_id: str | None
    to: str
    prompt: str
    schema_: dict[str, Json] = Field(alias="schema", serialization_alias="schema")
    asked: float
    kind: Literal["question", "tool", "code", "doubt"]
    subject: Json = None


class Answer(In):
    """What a person says. With `resume`, the run goes on at once in this process, where the studio knows its graph."""

    value: Json
    resume: bool = True


class AnsweredOut(Out):
    """What came of an answer that was taken: whether the run goes on with it here, and if not, the `problem` or nothing was asked for."""

    resumed: bool
    problem: str = ""
