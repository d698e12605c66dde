"""Hooks: functions of a user's own that change what an agent goes by, or what it says. What is stored, they never change."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from convgraph.agents.message_mappings import from_mapping, from_mappings, to_mapping, to_mappings
from convgraph.errors import DefinitionError
from convgraph.messages import Message
from convgraph.plain_data import replaced
from convgraph.runtime.threads import called

if TYPE_CHECKING:
    from convgraph.agents.agent import Agent

Hook = Callable[..., Any]

LAST_MESSAGE = "process_last_received_message"
"""`(content) -> content` of the message that is replied to."""
ALL_MESSAGES = "process_all_messages_before_reply"
"""`(messages) -> messages` that the agent goes by."""
BEFORE_SEND = "process_message_before_send"
"""`(sender, message, recipient, silent) -> message` that is said."""
HOOKABLE = (LAST_MESSAGE, ALL_MESSAGES, BEFORE_SEND)


def check_hook(method: str, hook: Any, known: Sequence[Hook]) -> str:
    """The method that the hook belongs to. Raises `DefinitionError` for an unknown one, or a hook that is there already."""
    name = method.removeprefix("a_")  # AutoGen has twins for async; here any hook may be sync or async
    if name not in HOOKABLE:
        raise DefinitionError(f"there is no hook {method!r}: there are {', '.join(HOOKABLE)}")
    if not callable(hook):
        raise DefinitionError(f"a hook for {method!r} is a function, not {hook!r:.100}")
    if hook in known:
        raise DefinitionError(f"{hook!r:.100} is a hook for {method!r} already")
    return name


async def seen(hooks: Mapping[str, Sequence[Hook]], owner: str, messages: Sequence[Message]) -> Sequence[Message]:
    """The messages as the hooks leave them: first those for all messages, then those for the last one."""
    if not (hooks.get(ALL_MESSAGES) or hooks.get(LAST_MESSAGE)) or not len(messages):
        return messages
    mappings: list[Any] = copy.deepcopy(to_mappings(messages, owner))
    for hook in hooks.get(ALL_MESSAGES, ()):
        mappings = list(await called(hook, mappings))
    for hook in hooks.get(LAST_MESSAGE, ()) if mappings else ():
        last: dict[str, Any] = dict(mappings[-1])
        if last.get("role") == "tool" or last.get("tool_calls"):
            continue
        mappings[-1] = {**last, "content": await called(hook, last.get("content"))}
    return from_mappings(mappings, owner, "user")


async def sent(hooks: Mapping[str, Sequence[Hook]], sender: Agent, recipient: Agent | None, message: Message, silent: bool) -> Message:
    """The message as the hooks leave it before it is said."""
    for hook in hooks.get(BEFORE_SEND, ()):
        mapping = to_mapping(message, sender.name)
        changed = await called(hook, sender=sender, message=copy.deepcopy(mapping), recipient=recipient, silent=silent)
        if changed != mapping:
            message = _changed(message, mapping, changed)
    return message


def _changed(message: Message, mapping: Mapping[str, Any], changed: Any) -> Message:
    """The message with what a hook has changed of its mapping. What a mapping does not tell (whose words an agent says, data) stays."""
    said = from_mapping(changed, message.sender)[0]
    if said.data is None:
        said = replaced(said, data=message.data)
    told = cast("Mapping[str, Any]", changed).get("role") if isinstance(changed, Mapping) else None
    return replaced(said, role=message.role) if told in (None, mapping["role"]) else said
