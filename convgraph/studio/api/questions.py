"""What waits for a person, in all runs: listed, and answered."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query
from fastapi.responses import JSONResponse

from convgraph.errors import AnswerError, ConvgraphError, RunBusy
from convgraph.journal.runs import OpenQuestion, RunInfo
from convgraph.json_schema import faults
from convgraph.runtime.approval import about
from convgraph.runtime.effects import DOUBT_SCHEMA
from convgraph.runtime.program import Program
from convgraph.studio.catalog import Known
from convgraph.studio.schemas.base import Problem
from convgraph.studio.schemas.questions import Answer, AnsweredOut, QuestionOut
from convgraph.studio.studio import InStudio, Studio

router = APIRouter(prefix="/api", tags=["questions"])


@router.get("/questions")
async def questions(studio: InStudio, run_id: Annotated[str | None, Query(max_length=200)] = None) -> list[QuestionOut]:
    """The questions that wait for people, of one run or of all, the oldest first."""
    waiting = [question for question in await studio.store.aquestions(run_id) if not question.answered]
    if not waiting:
        return []
    infos = {info.run_id: info for info in await studio.store.aruns(status="waiting")} if run_id is None else {}
    for question in waiting:
        if question.run_id not in infos:  # other branches of its run are still at work
            infos[question.run_id] = await studio.store.info(question.run_id)
    graphs = {name: studio.catalog.of_run(info) for name, info in infos.items() if any(each.run_id == name for each in waiting)}
    return [_question(each, infos[each.run_id], graphs[each.run_id]) for each in sorted(waiting, key=lambda each: each.asked)]


@router.post("/runs/{run_id}/answers/{question:path}", status_code=202, response_model=AnsweredOut)
async def answer(studio: InStudio, run_id: str, question: str, answer: Answer, later: BackgroundTasks) -> Any:
    """Answer a question; with `resume`, the run goes on at once where the studio knows its graph.

    What does not fit the question's schema is refused with each fault and its place in `details`; the second of two who answer at once
    is told so.
    """
    asked = {each.id: each for each in await studio.store.aquestions(run_id)}.get(question)
    if asked is not None and not asked.answered and (wrong := faults(answer.value, asked.schema)):
        details = [{"place": place, "message": what} for place, what in wrong]
        told = "; ".join(f"{place.lstrip('.') or 'the answer'}: {what}" for place, what in wrong[:5])
        problem = Problem(error="AnswerError", message=f"The answer does not fit: {told}", details=details)
        return JSONResponse(problem.model_dump(), 422)
    info = await studio.store.info(run_id)
    if asked is None or asked.answered:
        raise AnswerError(f"question {question!r} of run {run_id!r} is not open any more: somebody has answered it, or the run has ended")
    await studio.store.aanswer(run_id, question, answer.value)
    if not answer.resume:
        return AnsweredOut(resumed=False)
    known = studio.catalog.of_run(info)
    if known is None or known.graph is None:
        return AnsweredOut(resumed=False, problem=f"The studio does not know graph {info.graph!r}; `convgraph resume {run_id}` goes on.")
    program = known.graph.program()
    if run_id in studio.live:
        later.add_task(_go_on_when_free, studio, program, run_id)
        return AnsweredOut(resumed=True)
    return await _gone_on(studio, program, run_id)


async def _gone_on(studio: Studio, program: Program, run_id: str) -> AnsweredOut:
    """Go on with a run whose answer is there. That it cannot be gone on with is no reason to take the answer back."""
    try:
        await studio.live.go_on(program, run_id)
    except RunBusy:
        return AnsweredOut(resumed=False, problem="The run goes on in another process, which takes the answer when it gets there.")
    except ConvgraphError as error:
        return AnsweredOut(resumed=False, problem=f"The answer is kept; the run does not go on: {error}")
    return AnsweredOut(resumed=True)


async def _go_on_when_free(studio: Studio, program: Program, run_id: str) -> None:
    """Go on with a run that still does something else, in this process, as soon as that is done."""
    with studio.live.listening(run_id) as ear:
        while run_id in studio.live:
            await ear.said.get()
            await asyncio.sleep(0)
    await _gone_on(studio, program, run_id)


def _question(question: OpenQuestion, info: RunInfo, known: Known | None) -> QuestionOut:
    consent = about(question.schema)
    kind, subject = consent if consent is not None else ("question", None)
    if question.schema == DOUBT_SCHEMA and question.id.startswith("doubt-"):
        effect, _, name = question.node.partition("-")  # see `doubt_about`
        kind, subject = "doubt", {"effect": effect, "name": name}
    return QuestionOut(
        run_id=question.run_id,
        id=question.id,
        graph=info.graph,
        graph_id=known.id if known is not None else None,
        to=question.node,
        prompt=question.prompt,
        schema=dict(question.schema),
        asked=question.asked,
        kind=kind,
        subject=dict(subject) if subject is not None else None,
    )
