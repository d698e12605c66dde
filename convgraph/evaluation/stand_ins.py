"""What answers in a case in place of the graph's own models, people and tools. The graph stays as it is: only who answers differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from convgraph.errors import InputError, ModelConfigError
from convgraph.evaluation.cases import Case
from convgraph.evaluation.script_lines import as_line
from convgraph.journal.events import EffectFinished, Event, Question
from convgraph.models.scripted import ScriptedModel
from convgraph.protocols import Model, ModelReply, ModelRequest

SELECTOR = "(selector)"
"""Who a selecting model answers for, in a script. No node can be called that."""
SPEAKER_OF_SELECTIONS = "(observer)"
"""The same, as a request says it."""

Answering = Callable[[ModelRequest, Model], Model]
"""Which model answers a request that was meant for the given one."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Answers in place of `model`, whose name and identity it keeps: a record of the run can be replayed with the graph itself."""

    model: Model
    answering: Answering

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def priced(self) -> bool:
        return self.model.priced

    def describe(self) -> Mapping[str, Any]:
        """The identity of the model that it stands for."""
        return self.model.describe()

    async def respond(self, request: ModelRequest, on_delta: Callable[[str], None] | None = None) -> ModelReply:
        """The answer of the model that stands in for this speaker."""
        return await self.answering(request, self.model).respond(request, on_delta)


def through(answering: Answering) -> Callable[[Model], Model]:
    """What stands between a run and its models."""
    return lambda model: StandIn(model, answering)


def from_script(case: Case) -> Answering:
    """The models that a case's script amounts to: one a speaker. Raises `InputError` for a line that is none."""
    models = {
        SPEAKER_OF_SELECTIONS if speaker == SELECTOR else speaker: ScriptedModel(
            [as_line(line, f"{case.place}: script[{speaker!r}][{number}]") for number, line in enumerate(lines)], name=speaker
        )
        for speaker, lines in (case.script or {}).items()
    }

    def answering(request: ModelRequest, _: Model) -> Model:
        found = models.get(request.speaker)
        if found is None:
            speaker = SELECTOR if request.speaker == SPEAKER_OF_SELECTIONS else request.speaker
            raise ModelConfigError(
                f"{case.place}: its script has no lines for {speaker!r} (it has some for {', '.join(case.script or ()) or 'nobody'})"
            )
        return found

    return answering


def swapped(model: Model | None, models: Mapping[str, Model], asked: set[str]) -> Answering:
    """Other models than the graph's: one for all, and some by the name of the speaker who asks. `asked` notes who did."""

    def answering(request: ModelRequest, own: Model) -> Model:
        speaker = SELECTOR if request.speaker == SPEAKER_OF_SELECTIONS else request.speaker
        asked.add(speaker)
        return models.get(speaker, model or own)

    return answering


def people(case: Case) -> Callable[[Question], Any]:
    """What people say in a case: their answers in order. Who has none left is not asked: the run waits."""
    from convgraph.runtime.signals import Parked

    left = {name: iter(lines) for name, lines in case.answers.items()}

    def answer(question: Question) -> Any:
        for name in (question.id, question.to):
            if name in left:
                for value in left[name]:
                    return value
        raise Parked(question.id)

    return answer


def effects(case: Case) -> Callable[[str, str], tuple[Any] | None]:
    """What tools, and other effects of a name that the case has results for, give: these, in order, instead of being done.

    `{raises: {type: …, message: …}}` is an error. Raises `InputError` for one that is none.
    """
    left = {
        name: iter([_result(result, f"{case.place}: tools[{name!r}][{number}]") for number, result in enumerate(results)])
        for name, results in case.tools.items()
    }

    def instead(_: str, name: str) -> tuple[Any] | None:
        if name not in left:
            return None
        for result in left[name]:
            if isinstance(result, Exception):
                raise result
            return (result,)
        raise InputError(f"{case.place}: tools[{name!r}] has {len(case.tools[name])} results, and all are used up")

    return instead


def _result(given: Any, place: str) -> Any:
    """A tool's result, or the error that it ended with."""
    if not isinstance(given, dict) or list(cast("dict[str, Any]", given)) != ["raises"]:
        return cast(Any, given)
    error: Any = cast("dict[str, Any]", given)["raises"]
    named: Mapping[str, Any] = cast("Mapping[str, Any]", error) if isinstance(error, Mapping) else {}
    kind, message = named.get("type", "Exception"), named.get("message", "")
    if not isinstance(error, Mapping) or not isinstance(kind, str) or not kind.isidentifier() or not isinstance(message, str):
        raise InputError(f"{place}: an error is {{raises: {{type: TimeoutError, message: …}}}}, not {given!r:.80}")
    return type(kind, (Exception,), {})(message)


def unasked(case: Case, events: Iterable[Event]) -> list[str]:
    """What the case has for tools and people whom the run never asked: a name that is spelled otherwise, most often."""
    done = [event for event in events if isinstance(event, EffectFinished)]
    tools = {event.name for event in done}
    people = {name for event in done if event.effect == "human" for name in (event.name, event.question)}
    return [
        *(f"tools[{name!r}]: nothing of that name was called" for name in case.tools if name not in tools),
        *(f"answers[{name!r}]: nobody of that name was asked" for name in case.answers if name not in people),
    ]
