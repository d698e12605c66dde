"""Messages and effects as the page shows them: texts of a bearable length, pictures only where they are at hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from convgraph.content_parts import image_address, part_text
from convgraph.journal.events import EffectFinished, EffectStarted
from convgraph.messages import Message, Usage
from convgraph.studio.schemas.base import UsageOut
from convgraph.studio.schemas.steps import EffectOut, MessageOut, PartOut, ToolCallOut

LONGEST = 100_000
"""Characters of a text that a page is sent whole."""
LONGEST_IN_A_LIST = 600
_SAFE_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=_-]*")


def message_out(message: Message) -> MessageOut:
    """A message as it was said."""
    content: Any = message.content
    parts = [PartOut(kind="text", text=cut(content))] if isinstance(content, str) else [_part(part) for part in content]
    return MessageOut(
        sender=message.sender,
        role=message.role,
        parts=parts,
        tool_calls=[ToolCallOut(id=call.id, name=call.name, arguments=cut(call.arguments)) for call in message.tool_calls],
        tool_call_id=message.tool_call_id,
        data=shortened(message.data),
    )


def _part(part: Mapping[str, Any]) -> PartOut:
    address = image_address(part)
    if address is not None and _SAFE_IMAGE.fullmatch(address):
        return PartOut(kind="image", text=part_text(part), image=address)
    return PartOut(kind="text" if part.get("type") in ("text", "input_text") else "other", text=cut(part_text(part)))


def is_plain(messages: Sequence[Message]) -> bool:
    """Whether the beginning of the text is all that there is to see."""
    if len(messages) != 1:
        return not messages
    one = messages[0]
    return isinstance(one.content, str) and len(one.content) <= LONGEST_IN_A_LIST and not one.tool_calls and one.data is None


def beginning(messages: Sequence[Message], longest: int = LONGEST_IN_A_LIST) -> str:
    """The beginning of what was said; what tools have said only where nobody else has said anything."""
    texts = [message.text for message in messages if message.role != "tool" and message.text]
    return cut("\n".join(texts or [message.text for message in messages]), longest)


def usage_out(usage: Usage) -> UsageOut:
    """Calls, tokens and price."""
    return UsageOut(calls=usage.calls, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, usd=usage.usd)


def effect_out(started: EffectStarted | None, finished: EffectFinished | None, request: Any = None) -> EffectOut:
    """An effect of which there is an intent, a result, or both. `request` is what is known of what was asked."""
    event = finished or started
    if event is None:
        raise ValueError("an effect has an intent or a result")
    question = started.question if started is not None else None
    if question is not None:
        request = {"to": question.to, "prompt": question.prompt, "question": question.id}
    elif finished is not None and finished.request is not None:
        request = finished.request
    return EffectOut(
        path=event.path,
        kind=event.effect,
        name=event.name,
        ordinal=event.ordinal,
        started=started is not None,
        finished=finished is not None,
        request=shortened(request),
        result=shortened(finished.result) if finished is not None else None,
        error=f"{finished.error.type}: {finished.error.message}" if finished is not None and finished.error is not None else "",
        seconds=finished.seconds if finished is not None else 0.0,
        usage=usage_out(finished.usage) if finished is not None else UsageOut(),
    )


def shortened(value: Any) -> Any:
    """A JSON value with its long texts cut."""
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, Mapping):
        return {key: shortened(item) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [shortened(item) for item in cast("Sequence[Any]", value)]
    return value


def cut(text: str, longest: int = LONGEST) -> str:
    """The text, or as much of it as a page is sent."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
