"""What can be done with a run: begin it, go on with it, continue it, stop it, fork it, replay it."""

from __future__ import annotations

from itertools import cycle

from fastapi import APIRouter

from convgraph.conversation import ConversationGraph
from convgraph.errors import InputError, ReplayDivergence, RunBusy
from convgraph.evaluation.stand_ins import through
from convgraph.graph.definition import Limits
from convgraph.loading.models import model_of
from convgraph.models.scripted import ScriptedModel
from convgraph.protocols import Model
from convgraph.studio.live import Through
from convgraph.studio.looking import UNKNOWN
from convgraph.studio.rows import run_row
from convgraph.studio.schemas.asked import BeginRun, Fork, GoOn, LimitsIn, SayNext, StandIn
from convgraph.studio.schemas.runs import DivergenceOut, ReplayOut, RunRow
from convgraph.studio.studio import InStudio, Studio

router = APIRouter(prefix="/api/runs", tags=["runs"])


@router.post("", status_code=201)
async def begin(studio: InStudio, asked: BeginRun) -> RunRow:
    """Begin a run; it goes on in the studio's process. Answers when it is in the store."""
    graph, target = _graph_to_begin(studio, asked)
    run_id = await studio.live.begin(
        graph.program(),
        asked.input,
        state=asked.state,
        limits=_limits(asked.limits),
        run_id=asked.run_id,
        labels=tuple(asked.labels),
        target=target,
        through=_through(asked.models),
    )
    return await run_row(studio, run_id)


@router.post("/{run_id}/resume")
async def resume(studio: InStudio, run_id: str, asked: GoOn) -> RunRow:
    """Go on with a run that has stopped, or whose process has died."""
    graph = await _graph_of(studio, run_id)
    await studio.live.go_on(graph.program(), run_id, answers=asked.answers, limits=_limits(asked.limits), redo_turn=asked.redo_turn)
    return await run_row(studio, run_id)


@router.post("/{run_id}/continue")
async def say_next(studio: InStudio, run_id: str, asked: SayNext) -> RunRow:
    """Continue an ended conversation with its user's next message."""
    graph = await _graph_of(studio, run_id)
    await studio.live.say_next(graph.program(), run_id, asked.input, state=asked.state)
    return await run_row(studio, run_id)


@router.post("/{run_id}/cancel", status_code=202)
async def cancel(studio: InStudio, run_id: str) -> RunRow:
    """Stop a run that goes on in the studio's process: it ends `cancelled`, and can be resumed."""
    row = await run_row(studio, run_id)
    if not studio.live.stop(run_id):
        if row.status == "running":
            raise RunBusy(f"run {run_id!r} goes on in another process: stop it there", run_id)
        raise InputError(f"run {run_id!r} is {row.status}, so there is nothing to stop")
    return row


@router.post("/{run_id}/fork", status_code=201)
async def fork(studio: InStudio, run_id: str, asked: Fork) -> RunRow:
    """Make a run of another's first steps, with other words or another state where they end; and begin it, unless told otherwise."""
    graph = await _graph_of(studio, run_id)
    forked = await graph.afork(run_id, store=studio.store, at=asked.at, message=asked.message, state=asked.state, new_id=asked.run_id)
    studio.live.stand_in_as(run_id, forked)
    if asked.begin:
        await studio.live.go_on(graph.program(), forked)
    return await run_row(studio, forked)


@router.post("/{run_id}/replay")
async def replay(studio: InStudio, run_id: str) -> ReplayOut:
    """Execute a run again with its recorded effects only: nothing is asked and nothing written. Says where it differs, if it does."""
    graph = await _graph_of(studio, run_id)
    steps = (await studio.timelines.of(run_id)).timeline.total
    try:
        result = await graph.areplay(run_id, store=studio.store)
    except ReplayDivergence as error:
        divergence = DivergenceOut(step=error.step, message=str(error.args[0]), diff=error.diff)
        return ReplayOut(same=False, steps=steps, warnings=[], divergence=divergence)
    return ReplayOut(same=True, steps=steps, warnings=list(result.warnings), divergence=None)


def _graph_to_begin(studio: Studio, asked: BeginRun) -> tuple[ConversationGraph, str]:
    """The graph, and what the run's record calls it. Raises `InputError` unless one is named or given."""
    if asked.graph is not None and asked.document is None:
        return studio.catalog.live(asked.graph), studio.catalog.find(asked.graph).target
    if asked.document is not None and asked.graph is None:
        return studio.catalog.draft(asked.document), ""
    raise InputError("a run is of a known graph (`graph`) or of a document (`document`): give one of the two")


async def _graph_of(studio: Studio, run_id: str) -> ConversationGraph:
    """The known graph that a run is of. Raises `InputError` where there is none."""
    info = await studio.store.info(run_id)
    known = studio.catalog.of_run(info)
    if known is None or known.graph is None:
        raise InputError(f"run {run_id!r}: {UNKNOWN.format(target=info.target or 'GRAPH')}")
    return known.graph


def _limits(asked: LimitsIn | None) -> Limits | None:
    return None if asked is None else Limits(**asked.model_dump(exclude_none=True))


def _through(asked: StandIn | None) -> Through | None:
    """What stands between the run and its models; None where they answer themselves. Raises `InputError` for two answers at once."""
    if asked is None or (asked.replies is None and asked.model is None):
        return None
    if asked.replies is not None and asked.model is not None:
        raise InputError("models: give `replies` or a `model` to answer in place of the graph's models, not both")
    stand_in = _scripted(asked.replies) if asked.replies is not None else model_of(asked.model, "models.model")
    return through(lambda _request, _own: stand_in)


def _scripted(replies: list[str]) -> Model:
    if not replies:
        raise InputError("models.replies: a model that answers in place of others needs at least one reply")
    round_and_round = cycle(replies)
    return ScriptedModel(lambda _: next(round_and_round), name="stand-in")
