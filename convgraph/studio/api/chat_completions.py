"""Graphs as models: what speaks OpenAI's chat completions can talk to a graph."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from fastapi import APIRouter, HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from convgraph.errors import AnswerError, ConvgraphError, InputError, RunError
from convgraph.graph.definition import Limits
from convgraph.journal.answers import parse_answer
from convgraph.messages import Message
from convgraph.studio.catalog import Known
from convgraph.studio.exchange import Exchange, Outcome, Piece
from convgraph.studio.openai_shapes import (
    ChatIn,
    ChatMessageIn,
    OpenAIProblem,
    chunk,
    completion,
    content_of,
    finish_of,
    run_field,
    usage_chunk,
)
from convgraph.studio.problems import openai_problem
from convgraph.studio.studio import InStudio, Studio

_PROBLEMS: dict[int | str, Any] = {"4XX": {"model": OpenAIProblem}, "5XX": {"model": OpenAIProblem}}

router = APIRouter(prefix="/v1", tags=["openai"], responses=_PROBLEMS)

_JSON = {"type": "object"}
_ANSWERS: dict[int | str, Any] = {
    200: {"content": {"application/json": {"schema": _JSON}, "text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get("/models")
async def models(studio: InStudio) -> dict[str, Any]:
    """The graphs that can be run, as models; each is called by its name, or by its id where another has the same name."""
    return {"object": "list", "data": [_model(name) for name in _named(studio)]}


@router.get("/models/{model}")
async def model(studio: InStudio, model: str) -> dict[str, Any]:
    """A graph as a model."""
    _find(studio, model)
    return _model(model)


@router.post("/chat/completions", responses=_ANSWERS, response_model=None)
async def chat(studio: InStudio, asked: ChatIn) -> Response:
    """Run a graph on these messages, or answer or continue the run that `convgraph.run_id` names with the last of them."""
    exchange = await _exchange(studio, asked)
    pieces = exchange.pieces()
    await anext(pieces)  # what cannot begin is refused before anything is sent
    headers = {"x-convgraph-run": exchange.run_id}
    if asked.stream:
        return StreamingResponse(_stream(exchange, pieces, asked), media_type="text/event-stream", headers=headers)
    said: list[Piece] = [piece async for piece in pieces if piece is not None and piece.whole]
    outcome = await exchange.outcome(said[-1].text if said else "")
    if outcome.info.status == "failed":
        return JSONResponse(_failed(outcome), 422, {**headers, "x-should-retry": "false"})
    return JSONResponse(completion(asked.model, outcome, _answer(said, asked)), headers=headers)


async def _stream(exchange: Exchange, pieces: AsyncGenerator[Piece | None], asked: ChatIn) -> AsyncIterator[str]:
    """The pieces as events. What a node has said piece by piece is not said again when its turn is over."""
    heard, told, last = "", "", ""
    yield _event(chunk(asked.model, exchange.run_id, {"role": "assistant", "content": ""}))
    try:
        async for piece in pieces:
            if piece is None:
                continue
            last = piece.text if piece.whole else last
            if (piece.whole and heard == piece.path) or not piece.text or not _is_wanted(piece, asked):
                continue
            between = "\n\n" if told and told != piece.path else ""
            heard, told = ("" if piece.whole else piece.path), piece.path
            where = {"run_id": exchange.run_id, "node": piece.node, "path": piece.path}
            yield _event(chunk(asked.model, exchange.run_id, {"content": between + piece.text}, convgraph=where))
        outcome = await exchange.outcome(last)
    except ConvgraphError as error:
        yield _event(openai_problem(500, type(error).__name__, str(error)))
        return
    if outcome.info.status == "failed":
        yield _event(_failed(outcome))
        return
    if outcome.info.status == "waiting":
        yield _event(chunk(asked.model, exchange.run_id, {"content": ("\n\n" if told else "") + content_of(outcome, "")}))
    yield _event(chunk(asked.model, exchange.run_id, {}, finish_of(outcome), convgraph=run_field(outcome)))
    if asked.wants_usage:
        yield _event(usage_chunk(asked.model, outcome))
    yield "data: [DONE]\n\n"


def _answer(said: list[Piece], asked: ChatIn) -> str:
    """What was said last; or all that was said by those who are asked for."""
    if asked.convgraph.nodes is None:
        return said[-1].text if said else ""
    return "\n\n".join(piece.text for piece in said if _is_wanted(piece, asked) and piece.text)


def _is_wanted(piece: Piece, asked: ChatIn) -> bool:
    return asked.convgraph.nodes is None or piece.node in asked.convgraph.nodes


async def _exchange(studio: Studio, asked: ChatIn) -> Exchange:
    """What is to be done. Raises what is wrong with the request."""
    known = _find(studio, asked.model)
    if asked.convgraph.run_id is not None:
        return await _further(studio, known, asked, asked.convgraph.run_id)
    run_id = uuid.uuid4().hex
    wanted = asked.convgraph
    graph = studio.catalog.live(known.id)
    limits = Limits(**wanted.limits.model_dump(exclude_none=True)) if wanted.limits is not None else None
    messages = [_message(one) for one in asked.messages]

    async def begin() -> None:
        program = graph.program()
        await studio.live.begin(
            program, messages, state=wanted.state, limits=limits, run_id=run_id, labels=tuple(wanted.labels), target=known.target
        )

    return Exchange(studio, run_id, begin)


async def _further(studio: Studio, known: Known, asked: ChatIn, run_id: str) -> Exchange:
    """The last message as the answer to what an earlier run asks, or as the next of its conversation, where that has ended."""
    info = await studio.store.info(run_id)
    graph = studio.catalog.live(known.id)
    if info.graph != graph.definition.name:
        raise InputError(f"run {run_id!r} is one of graph {info.graph!r}, not of {asked.model!r}: name that as the model")
    program = graph.program()
    timeline = (await studio.timelines.of(run_id)).timeline
    said = _message(asked.messages[-1])

    async def begin() -> None:
        if info.status in ("finished", "stuck"):
            await studio.live.say_next(program, run_id, said, state=asked.convgraph.state)
            return
        if info.status != "waiting":
            raise RunError(f"run {run_id!r} is {info.status}: it waits for no answer, and its conversation has not ended", run_id)
        waiting = [each for each in await studio.store.aquestions(run_id) if not each.answered]
        if not waiting:
            raise AnswerError(f"run {run_id!r} waits for no answer any more; somebody has given it")
        await studio.store.aanswer(run_id, waiting[0].id, parse_answer(waiting[0].schema, said.text))
        await studio.live.go_on(program, run_id)

    return Exchange(studio, run_id, begin, timeline.last_seq, timeline.usage)


def _named(studio: Studio) -> dict[str, Known]:
    """The graphs that can be run by what they are called."""
    named: dict[str, Known] = {}
    for known in studio.catalog:
        if known.graph is not None and known.graph.definition.nodes:
            named[known.id if known.name in named else known.name] = known
    return named


def _find(studio: Studio, model: str) -> Known:
    named = _named(studio)
    found = named.get(model) or next((known for known in named.values() if known.id == model), None)
    if found is None:
        raise HTTPException(404, f"there is no graph {model!r} here; there are: {', '.join(sorted(named)) or 'none'}")
    return found


def _message(said: ChatMessageIn) -> Message:
    role = "system" if said.role == "developer" else said.role
    content: Any = said.content if said.content is not None else ""
    return Message(said.name or role, content, role, said.name)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "convgraph"}


def _failed(outcome: Outcome) -> dict[str, Any]:
    told = openai_problem(422, "run_failed", f"run {outcome.info.run_id!r} failed: {outcome.info.reason}")
    return {**told, "convgraph": run_field(outcome)}


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
