"""A case made ready for a graph, and one attempt at it: a run in a store, what its checks say, what its judges say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from convgraph.errors import InputError
from convgraph.evaluation.cases import Case
from convgraph.evaluation.checks import Check, Observed, checks_of, look
from convgraph.evaluation.judging import Rubric, judged, no_judge, rubrics_of
from convgraph.evaluation.results import Attempt
from convgraph.evaluation.stand_ins import Answering, effects, from_script, people, swapped, through, unasked
from convgraph.evaluation.transitions import edge_name
from convgraph.evaluation.variants import Variant
from convgraph.graph.coverage import Taken
from convgraph.graph.definition import Limits
from convgraph.journal.steps_taken import steps_taken
from convgraph.journal.store import Store
from convgraph.messages import NO_USAGE
from convgraph.protocols import Model
from convgraph.runtime.fold import fold
from convgraph.runtime.inputs import Beginning, Options, prepared
from convgraph.runtime.lifecycle import start
from convgraph.runtime.program import Program

if TYPE_CHECKING:
    from convgraph.conversation import ConversationGraph

OnAttempt = Callable[[Attempt], None]
"""Told of each attempt when it is over."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A case made ready: all that could be wrong with it has been looked at."""

    case: Case
    variant: Variant
    checks: Sequence[Check]
    rubrics: Sequence[Rubric]
    deps: Any
    asked: set[str]
    """The speakers for whom a model of the variant's answered, in all runs."""

    def answering(self) -> Answering | None:
        """Who answers in place of the graph's own models: the variant's, else the case's script from its beginning; None: nobody."""
        if self.variant.has_models:
            return swapped(self.variant.model, self.variant.models, self.asked)
        return from_script(self.case) if self.case.script is not None else None

    def options(self) -> Options:
        """How the case's next run is executed: scripts, answers and results begin anew."""
        answering = self.answering()
        return Options(
            self.deps,
            people(self.case),
            target=self.variant.target,
            through=through(answering) if answering is not None else None,
            instead=effects(self.case) if self.case.tools else None,
        )


def trial_of(program: Program, variant: Variant, case: Case, judge: Model | None, allow: Collection[str], deps: Any) -> Trial:
    """The case made ready for the variant's program. Raises `InputError` that names the case."""
    rubrics = rubrics_of(case)
    if rubrics and judge is None:
        raise no_judge(case)
    limits = limits_of(program, case) or program.definition.limits
    unpriced = [model.name for model in (variant.model, *variant.models.values()) if model is not None and not model.priced]
    if limits.usd is not None and unpriced:
        raise InputError(f"{case.place}: it has a limit of {limits.usd:g} USD, but the price of {', '.join(unpriced)} is not known")
    trial = Trial(case, variant, checks_of(case, program.definition, allow), rubrics, deps, set())
    _prepared(program, trial, "check", trial.options())
    return trial


def _prepared(program: Program, trial: Trial, run_id: str, options: Options) -> Beginning:
    case = trial.case
    try:
        return prepared(program, case.input, case.state, run_id, limits_of(program, case), options)
    except InputError as error:
        raise InputError(f"{case.place}: {error}") from error


def limits_of(program: Program, case: Case) -> Limits | None:
    """The case's limits; those of the graph hold where the case sets none of its own."""
    if case.limits is None:
        return None
    own = {key: value for key in ("turns", "visits", "seconds", "tokens", "usd") if (value := getattr(case.limits, key)) is not None}
    return replace(program.definition.limits, **own)


async def attempted(
    program: Program,
    trial: Trial,
    number: int,
    run_id: str,
    store: Store,
    judging: ConversationGraph | None,
    on_attempt: OnAttempt | None,
) -> tuple[Attempt, list[Taken]]:
    """Run the case, check what came of it, and have it judged. Returns that, and the steps that the run took."""
    options = trial.options()
    started = time.perf_counter()
    result = await start(program, _prepared(program, trial, run_id, options), store, options)
    seconds = time.perf_counter() - started
    events = await store.load(run_id)
    steps = steps_taken(program.definition, events)
    places = dict.fromkeys((step.graph, step.edge) for step in steps if step.edge is not None)
    path = tuple(step.node for step in steps if not step.graph and step.node in program.definition.nodes)
    seen = Observed(result, fold(program.definition, events, run_id).state, path, frozenset(places))
    verdicts = [await asyncio.to_thread(look, check, seen) for check in trial.checks]
    judge_usage = NO_USAGE
    for place, rubric in enumerate(trial.rubrics, 1):
        assert judging is not None, "a case with a rubric is refused where there is no judge"
        verdict, usage = await judged(judging, rubric, seen, store, f"{run_id}.judge{place}")
        verdicts.append(verdict)
        judge_usage += usage
    attempt = Attempt(
        case=trial.case.name,
        number=number,
        run_id=run_id,
        status=result.status,
        stop_reason=result.stop_reason,
        verdicts=tuple(verdicts),
        usage=result.usage,
        judge_usage=judge_usage,
        turns=result.steps,
        seconds=round(seconds, 3),
        path=path,
        edges=tuple(edge_name(program.definition, place) for place in places),
        last=seen.text,
        warnings=tuple(unasked(trial.case, (recorded.event for recorded in events))),
    )
    if on_attempt is not None:
        on_attempt(attempt)
    return attempt, steps
