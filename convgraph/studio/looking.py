"""A run as the page shows it, put together from its timeline and its listing."""

from __future__ import annotations

from convgraph.errors import InputError
from convgraph.studio.differences import changes
from convgraph.studio.rows import run_rows
from convgraph.studio.said import cut, message_out, usage_out
from convgraph.studio.schemas.base import LimitOut
from convgraph.studio.schemas.runs import ComparedStep, ComparisonOut, RunOut
from convgraph.studio.schemas.steps import StepRow
from convgraph.studio.steps import limits_out, opening_of
from convgraph.studio.studio import Studio
from convgraph.studio.timelines import Looked

UNKNOWN = "the studio does not know its graph: start it with that graph to go on with the run, as in `convgraph studio {target}`"
_LONGEST_COMPARED = 200
"""Characters of a text in a comparison; the step itself has the rest."""


async def run_out(studio: Studio, looked: Looked) -> RunOut:
    """A run with its sums so far."""
    [row] = await run_rows(studio, [looked.info])
    timeline = looked.timeline
    limits: list[LimitOut] = []
    if not timeline.problem:
        stand = timeline.stand()
        limits = limits_out(stand.limits, stand.state, timeline.running)
    problem = timeline.problem
    if not problem and row.graph_id is None:
        problem = UNKNOWN.format(target=looked.info.target or "GRAPH")
    return RunOut(
        **row.model_dump(),
        steps=timeline.total,
        usage=usage_out(timeline.usage),
        limits=limits,
        opening=[message_out(message) for message in opening_of(timeline)],
        current=None if timeline.problem else timeline.tracer.current(),
        last_seq=timeline.last_seq,
        problem=problem,
    )


async def comparison(studio: Studio, left: Looked, right: Looked) -> ComparisonOut:
    """Two runs beside each other."""
    pairs = [_compared(left, right, step) for step in range(1, max(left.timeline.total, right.timeline.total) + 1)]
    common = next((number for number, pair in enumerate(pairs) if not pair.same), len(pairs))
    return ComparisonOut(
        left=await run_out(studio, left),
        right=await run_out(studio, right),
        common=common,
        steps=pairs,
        state=changes(_state(left), _state(right)),
    )


def _compared(left: Looked, right: Looked, step: int) -> ComparedStep:
    one, other = _row(left, step), _row(right, step)
    same = one is not None and other is not None and _essence(left, step) == _essence(right, step)
    return ComparedStep(step=step, left=one, right=other, same=same)


def _row(looked: Looked, step: int) -> StepRow | None:
    if step > looked.timeline.total:
        return None
    row = looked.timeline.rows[step - 1]
    return row if len(row.text) <= _LONGEST_COMPARED else row.model_copy(update={"text": cut(row.text, _LONGEST_COMPARED), "more": True})


def _essence(looked: Looked, step: int) -> object:
    """What a step is as part of the conversation: who spoke, what was said and changed, and who came next; not when or at what cost."""
    event, row = looked.timeline.step(step), looked.timeline.rows[step - 1]
    return event.node, event.messages, event.updates, event.error, row.target, row.edge, row.edited and row.text, row.then


def _state(looked: Looked) -> object:
    try:
        return looked.timeline.stand().state.dump_data()
    except InputError:
        return {}
