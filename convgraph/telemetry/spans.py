"""One run as spans: the run is a workflow, its turns are agents' invocations, and in them lie model calls, tools and questions.

A path says where in the run something belongs, and so whose child its span is: of the nearest span around it that is open. Spans of
what a node does itself are made current, so that what its own code traces (an HTTP client, a database) lies inside of them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import context as current
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from convgraph.graph.state import ErrorInfo
from convgraph.journal.events import (
    AttemptFailed,
    BranchFinished,
    Delta,
    EffectFinished,
    EffectKind,
    EffectStarted,
    Ended,
    Event,
    Moved,
    Said,
    Stepped,
)
from convgraph.journal.turn_paths import around, is_choice, opened_path, without_attempts
from convgraph.messages import NO_USAGE
from convgraph.protocols import Model, ModelRequest
from convgraph.runtime.distributions import recorded_distribution
from convgraph.runtime.observing import Watch, Watched
from convgraph.runtime.signals import HandedOver
from convgraph.telemetry import content
from convgraph.telemetry import conventions as c
from convgraph.telemetry.attributes import Choice, answer, selection, tokens
from convgraph.telemetry.lazy import LazySpan
from convgraph.telemetry.meters import Meters
from convgraph.telemetry.models import identity, own_parameters, parameters

if TYPE_CHECKING:
    from contextvars import Token

_AGENTS = frozenset({"agent", "function"})
"""Kinds of nodes that speak themselves; the others have others speak."""

_MANY = 16
"""How many spans that are over are written down at a time: one by one they cost nearly twice as much, all code being cold each time."""
_LATEST = 0.02
"""Seconds after which what is over is written down, though it is not so many yet."""

_FAILED = frozenset({"failed", "stuck"})


@dataclass(slots=True)
class _Over:
    """What is over, and not yet written down: how to say what came of it, and when it ended."""

    span: LazySpan
    say: Callable[[], None]
    ended: int


@dataclass(slots=True)
class _Open:
    """A span that is open: when it began, the context of what lies inside, and how to leave that where it was made current."""

    span: LazySpan
    began: int
    inside: Context
    token: Token[Context] | None = None
    model: Model | None = None
    first_chunk: int = 0


class RunSpans(Watch):
    """Watches one run. See `Watch`."""

    def __init__(self, tracer: Tracer, meters: Meters, run: Watched, links: Sequence[Link], *, content: bool) -> None:
        self._tracer = tracer
        self._meters = meters
        self._run = run
        self._content = content
        self._open: dict[str, _Open] = {}
        self._choices: dict[str, Choice] = {}
        self._models: dict[int, tuple[Model, dict[str, Any], dict[str, Any]]] = {}
        self._over: list[_Over] = []
        self._reminded = False
        self._keeps_up = False
        self._lock = threading.RLock()
        self._loop = asyncio.get_running_loop()
        self._usage = NO_USAGE
        self._status = ""
        self._error_type = ""
        self._common = {c.CONVERSATION_ID: run.run_id}
        about: dict[str, Any] = {
            **self._common,
            c.OPERATION: "invoke_workflow",
            c.WORKFLOW_NAME: run.graph,
            c.GRAPH_FINGERPRINT: run.fingerprint,
            c.RUN_RESUMED: run.resumed,
        }
        outside = current.get_current()
        self._root = tracer.start_span(f"invoke_workflow {run.graph}", outside, SpanKind.INTERNAL, about, links)
        self._inside = set_span_in_context(self._root, outside)
        self._token = current.attach(self._inside)
        self._hear: Mapping[type, Callable[[Any], None]] = {
            Stepped: self._stepped,
            Moved: self._moved,
            BranchFinished: self._branch_finished,
            EffectStarted: self._effect_started,
            EffectFinished: self._effect_finished,
            AttemptFailed: self._attempt_failed,
            Ended: self._ended,
            Delta: self._delta,
        }

    @property
    def trace(self) -> str:
        """See `Watch.trace`."""
        from convgraph.telemetry.observer import traceparent

        return traceparent(self._root.get_span_context())

    def __call__(self, event: Event | Delta | Said) -> None:
        """See `Watch`."""
        hear = self._hear.get(type(event))
        if hear is not None:
            hear(event)

    def turn_begins(self, path: str, node: str, kind: str) -> None:
        """See `Watch.turn_begins`."""
        key = without_attempts(path)
        if key in self._open:
            return
        if kind in _AGENTS:
            about = {**self._common, c.PATH: key, c.OPERATION: "invoke_agent", c.AGENT_NAME: node}
            self._begin(key, f"invoke_agent {node}", about, enter=True)
        else:
            about = {**self._common, c.PATH: key, c.OPERATION: "invoke_workflow", c.WORKFLOW_NAME: node, c.NODE_KIND: kind}
            self._begin(key, f"invoke_workflow {node}", about, enter=True)

    def choice_begins(self, path: str, targets: Sequence[str]) -> None:
        """See `Watch.choice_begins`. Only a choice that somebody is asked for has a span."""
        self._choices[without_attempts(path)] = Choice(targets, time.time_ns())

    def model_asked(self, path: str, ordinal: int, model: Model, request: ModelRequest) -> None:
        """See `Watch.model_asked`."""
        about = {**self._facts(model)[2], c.OUTPUT_TYPE: "text" if request.schema is None else "json"}
        if request.params:
            about.update(parameters(request.params))
        if self._content:
            about[c.INPUT_MESSAGES] = content.asked(request)
            if request.system:
                about[c.INSTRUCTIONS] = content.instructions(request)
        if len(self._over) >= _MANY:
            self._loop.call_soon(self._catch_up)  # which is when the run waits for the answer
        key = self._key(path, "model", model.name, ordinal)
        self._begin(key, f"chat {model.name}", about, SpanKind.CLIENT, enter=True).model = model

    def called(self, path: str, kind: EffectKind, name: str, ordinal: int, request: str) -> None:
        """See `Watch.called`."""
        about = {**self._common, c.EFFECT_KIND: kind}
        if kind == "tool" or kind == "code":
            spelled = f"execute_tool {name}"
            about |= {c.OPERATION: "execute_tool", c.TOOL_NAME: name, c.TOOL_TYPE: "function"}
        else:
            spelled = f"convgraph.{kind} {name}"
        if self._content:
            about[c.TOOL_ARGUMENTS] = request[: content.LONGEST]
        self._begin(self._key(path, kind, name, ordinal), spelled, about, enter=True)

    def closed(self, error: BaseException | None) -> None:
        """See `Watch.closed`."""
        if not self._status:
            handed_over = isinstance(error, HandedOver)
            self._status = "handed_over" if handed_over else "interrupted"
            self._error_type = "" if error is None or handed_over else type(error).__name__
            if self._error_type:
                self._fail(self._root, self._error_type)
            self._root.set_attribute(c.RUN_STATUS, self._status)
        self._catch_up()
        self._close_inside("", self._error_type)
        self._root.set_attributes(tokens(self._usage))
        self._root.end()
        self._meters.run(self._run.graph, self._status)
        current.detach(self._token)

    def _facts(self, model: Model) -> tuple[Model, dict[str, Any], dict[str, Any]]:
        """The model (kept, so that its id stays its own), who it is, and that with all else that holds for its calls."""
        found = self._models.get(id(model))
        if found is None:
            who = identity(model)
            found = self._models[id(model)] = model, who, {**self._common, **who, **own_parameters(model)}
        return found

    def _key(self, path: str, kind: str, name: str, ordinal: int) -> str:
        path = without_attempts(path)
        if kind == "model":  # nothing lies inside of it, so its name need not be spelled as a path's
            return f"{path}/@model:{name}.{ordinal}"
        return opened_path(path, kind, name, ordinal)

    def _begin(self, key: str, name: str, about: dict[str, Any], kind: SpanKind = SpanKind.INTERNAL, *, enter: bool) -> _Open:
        """Open a span inside the nearest one around it; with `enter`, it is current in the task that calls."""
        outside, now = self._context_around(key), time.time_ns()
        span = LazySpan(self._tracer, self._lock, name, outside, kind, about, now)
        inside = set_span_in_context(span, outside)
        opened = self._open[key] = _Open(span, now, inside, current.attach(inside) if enter else None)
        return opened

    def _context_around(self, key: str) -> Context:
        key = around(key)
        while key:
            found = self._open.get(key)
            if found is not None:
                return found.inside
            if is_choice(key) and key[:-1] in self._choices:
                return self._select(key).inside
            key = around(key)
        return self._inside

    def _select(self, key: str) -> _Open:
        """The span of a choice that somebody is asked for, opened when the first is."""
        outside, choice = self._context_around(key), self._choices[key[:-1]]
        about = {**self._common, c.CANDIDATES: choice.targets, c.PATH: key}
        span = LazySpan(self._tracer, self._lock, "convgraph.select", outside, SpanKind.INTERNAL, about, choice.began)
        opened = self._open[key] = _Open(span, choice.began, set_span_in_context(span, outside))
        return opened

    def _leave(self, opened: _Open) -> None:
        """Make what was current before a span current again, in the task that had entered it."""
        if opened.token is not None:
            current.detach(opened.token)

    def _soon(self, span: LazySpan, say: Callable[[], None], ended: int) -> None:
        """Write down what is over when there is time for it: when a model has just been asked, or a little later in any case."""
        self._over.append(_Over(span, say, ended))
        if not self._reminded:
            self._reminded = True
            self._loop.call_later(_LATEST, self._remind)

    def _remind(self) -> None:
        if self._keeps_up:  # models are asked one after the other: the next time that one is, there is more time than now
            self._keeps_up = False
            self._loop.call_later(_LATEST, self._remind)
        else:
            self._reminded = False
            self._catch_up()

    def _catch_up(self) -> None:
        """Write down what is over. What lies around something is over after it: all is said of it before it is made as a parent."""
        self._keeps_up = self._reminded
        over, self._over = self._over, []
        for one in reversed(over):
            one.say()
        for one in over:
            one.span.end(one.ended)

    def _fail(self, span: Span, error_type: str, message: str = "") -> None:
        span.set_attribute(c.ERROR_TYPE, error_type)
        if message and self._content:
            span.set_attribute(c.ERROR_MESSAGE, message)
        span.set_status(Status(StatusCode.ERROR, error_type))

    def _close_inside(self, key: str, error_type: str) -> None:
        """End what is still open inside of something that is over: it was cancelled, or it waits for somebody."""
        inside = [other for other in self._open if not key or other.startswith((f"{key}/", f"{key}>"))]
        for other in reversed(inside):
            opened = self._open.pop(other)
            if error_type:
                self._fail(opened.span, error_type)
            opened.span.end()

    def _stepped(self, event: Stepped) -> None:
        now, key = time.time_ns(), without_attempts(event.path)
        opened = self._open.pop(key, None)
        choice, asked = self._choices.pop(key, None), self._open.pop(f"{key}>", None)
        if opened is None:
            self._count_turn(event.node, event.error)
            return
        if event.error is not None or event.limit is not None:
            self._close_inside(key, event.error.type if event.error is not None else "limit")
        self._leave(opened)
        if asked is not None:
            self._soon(asked.span, partial(self._say_choice, asked.span, event, choice), now)
        self._soon(opened.span, partial(self._say_turn, opened.span, event, choice), opened.began + int(event.seconds * 1e9))

    def _say_turn(self, span: Span, event: Stepped, choice: Choice | None) -> None:
        self._say_choice(span, event, choice)
        if event.error is not None:
            self._fail(span, event.error.type, event.error.message)
        elif not event.messages:
            span.set_attribute(c.DECLINED, True)
        self._count_turn(event.node, event.error)

    def _say_choice(self, span: Span, event: Stepped | Moved, choice: Choice | None) -> None:
        """Say where the conversation goes: on the span of what was before, and on that of the asking, if there is one."""
        if event.target is not None:
            span.set_attributes(selection(event, choice))

    def _count_turn(self, node: str, error: ErrorInfo | None) -> None:
        self._meters.turn(self._run.graph, node, error.type if error is not None else None)

    def _branch_finished(self, event: BranchFinished) -> None:
        opened = self._open.pop(without_attempts(event.path), None)
        if opened is None:
            self._count_turn(event.node, None)
            return
        self._leave(opened)
        self._soon(opened.span, partial(self._count_turn, event.node, None), time.time_ns())

    def _moved(self, event: Moved) -> None:
        """Who begins: said on the span of the conversation that begins."""
        key = without_attempts(event.path)
        inside = self._open.get(around(key))
        choice, asked = self._choices.pop(key, None), self._open.pop(f"{key}>", None)
        self._say_choice(self._root if inside is None else inside.span, event, choice)
        if asked is not None:
            self._soon(asked.span, partial(self._say_choice, asked.span, event, choice), time.time_ns())

    def _effect_started(self, event: EffectStarted) -> None:
        key = self._key(event.path, event.effect, event.name, event.ordinal)
        if event.effect == "conversation":
            about = {**self._common, c.OPERATION: "invoke_workflow", c.WORKFLOW_NAME: event.name, c.PATH: key}
            self._begin(key, f"invoke_workflow {event.name}", about, enter=True)
        elif event.question is not None:
            question = event.question
            about = {**self._common, c.QUESTION: question.id, c.QUESTION_TO: question.to, c.QUESTION_ANSWERED: False}
            waits = "sleep" if question.due is not None else f"ask {question.to}"
            self._begin(key, f"convgraph.{waits}", about, enter=False)

    def _effect_finished(self, event: EffectFinished) -> None:
        opened = self._open.pop(self._key(event.path, event.effect, event.name, event.ordinal), None)
        if opened is None:  # it was asked for before the run stopped, or is nothing that takes time
            return
        if event.effect == "model":
            choice = self._choices.get(without_attempts(event.path)[:-1]) if is_choice(event.path) else None
            if choice is not None and event.error is None:
                choice.answers.append((event.result["content"], recorded_distribution(event.result)))
        self._leave(opened)
        self._soon(opened.span, partial(self._say_effect, opened, event), time.time_ns())

    def _say_effect(self, opened: _Open, event: EffectFinished) -> None:
        span = opened.span
        if opened.model is not None:
            self._say_answer(opened, opened.model, event)
        elif event.question is not None:
            span.set_attribute(c.QUESTION_ANSWERED, True)
        elif self._content and event.effect in ("tool", "code"):
            span.set_attribute(c.TOOL_RESULT, content.as_text(event.result))
        if event.error is not None:
            self._fail(span, event.error.type, event.error.message)

    def _say_answer(self, opened: _Open, model: Model, event: EffectFinished) -> None:
        about = answer(event, said=self._content)
        if opened.first_chunk:
            about[c.FIRST_CHUNK] = (opened.first_chunk - opened.began) / 1e9
        opened.span.set_attributes(about)
        self._usage = self._usage + event.usage
        failed = event.error.type if event.error is not None else None
        who, called_itself = self._facts(model)[1], about.get(c.RESPONSE_MODEL)
        self._meters.model_call(who, called_itself, event.usage, event.seconds, failed, opened.inside)

    def _delta(self, event: Delta) -> None:
        prefix = f"{without_attempts(event.path)}/@model:"
        for key, opened in self._open.items():
            if opened.model is not None and not opened.first_chunk and key.startswith(prefix):
                opened.first_chunk = time.time_ns()
                return

    def _attempt_failed(self, event: AttemptFailed) -> None:
        key = without_attempts(event.path)
        self._error_type = event.error.type
        about = {c.ATTEMPT: event.attempt, c.ERROR_TYPE: event.error.type, c.ATTEMPT_CAUSE: event.cause}
        if self._content:
            about[c.ERROR_MESSAGE] = event.error.message
        opened = self._open.get(key)
        (self._root if opened is None else opened.span).add_event(c.ATTEMPT_FAILED, about)
        self._close_inside(key, event.error.type)

    def _ended(self, event: Ended) -> None:
        self._status = event.status
        self._root.set_attribute(c.RUN_STATUS, event.status)
        if self._content:
            self._root.set_attribute(c.RUN_REASON, event.reason)
        if event.status in _FAILED:
            self._fail(self._root, self._error_type or event.status)
        else:
            self._error_type = ""
