"""The one way in which anything outside the conversation is touched: recorded as it finishes, and never done twice.

Each effect has a place (path, kind, name, ordinal) and a digest of its request. Where the ledger knows its
result, that is given back and nothing is done. What may have happened outside (a tool, code) writes an intent
first; an intent without a result is *in doubt*: it is done again, under the same idempotency key, if it was
declared idempotent, and otherwise a person decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import isfinite
from typing import Any

from convgraph.errors import EffectFailed, ModelError, ModelOutputError, NotEncodable, StoreFormat
from convgraph.graph.state import ErrorInfo
from convgraph.journal.answers import ABOUT, check_answer
from convgraph.journal.events import Delta, EffectFinished, EffectKind, EffectStarted, JsonObject, Question
from convgraph.journal.turn_paths import turn_path, without_attempts
from convgraph.journal.values import digest_text
from convgraph.messages import NO_USAGE, ToolCall, Usage, digest_of
from convgraph.plain_data import replaced
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.runtime.distributions import distribution_document, recorded_distribution
from convgraph.runtime.ledger import doubt_about
from convgraph.runtime.run import Run
from convgraph.runtime.scope import Turning
from convgraph.runtime.secrets import Secrets
from convgraph.runtime.signals import is_stop

DOUBT_SCHEMA: JsonObject = {
    "anyOf": [
        {"enum": ["retry", "fail"]},
        {"type": "object", "properties": {"result": {}}, "required": ["result"], "additionalProperties": False},
    ]
}

_COUNTED = frozenset({(int, int, int, float, int), (int, int, int, int, int)})
"""The types that the numbers of a `Usage` may have: what else is written is not read back."""


async def outside(
    run: Run, turning: Turning, kind: EffectKind, name: str, request: str, idempotent: bool, call: Callable[[str, Turning], Awaitable[Any]]
) -> Any:
    """Do something that may leave traces outside, once. `request` is canonical text.

    `call` is given the idempotency key, and books of its own: it may have effects and open conversations itself. Where it
    had stopped inside one of those, that is in doubt (or waits, or goes on), not this: it is entered again.
    """
    ordinal = turning.ordinal(kind, name)
    digest = digest_text(request if run.secrets is None else run.secrets.in_text(request))
    own = turning.opened(kind, name, ordinal)
    found = known(run, turning, kind, name, ordinal, digest)
    if found is not None:
        turning.count_turns(run.ledger.turns_inside(own.path))
        turning.asked = (*turning.asked, *run.ledger.asked_under(own.path))
        return _result(run, found)
    doubt = run.ledger.doubtful(turning.path, kind, name, ordinal) if run.ledger else None
    goes_on = doubt is not None and run.ledger.stopped_inside(own.path)
    if doubt is not None and not idempotent and not goes_on:
        decided = await _decide(run, turning, kind, name, ordinal, digest)
        if decided is not None:
            return _result(run, decided)
    key = f"{run.run_id}:{without_attempts(turning.path)}:{kind}:{name}:{ordinal}"
    if not goes_on:
        await run.keep(EffectStarted(turning.path, kind, name, ordinal, digest, key))
    await run.journal.confirm()  # the intent may have taken longer than the lease: to be written, or to be told so
    if run.watch is not None:
        run.watch.called(turning.path, kind, name, ordinal, request if run.secrets is None else run.secrets.in_text(request))
    started = run.clock()
    try:
        given = run.instead(kind, name) if run.instead is not None else None
        value = await call(key, own) if given is None else run.codec.decode(given[0])
    except (Exception, asyncio.CancelledError) as error:
        if is_stop(error):
            raise
        info = error_info(error, name, run.secrets)
        await run.keep(EffectFinished(turning.path, kind, name, ordinal, digest, error=info, seconds=_since(run, started)))
        raise EffectFailed(name, info.type, info.message) from error
    finally:
        own.closed = True
        turning.asked = (*turning.asked, *own.asked)
    return await _finish(run, EffectFinished(turning.path, kind, name, ordinal, digest, value, seconds=_since(run, started)))


async def ask_model(run: Run, turning: Turning, node: str, model: Model, request: ModelRequest) -> ModelReply:
    """Ask a model, once. The answer is recorded without waiting for the disk: the next commit takes it along."""
    if run.secrets is not None:  # messages are without secrets; what an agent is told of itself may have been made just now
        request = replaced(request, system=run.secrets.in_text(request.system))
    setup = run.setup_digest(model, request)
    digest = f"{setup}.{digest_of(request.messages).hex()}"
    if request.remembered is not None:
        digest = f"{digest}.{request.remembered.response_id}"
    ordinal = turning.ordinal("model", model.name)
    found = known(run, turning, "model", model.name, ordinal, digest)
    if found is not None:
        return _model_reply(_result(run, found), found.usage)
    started = run.clock()
    turning.check_limits(started)
    on_delta = _teller(run, turning, node) if run.journal.streaming else None
    await run.journal.confirm()  # no intent is written before a model call, so nothing else would stop a late owner
    if run.watch is not None:
        run.watch.model_asked(turning.path, ordinal, model, request)
    try:
        reply = await run.answering_for(model).respond(request, on_delta)
        _check_reply(model, reply)
    except (Exception, asyncio.CancelledError) as error:
        if is_stop(error):
            raise
        misfit = _misfit(error, request)
        if misfit is None:
            info, usage = error_info(error, model.name, run.secrets), _paid_for(error)
            turning.spend(usage)
            seconds, asked = _since(run, started), _size(request)
            run.journal.record_soon(EffectFinished(turning.path, "model", model.name, ordinal, digest, None, info, usage, seconds, asked))
            raise EffectFailed(model.name, info.type, info.message) from error
        reply = misfit
    if run.secrets is not None:
        reply = run.secrets.in_reply(reply)
    turning.spend(reply.usage)
    result = _reply_document(run, reply)
    seconds, asked = _since(run, started), _size(request)
    run.journal.record_soon(EffectFinished(turning.path, "model", model.name, ordinal, digest, result, None, reply.usage, seconds, asked))
    return reply


def _check_reply(model: Model, reply: Any) -> None:
    """Raise `ModelOutputError` for what a model of somebody's own has given that could be written, and not be read or added up."""
    if not isinstance(reply, ModelReply):
        raise ModelOutputError(f"model {model.name!r} answered {reply!r:.100}; a model answers with a ModelReply")
    usage: Any = reply.usage
    if not isinstance(usage, Usage) or tuple(map(type, usage)) not in _COUNTED or not isfinite(usage.usd):
        raise ModelOutputError(
            f"model {model.name!r} answered with usage={usage!r:.100}; that is a Usage of whole numbers and a finite price"
        )


