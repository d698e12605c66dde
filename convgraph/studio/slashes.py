"""Slashes in ids: a run that another one began is called `parent.12/#0`, and a path of ours has that as one part, `parent.12%2F%230`.

What serves paths decodes them before it parts them, so that such an id would be two parts. On the way there a slash in an id is another
character, which no id has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fastapi import Request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_STAND_IN = "\x1f"
_ENCODED = re.compile(rb"%2f", re.IGNORECASE)


class Slashes:
    """ASGI middleware that keeps the slashes of ids apart from those of paths, until `with_slashes` gives them back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope.get("raw_path") or b""
        if scope["type"] == "http" and raw.startswith((b"/api/", b"/v1/")) and _ENCODED.search(raw):
            scope = {**scope, "path": unquote(_ENCODED.sub(_STAND_IN.encode(), raw).decode("ascii", "replace"))}
        await self._app(scope, receive, send)


def with_slashes(request: Request) -> None:
    """A dependency of every handler: the ids in its path as they are."""
    request.scope["path_params"] = {
        name: value.replace(_STAND_IN, "/") if isinstance(value, str) else value for name, value in request.path_params.items()
    }
