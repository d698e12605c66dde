"""The rule that keeps secrets out of the journal: what a run was given as one is replaced by its name before anything is recorded.

Secrets are the `SecretStr` values in `run(deps=…)`, and whatever the graph's `redact=` finds. What an effect gives back and what
a node says passes here before it is recorded and before the run goes on with it, so that a run and its replay see the same. A run
without secrets has nothing to search for.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from convgraph.errors import InputError
from convgraph.journal.values import TAG
from convgraph.messages import Message, ToolCall
from convgraph.plain_data import replaced
from convgraph.protocols import ModelReply
from convgraph.runtime.redaction import Redact

if TYPE_CHECKING:
    from pydantic import SecretBytes, SecretStr

SHORTEST = 6
"""How many characters a secret has at least: a shorter one would be found where it is none."""


class Secrets:
    """Values that may be recorded nowhere, by name. Where one is found, as it is or encoded, `[secret NAME]` stands instead.

    `redactions` are what the graph has taken out of every text besides. Raises `InputError` for a value with fewer than six characters.
    """

    __slots__ = ("_names", "_pattern", "redactions")

    def __init__(self, values: Mapping[str, str], redactions: Sequence[Redact] = ()) -> None:
        self.redactions = tuple(redactions)
        self._names: dict[str, str] = {}
        for name, value in values.items():
            if len(value) < SHORTEST:
                raise InputError(
                    f"secret {name!r} has {len(value)} characters; with fewer than {SHORTEST} it would be found where it is none: "
                    "use a longer one, or pass it as a plain str, which may then be recorded"
                )
            for form in _forms(value):
                self._names.setdefault(form, name)
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def in_text(self, text: str) -> str:
        """The text without secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: f"[secret {self._names[found[0]]}]", text)
        for redact in self.redactions:
            text = redact(text)
        return text

    def in_json(self, value: Any) -> Any:
        """A value in JSON (as `ValueCodec.encode` gives it) without secrets: in its texts, its keys, its numbers, its bytes."""
        if isinstance(value, str):
            return self.in_text(value)
        if isinstance(value, list):
            return [self.in_json(item) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            return self._in_mapping(cast("dict[str, Any]", value))
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = self.in_text(str(value)) if isinstance(value, int) else self._in_float(value)
            return value if text == str(value) else text
        return value

    def in_messages(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages without secrets."""
        return tuple(map(self._in_message, messages))

    def in_reply(self, reply: ModelReply) -> ModelReply:
        """A model's reply without secrets."""
        return replaced(
            reply,
            content=self.in_text(reply.content),
            tool_calls=self._in_calls(reply.tool_calls),
            data=self.in_json(reply.data),
            misfit=self.in_text(reply.misfit),
            items=tuple(map(self.in_json, reply.items)),
        )

    def check_description(self, graph: str, text: str) -> None:
        """Raise `InputError` for a graph whose description holds a secret: it is recorded as it is, and is its identity."""
        if self.in_text(text) != text:
            raise InputError(
                f"graph {graph!r} describes a secret of deps, in an agent's system message perhaps, and a description is recorded; "
                "give it to the tools that need it: Annotated[SecretStr, Injected()]"
                + (" (what redact= takes out counts as one)" if self.redactions else "")
            )

    def _in_float(self, value: float) -> str:
        """A number's text without secrets. Redactions pass over it: digits after a point are no card's."""
        text = str(value)
        return text if self._pattern is None else self._pattern.sub(lambda found: f"[secret {self._names[found[0]]}]", text)

    def _in_message(self, message: Message) -> Message:
        return replaced(
            message,
            content=self.in_json(message.content),
            tool_calls=self._in_calls(message.tool_calls),
            data=self.in_json(message.data),
        )

    def _in_calls(self, calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
        return tuple(replaced(call, arguments=self.in_text(call.arguments)) for call in calls)

    def _in_mapping(self, value: dict[str, Any]) -> Any:
        kind, inner = value.get(TAG), value.get("value")
        if kind == "bytes" and isinstance(inner, str):
            text = base64.b64decode(inner).decode("utf-8", "surrogateescape")
            return {TAG: kind, "value": base64.b64encode(self.in_text(text).encode("utf-8", "surrogateescape")).decode("ascii")}
        if isinstance(kind, str) and isinstance(inner, str) and self.in_text(inner) != inner:
            return self.in_text(inner)  # a UUID or a date that is a secret is none any more
        return {self.in_text(key): item if key == TAG else self.in_json(item) for key, item in value.items()}


def secrets_in(deps: Any, redactions: Sequence[Redact] = ()) -> Secrets | None:
    """The secrets among what a run was given: `SecretStr` values at the top and one level down. None where there is nothing to find.

    Looks into mappings, sequences, dataclasses, pydantic models and the attributes of other objects. Raises `InputError` for a secret
    that could not be found again: one that is too short, or one of bytes.
    """
    found = _secrets(deps) if deps is not None else ()
    values = {re.sub(r"[^\w.-]", "_", name): text for name, secret in found if (text := _text(name, secret))}
    return Secrets(values, redactions) if values or redactions else None


def _secrets(deps: Any) -> Iterator[tuple[str, SecretStr | SecretBytes]]:
    from pydantic import SecretBytes, SecretStr

    for name, value in _entries(deps):
        if isinstance(value, SecretStr | SecretBytes):
            yield name, value
            continue
        yield from ((f"{name}.{key}", inner) for key, inner in _entries(value) if isinstance(inner, SecretStr | SecretBytes))


def _entries(holder: Any) -> list[tuple[str, Any]]:
    """What the object holds, by name; nothing of what is computed when it is asked for."""
    from pydantic import SecretBytes, SecretStr

    if isinstance(holder, str | bytes | SecretStr | SecretBytes):
        return []
    if isinstance(holder, Mapping):
        return [(str(key), value) for key, value in cast("Mapping[Any, Any]", holder).items()]
    if isinstance(holder, list | tuple):
        items = cast("Sequence[Any]", holder)
        names = getattr(items, "_fields", range(len(items)))
        return [(str(name), value) for name, value in zip(names, items, strict=True)]
    if dataclasses.is_dataclass(holder) and not isinstance(holder, type):
        return [(each.name, getattr(holder, each.name)) for each in dataclasses.fields(holder) if hasattr(holder, each.name)]
    return list(getattr(holder, "__dict__", {}).items())


def _text(name: str, secret: SecretStr | SecretBytes) -> str:
    from pydantic import SecretBytes

    if isinstance(secret, SecretBytes):
        raise InputError(f"deps: {name!r} is a SecretBytes, which is not searched for in texts; pass it as a SecretStr")
    return secret.get_secret_value()


def _forms(value: str) -> Iterator[str]:
    """The value, and how it looks inside of JSON, a URL, HTML, a hexadecimal dump, and base64 of a longer text."""
    import html
    from urllib.parse import quote, quote_plus

    yield value
    for ascii_only in (True, False):
        escaped = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield json.dumps(escaped)[1:-1]
    yield repr(value)[1:-1]
    yield quote(value)
    yield quote(value, safe="")
    yield quote_plus(value)
    yield html.escape(value)
    raw = value.encode("utf-8", "surrogatepass")
    yield raw.hex()
    yield raw.hex().upper()
    yield base64.b64encode(raw).decode("ascii")
    yield base64.urlsafe_b64encode(raw).decode("ascii")
    for before in range(3):
        inside = _inside_base64(raw, before)
        yield inside
        yield inside.replace("+", "-").replace("/", "_")


def _inside_base64(raw: bytes, before: int) -> str:
    """The part of the base64 of a longer text that the value alone decides, where it begins `before` bytes after a multiple of three."""
    encoded = base64.b64encode(b"\0" * before + raw).decode("ascii")
    unsure_after = (before + len(raw)) % 3
    return encoded[(0, 2, 3)[before] : len(encoded) - (0, 3, 2)[unsure_after]]