def _size(request: ModelRequest) -> JsonObject:
    """What a journal says of a request besides its digest."""
    return {"messages": len(request.messages)}


def _paid_for(error: BaseException) -> Usage:
    """What an endpoint was paid for an answer that was none."""
    return error.reply.usage if isinstance(error, ModelError) and error.reply is not None else NO_USAGE


def _misfit(error: BaseException, request: ModelRequest) -> ModelReply | None:
    """An answer that does not fit the schema is an answer too, with the reason beside it."""
    if not isinstance(error, ModelOutputError) or error.reply is None or request.schema is None:
        return None
    return replaced(error.reply, misfit=str(error))


def _teller(run: Run, turning: Turning, node: str) -> Callable[[str], None]:
    def tell(text: str) -> None:
        run.journal.tell(Delta(turning.path, node, text))

    return tell


async def ask_person(run: Run, turning: Turning, to: str, prompt: str, schema: JsonObject, wanted_id: str | None) -> Any:
    """Ask the person called `to`, once; the answer as plain JSON. Raises `Parked` where the answer has to be waited for."""
    if run.secrets is not None:
        prompt = run.secrets.in_text(prompt)
        schema = {**schema, ABOUT: run.secrets.in_json(schema[ABOUT])} if ABOUT in schema else schema
    wanted = {key: value for key, value in schema.items() if key != ABOUT}
    digest = digest_text(f"{prompt}\n{wanted!r}")
    ordinal = turning.ordinal("human", to)
    found = known(run, turning, "human", to, ordinal, digest)
    if found is not None:
        if found.question is not None:
            turning.asked = (*turning.asked, found.question)
        return _result(run, found)
    intent = run.ledger.doubtful(turning.path, "human", to, ordinal) if run.ledger else None
    if intent is not None and intent.digest == digest and intent.question is not None:
        question = intent.question
    else:
        question = Question(_question_id(run, turning, to, ordinal, wanted_id), prompt, schema, to)
    turning.asked = (*turning.asked, question.id)
    delivered = run.people.delivered(question)
    if delivered is not None:
        check_answer(question, delivered[0], run.run_id)
        return await _answered(run, turning, "human", to, ordinal, digest, question, delivered[0])
    if intent is None or intent.question != question:
        await run.keep(EffectStarted(turning.path, "human", to, ordinal, digest, question=question))
    answer = await run.people.ask(question)
    return await _answered(run, turning, "human", to, ordinal, digest, question, answer)


