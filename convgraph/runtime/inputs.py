# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""What a run is started, resumed or continued with, and how it is to be executed: checked before anything is opened or written."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from convgraph.errors import AnswerError, InputError
from convgraph.graph.definition import UNLIMITED, Limits
from convgraph.graph.machine import begin
from convgraph.graph.state import State
from convgraph.journal.answers import check_answer
from convgraph.journal.events import Question
from convgraph.journal.labels import checked_labels
from convgraph.journal.naming import check_run_id
from convgraph.journal.runs import OpenQuestion
from convgraph.journal.writer import Durability, Listener, check_durability
from convgraph.messages import Message, as_message, check_json
from convgraph.protocols import Model
from convgraph.runtime.fold import Standing
from convgraph.runtime.people import Human, check_human
from convgraph.runtime.program import Program
from convgraph.runtime.secrets import Secrets, secrets_in
from convgraph.runtime.signals import Stop


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is to be executed. None of it is part of the conversation."""

    deps: Any = None
    human: Human = "auto"
    durability: Durability = "step"
    listener: Listener | None = None
    target: str = ""
    stop: Stop = field(default_factory=Stop)
    through: Callable[[Model], Model] | None = None
    """What stands between the run and its models (a cache, say): given a model, the one that answers in its place."""
    instead: Callable[[str, str], tuple[Any] | None] | None = None
    """What an effect of this kind and name gives, in a tuple, without being done; None where it is done."""
    longest_wait: float = math.inf
    """For how many seconds the run stays for a timer, rather than parking until it is due."""
    children: bool = False
    """Whether the items of a distributed `ForEach` become runs of their own: there are workers that go on with them."""
    announced: bool = False
    """Whether it is durable that the run is gone on with before anything else happens: so that what ends its process is noticed."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """All that a run starts from, checked: nothing has been opened or written."""

    run_id: str
    messages: tuple[Message, ...]
    state: State
    limits: Limits
    labels: tuple[str, ...] = ()


def prepared(
    program: Program, said: Any, state: Any, run_id: str | None, limits: Limits | None, options: Options, labels: Collection[str] = ()
) -> Beginning:
    """Check what a run is to start from. Raises `InputError` for what it cannot use."""
    check_options(options)
    secrets = secrets_of(program, options)
    messages = said_to(secrets, said)
    check_state(program, state)
    limits = program.definition.limits if limits is None else limits
    check_prices(program, limits)
    name = check_run_id(run_id) if run_id is not None else uuid.uuid4().hex
    first = begin(program.definition, messages, state)
    try:
        values = first.dump_data()
    except ValueError as error:  # pydantic's serialization errors are
        raise InputError(f"the initial state has no JSON form: {error}") from error
    check_json(values, "the initial state")
    check_no_secrets(secrets, values, "state=…")
    return Beginning(name, messages, first, limits, checked_labels(labels))


def input_messages(said: Any) -> list[Message]:
    """The messages that a run starts from: none, one, or several; their sender and role are `user` unless they say otherwise."""
    if said is None:
        return []
    if isinstance(said, Sequence) and not isinstance(said, str) and not (said and isinstance(said[0], dict) and "type" in said[0]):
        return [as_message(item, "user", "user") for item in cast("Sequence[Any]", said)]
    return [as_message(said, "user", "user")]


def said_to(secrets: Secrets | None, said: Any) -> tuple[Message, ...]:
    """The messages that a run starts from or goes on with, without secrets: they are recorded like all others."""
    messages = tuple(input_messages(said))
    return messages if secrets is None else secrets.in_messages(messages)


def secrets_of(program: Program, options: Options) -> Secrets | None:
    """The secrets that a run is given. Raises `InputError` for one that its graph describes, since that is recorded."""
    secrets = secrets_in(options.deps, program.redactions)
    if secrets is not None:
        secrets.check_description(program.definition.name, program.document_text)
    return secrets


def check_no_secrets(secrets: Secrets | None, values: Any, where: str) -> None:
    """Raise `InputError` for a secret among values that would be recorded."""
    if secrets is not None and secrets.in_json(values) != values:
        besides = " (or what redact= takes out)" if secrets.redactions else ""
        raise InputError(f"{where} holds a secret of deps{besides}, and a state is recorded; whoever needs it is given it from deps")


def check_step(step: Any, where: str) -> None:
    """Raise `InputError` unless this can be the number of a step."""
    if isinstance(step, bool) or not isinstance(step, int) or step < 1:
        raise InputError(f"{where} takes the number of a step, from 1, not {step!r:.100}")


def check_state(program: Program, state: Any) -> None:
    """Raise `InputError` for an initial state that the graph would pass over. Whether its values fit, the schema says."""
    schema = program.definition.state
    if state is not None and schema is None:
        raise InputError(
            f"graph {program.definition.name!r} has no state, so it takes no state=; give it one with ConversationGraph(state=…)"
        )
    if schema is not None and isinstance(state, Mapping):
        schema.check_fields(cast("Mapping[str, Any]", state))


def check_prices(program: Program, limits: Limits) -> None:
    """Raise `InputError` where a limit in US dollars could not be kept, since a model has no price."""
    if limits is UNLIMITED or limits.usd is None:
        return
    unpriced = program.unpriced_models()
    if unpriced:
        raise InputError(
            f"graph {program.definition.name!r} has a limit of {limits.usd:g} USD, but the price of {', '.join(unpriced)} is not known; "
            "give the model price=(input, output) per 1,000 tokens"
        )


def check_answers(run_id: str, answers: Mapping[str, Any], questions: Sequence[OpenQuestion], standing: Standing) -> None:
    """Raise `AnswerError` for an answer that is unknown, stale, a duplicate or ill-typed. Nothing has been written yet."""
    if not isinstance(answers, Mapping):
        raise AnswerError(f"run {run_id!r}: answers= takes a mapping of question ids to values, not {answers!r:.100}")
    open_now = {question.id: question for question in questions}
    for name, value in answers.items():
        question = open_now.get(name)
        if question is None:
            if name in standing.state.asked:
                raise AnswerError(
                    f"run {run_id!r}: question {name!r} was answered in turn {standing.state.asked[name]}; a late answer is not used"
                )
            waiting = f"it waits for {sorted(open_now)}" if open_now else "it waits for no answer"
            raise AnswerError(f"run {run_id!r} has no open question {name!r}; {waiting}")
        if question.answered:
            raise AnswerError(f"run {run_id!r}: question {name!r} has been answered already")
        check_answer(Question(question.id, question.prompt, dict(question.schema)), value, run_id)


def check_options(options: Options) -> None:
    """Raise `InputError` for a way of running that there is not, and for secrets that could not be kept."""
    check_human(options.human)
    check_durability(options.durability)
    if not isinstance(options.target, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"target={options.target!r:.100} is no text, such as 'file.py:graph'")
    secrets_in(options.deps)
