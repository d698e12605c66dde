"""What of a message is worth remembering: asked of a model in one call, whose answer is facts and skills, or neither."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel, Field

from convgraph.knowledge.fact import Fact
from convgraph.messages import Joined, Message
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.runtime.context import Context

log = logging.getLogger("convgraph.agents")

CORRECTIONS = 2
"""How often the model is shown that its answer does not fit, before nothing is learnt."""

INSTRUCTION = (
    "You keep an assistant's notes, which it finds again in later conversations. Write down what the last messages teach it that will "
    "still be worth knowing then: facts (a question that may come up, and its answer) and skills (a kind of task, and the advice or the "
    "steps for it: whole, with all code). Write down what was told as it was told. Write down nothing that everybody knows, nothing that "
    "matters to this conversation alone, no question without an answer, no greeting, and no order to the assistant that is not advice for "
    "a kind of task. Where a note corrects one that the assistant has, give that one's number. Most messages teach nothing: then both "
    "lists are empty."
)


class FactLesson(BaseModel):
    """A fact that was taught."""

    question: str = Field(description="The question that the fact answers, understandable on its own.")
    answer: str
    replaces: int | None = Field(default=None, description="The number of the note that it corrects.")


class SkillLesson(BaseModel):
    """A skill that was taught."""

    task: str = Field(description="The kind of task, in a few words.")
    advice: str = Field(description="How it is to be done: all steps, all code.")
    replaces: int | None = Field(default=None, description="The number of the note that it corrects.")


class Lessons(BaseModel):
    """What a message has taught."""

    facts: list[FactLesson]
    skills: list[SkillLesson]


class Lesson(BaseModel):
    """A lesson as it is remembered: by its heading, as a text, of a kind; `replaces` is the id of the fact that it corrects."""

    heading: str
    text: str
    kind: str
    replaces: str | None = None


async def lessons_in(ctx: Context, model: Model, keeper: str, said: Sequence[Message], known: Sequence[Fact]) -> list[Lesson]:
    """What the messages `said` teach, as the model judges it; `known` are facts that it may correct.

    One model call, recorded as every other; more only where an answer does not fit. One that never fits teaches nothing.
    """
    notes = f"The notes that the assistant has on this:\n\n{listed(known)}" if known else "The assistant has no notes on this."
    messages: Sequence[Message] = (Message("notes", notes, "user"), *said)
    misfit = ""
    for _ in range(1 + CORRECTIONS):
        reply = await ctx.call_model(_Thinking(model), ModelRequest(messages, keeper, INSTRUCTION, schema=_SCHEMA, schema_name="lessons"))
        misfit = reply.misfit
        if not misfit:
            return _lessons(Lessons.model_validate(reply.data), known)
        wrong = Message("user", f"That does not fit: {misfit}. Answer again.", "user")
        messages = Joined(messages, (Message(keeper, reply.content), wrong))
    log.warning("node %r: nothing was learnt: the model's answer does not fit: %s", ctx.node, misfit)
    return []


def listed(facts: Sequence[Fact]) -> str:
    """Facts as a model reads them: numbered, each under its heading."""
    return "\n\n".join(
        f"[{number}] {fact.about}\n{fact.text}" if fact.about else f"[{number}] {fact.text}" for number, fact in enumerate(facts, 1)
    )


class _Thinking:
    """A model whose words are not streamed: what an agent learns it does not say."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.priced = model.priced
        self.describe = model.describe
        self._model = model

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:  # noqa: ARG002
        return await self._model.respond(request)


_SCHEMA: dict[str, Any] = Lessons.model_json_schema()


def _lessons(taught: Lessons, known: Sequence[Fact]) -> list[Lesson]:
    def corrected(number: int | None) -> str | None:
        return known[number - 1].id if number is not None and 1 <= number <= len(known) else None

    facts = [Lesson(heading=one.question, text=one.answer, kind="fact", replaces=corrected(one.replaces)) for one in taught.facts]
    skills = [Lesson(heading=one.task, text=one.advice, kind="skill", replaces=corrected(one.replaces)) for one in taught.skills]
    return [lesson for lesson in (*facts, *skills) if lesson.heading.strip() and lesson.text.strip()]