def instant(run: Run, turning: Turning, kind: EffectKind, name: str, make: Callable[[], Any]) -> Any:
    """A value that only this moment can give: the time, a random number, an id."""
    ordinal = turning.ordinal(kind, name)
    found = known(run, turning, kind, name, ordinal, "")
    if found is not None:
        return _result(run, found)
    value = make()
    run.journal.record_soon(EffectFinished(turning.path, kind, name, ordinal, "", run.codec.encode(value)))
    return value


def known(run: Run, turning: Turning, kind: EffectKind, name: str, ordinal: int, digest: str) -> EffectFinished | None:
    """The recorded result at this place, if there is one. A different request at the same place is a divergence."""
    if not run.ledger:
        return None
    found = run.ledger.find(turning.path, kind, name, ordinal, digest)
    if found is None:
        if run.replaying is not None:
            raise run.replaying.missing(turning.path, f"{kind} effect {name!r} (number {ordinal + 1})")
        return None
    if found.digest != digest:
        from convgraph.runtime.divergence import different_request

        raise different_request(run, turning, found, digest)
    return found


def error_info(error: BaseException, node: str, secrets: Secrets | None) -> ErrorInfo:
    """An exception as data, without secrets."""
    kind, message = type(error).__name__, str(error)
    if isinstance(error, EffectFailed):
        kind, message = error.error_type, error.message
    text = message.encode("utf-8", "backslashreplace").decode()
    return ErrorInfo(kind, text if secrets is None else secrets.in_text(text), node)


def _since(run: Run, started: float) -> float:
    return round(run.clock() - started, 6)


async def _finish(run: Run, finished: EffectFinished) -> Any:
    """Record a result; one that cannot be encoded is recorded as done without a value, and never asked for again."""
    value = finished.result
    try:
        encoded = run.codec.encode(value, f"$.{finished.name}")
        if run.secrets is not None and (told := run.secrets.in_json(encoded)) != encoded:
            encoded, value = told, _without_secrets(run, told, finished.name)
        refused = None
    except NotEncodable as error:
        encoded, refused = None, error
    error = None if refused is None else ErrorInfo("NotEncodable", str(refused), refused.path)
    event = EffectFinished(
        finished.path, finished.effect, finished.name, finished.ordinal, finished.digest, encoded, error, seconds=finished.seconds
    )
    await run.keep(event)
    if refused is not None:
        raise refused
    return value


def _without_secrets(run: Run, encoded: Any, name: str) -> Any:
    """The value that is left when the secrets in it were replaced. Raises `NotEncodable` where none of its type is."""
    try:
        return run.codec.decode(encoded)
    except StoreFormat as error:
        raise NotEncodable(f"the result of {name!r} holds a secret where its type has no room for '[secret …]'", name) from error


def _result(run: Run, found: EffectFinished) -> Any:
    if found.error is None:
        return run.codec.decode(found.result)
    if found.error.type == "NotEncodable":
        raise NotEncodable(found.error.message, found.error.node)
    raise EffectFailed(found.name, found.error.type, found.error.message)


