"""What a tool gives back: a text for the model, pictures with or without texts, or a handoff to another node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from convgraph.content_parts import Part, image_address
from convgraph.errors import DefinitionError, NotEncodable


@dataclass(frozen=True, slots=True)
class Handoff:
    """A tool's result that hands the conversation over to the node `target`; `message` is what the model is told of it.

    Whether the target may have the turn is for the graph's transitions to say: the node returns `Reply(goto=target)`.
    `update` are changes to the conversation's state, made when the turn is over; with one, `target` may be empty: the state
    changes, and nothing is handed over.
    """

    target: str
    message: str = ""
    update: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.target, str) and (self.target or self.update) and isinstance(self.message, str)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DefinitionError(
                f"Handoff(target, message) takes the name of a node and a text, not {self.target!r:.100}, {self.message!r:.100}"
            )

    @property
    def text(self) -> str:
        """What the model is told."""
        return self.message or (f"Handed over to {self.target}." if self.target else "Done.")


def journaled(value: Any, tool: str) -> Any:
    """A tool's result as it is journaled: a handoff or pictures as a mapping, all else as text.

    Raises `NotEncodable` for what has no text.
    """
    if (shown := _pictures(value)) is not None:
        return {"shown": shown}
    if isinstance(value, Handoff):
        document: dict[str, Any] = {"handoff": value.target, "message": value.message}
        return {**document, "update": to_jsonable_python(value.update)} if value.update else document
    if isinstance(value, str):
        return str(value)
    try:
        return (
            value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value, ensure_ascii=False, default=to_jsonable_python)
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise NotEncodable(
            f"tool {tool!r}: its result, a {type(value).__qualname__}, cannot be told to a model: {error}; return a text or JSON values",
            tool,
        ) from error


def _pictures(value: Any) -> list[Part] | None:
    """What a tool shows: a picture at hand, as `convgraph.image` makes it, or a list of these and texts; None where it shows none.

    An address on the web stays what it is, a text in JSON: that a model's provider fetches something is not for a tool's result to say.
    """
    parts: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    pictures = [part for part in parts if (image_address(part) or "").startswith("data:image/")]
    if not pictures or not all(part in pictures or isinstance(part, str) for part in parts):
        return None
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


def from_journal(value: Any) -> str | list[Part] | Handoff:
    """What `journaled` was given, as far as the model is told of it. A person who decides about a call in doubt may give any JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        document = cast("dict[str, Any]", value)
        shown = document.get("shown")
        if isinstance(shown, list) and all(isinstance(part, dict) and "type" in part for part in cast("list[Any]", shown)):
            return cast("list[Part]", shown)
        update = document.get("update")
        if isinstance(document.get("handoff"), str) and (document["handoff"] or update):
            return Handoff(
                document["handoff"], str(document.get("message", "")), cast("dict[str, Any]", update) if isinstance(update, dict) else None
            )
    return json.dumps(value, ensure_ascii=False)
