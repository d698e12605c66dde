"""What a scripted server remembers: the conversation up to each of its responses, by their ids."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Items: TypeAlias = Sequence[Mapping[str, Any]]


class ResponseMemory:
    """The conversations that responses have ended, as an endpoint keeps them that is asked to store them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Items] = {}

    def conversation(self, request: Mapping[str, Any]) -> Items | None:
        """All that the request is about: what the response that it goes on from knows, and what it says. None: that is unknown."""
        said: Any = request.get("input") or []
        new: list[Mapping[str, Any]] = [{"role": "user", "content": said}] if isinstance(said, str) else list(said)
        previous = request.get("previous_response_id")
        if not previous:
            return new
        with self._lock:
            known = self._known.get(str(previous))
        return None if known is None else [*known, *new]

    def keep(self, conversation: Items, output: Items, *, stored: bool) -> str:
        """The id of the response with this output. It is the same for the same conversation, in whichever process it is asked for."""
        whole = [*conversation, *output]
        response_id = f"resp_{hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]}"
        if stored:
            with self._lock:
                self._known[response_id] = whole
        return response_id

    def forget(self) -> None:
        """Know of no response any more."""
        with self._lock:
            self._known.clear()
