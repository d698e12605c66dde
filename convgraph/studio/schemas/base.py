"""What all of the studio's JSON objects have in common, and what is said of the studio itself."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

Json: TypeAlias = Any


class Out(BaseModel):
    """What is given: nothing else than what it says."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class In(BaseModel):
    """What is taken: an unknown field is refused, for it would be passed over."""

    model_config = ConfigDict(extra="forbid")


class Problem(Out):
    """Why something was refused. `error` is the name of a class in `convgraph.errors`, `message` says what, where, and what to do."""

    error: str
    message: str
    details: list[dict[str, Json]] = []


class Session(Out):
    """What the page has to know of the studio it belongs to. `folder` is where graphs are saved, if anywhere."""

    version: str
    store: str
    folder: str | None
    default_model: str


class UsageOut(Out):
    """Model calls, their tokens and their price."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0


class LimitOut(Out):
    """A limit and how much of it is used; `of` is the node, for a limit on visits."""

    name: Literal["turns", "visits", "seconds", "tokens", "usd"]
    used: float
    limit: float
    of: str = ""


class ChangeOut(Out):
    """A difference at a place of the state, as in `a.b[0]`. `before` or `after` is missing where it was added or removed."""

    place: str
    kind: Literal["added", "removed", "changed"]
    before: Json = None
    after: Json = None
