"""`<img …>` in what a developer has an agent say: AutoGen's way of naming a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from convgraph.content_parts import message_parts, names_images
from convgraph.runtime.context import current_turn

if TYPE_CHECKING:
    from convgraph.agents.conversable import ConversableAgent


def with_pictures(message: Any, agents: Iterable[ConversableAgent]) -> Any:
    """The message with each `<img …>` in its text as the picture that it names, where one of the agents looks at pictures.

    Inside a conversation the message stays as it is: there a text may be what a model, a tool or a stranger has said, and whoever
    writes `<img …>` has a file of this machine read. Code that means a picture says so itself, with `convgraph.image`.
    """
    if current_turn() is not None or not any(agent.looks_at_pictures for agent in agents):
        return message
    if isinstance(message, str):
        return message_parts(message) if names_images(message) else message
    given: Mapping[str, Any] = cast("Mapping[str, Any]", message) if isinstance(message, Mapping) else {}
    if isinstance(given.get("content"), str):
        return {**given, "content": with_pictures(given["content"], agents)}
    return cast("Any", message)
