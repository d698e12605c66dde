"""A person's consent to something that would leave traces outside: how it is asked for, and what the answer may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast

from convgraph.journal.answers import ABOUT
from convgraph.runtime.context import Context

Kind: TypeAlias = Literal["tool", "code"]

APPROVAL: Mapping[str, Any] = {
    "anyOf": [
        {"enum": ["approve", "refuse"]},
        {"type": "object", "properties": {"refuse": {"type": "string"}}, "required": ["refuse"], "additionalProperties": False},
    ]
}
"""What a person who is asked may answer."""


async def refusal(ctx: Context, prompt: str, *, id: str, kind: Kind, subject: Mapping[str, Any]) -> str | None:
    """Ask a person for consent. None where it is given, else the reason for which it was refused, which may be empty.

    `subject` is what the prompt says in words, as plain JSON: what shows questions in another way than as a text shows that.
    """
    schema = {**APPROVAL, ABOUT: {"kind": kind, **subject}}
    answer: Any = await ctx.ask(f'{prompt} Answer "approve", "refuse", or {{"refuse": "why"}}.', id=id, schema=schema)
    if answer == "approve":
        return None
    return str(cast("Mapping[str, Any]", answer)["refuse"]) if isinstance(answer, dict) else ""


def about(schema: Mapping[str, Any]) -> tuple[Kind, Mapping[str, Any]] | None:
    """What consent a question asks for, from its schema: the kind, and the subject. None where it asks for something else."""
    found: Any = schema.get(ABOUT)
    if not isinstance(found, dict):
        return None
    subject = dict(cast("dict[str, Any]", found))
    kind = subject.pop("kind", None)
    return (kind, subject) if kind in ("tool", "code") else None
