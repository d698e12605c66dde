"""Why a request was refused, in the shape that its asker reads: the studio's own, or OpenAI's under `/v1`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convgraph.studio.schemas.base import Problem


def problem(path: str, code: int, error: str, message: str, details: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The answer's body. `path` is what was asked for."""
    if path.startswith("/v1/"):
        return openai_problem(code, error, message)
    return Problem(error=error, message=message, details=[dict(detail) for detail in details]).model_dump()


def openai_problem(code: int, error: str, message: str) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    kind = "authentication_error" if code == 401 else "server_error" if code >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": error}}