async def _decide(run: Run, turning: Turning, kind: EffectKind, name: str, ordinal: int, digest: str) -> EffectFinished | None:
    """Have a person say what became of an effect in doubt. None: do it again."""
    place, doubt = without_attempts(turning.path), doubt_about(kind, name)
    question = Question(
        f"doubt-{place.replace('/', '.')}-{doubt}-{ordinal}",
        f"{kind} effect {name!r} of turn {place} was begun, and whether it happened is not known. "
        'Answer "retry" to do it again, "fail" to let the turn fail, or {"result": …} to go on with that result.',
        DOUBT_SCHEMA,
    )
    doubted = run.ledger.find(turning.path, "doubt", doubt, ordinal, digest) if run.ledger else None
    if doubted is None:
        delivered = run.people.delivered(question)
        if delivered is None:
            if run.ledger.doubtful(turning.path, "doubt", doubt, ordinal) is None:
                await run.keep(EffectStarted(turning.path, "doubt", doubt, ordinal, digest, question=question))
            decision = await run.people.ask(question)
        else:
            decision = delivered[0]
            check_answer(question, decision, run.run_id)
        decision = await _answered(run, turning, "doubt", doubt, ordinal, digest, question, decision)
    else:
        decision = doubted.result
    if decision == "retry":
        return None
    if decision == "fail":
        error = ErrorInfo("InDoubt", f"{name!r} was begun, and whether it happened is not known", name)
        finished = EffectFinished(turning.path, kind, name, ordinal, digest, error=error)
    else:
        finished = EffectFinished(turning.path, kind, name, ordinal, digest, decision["result"])
    await run.keep(finished)
    return finished


async def _answered(
    run: Run, turning: Turning, kind: EffectKind, name: str, ordinal: int, digest: str, question: Question, answer: Any
) -> Any:
    if run.secrets is not None:
        answer = run.secrets.in_json(answer)
    await run.keep(EffectFinished(turning.path, kind, name, ordinal, digest, run.codec.encode(answer), question=question.id))
    return answer


def _question_id(run: Run, turning: Turning, to: str, ordinal: int, wanted: str | None) -> str:
    """An id that no other question of this run has: the one wanted, or the name of who is asked and the turn."""
    place = turn_path(turning.path).replace("/", ".")
    question = wanted or (f"{to}-{place}" if ordinal == 0 else f"{to}-{place}-{ordinal + 1}")
    taken = question in turning.asked or run.ledger.has_question(question, turning.path)
    scope = turning.scope
    while not taken and scope.outer is not None:
        taken = question in scope.state.asked
        scope = scope.outer.scope
    taken = taken or question in scope.state.asked
    return f"{question}-{place}-{ordinal + 1}" if taken else question


def _reply_document(run: Run, reply: ModelReply) -> JsonObject:
    document: JsonObject = {"content": reply.content}
    if reply.tool_calls:
        document["tool_calls"] = [[call.id, call.name, call.arguments] for call in reply.tool_calls]
    if reply.model:
        document["model"] = reply.model
    if reply.finish_reason != "stop":
        document["finish_reason"] = reply.finish_reason
    if reply.data is not None:
        document["data"] = run.codec.encode(reply.data)
    if reply.misfit:
        document["misfit"] = reply.misfit
    if any(reply.saved):
        document["saved"] = list(reply.saved)
    if reply.response_id:
        document["response_id"] = reply.response_id
    if reply.items:
        document["items"] = list(reply.items)
    if reply.distribution is not None:
        document["distribution"] = distribution_document(reply.distribution)
    return document


def _model_reply(document: JsonObject, usage: Usage) -> ModelReply:
    return ModelReply(
        document["content"],
        tuple(ToolCall(*call) for call in document.get("tool_calls", ())),
        usage,
        document.get("model", ""),
        document.get("finish_reason", "stop"),
        document.get("data"),
        document.get("misfit", ""),
        Usage(*document.get("saved", ())),
        recorded_distribution(document),
        response_id=document.get("response_id", ""),
        items=tuple(document.get("items", ())),
    )
