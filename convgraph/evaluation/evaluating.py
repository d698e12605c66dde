"""Evaluating a graph: each case is a run in a store, several at a time, and a run that fails is a result."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from convgraph.errors import InputError
from convgraph.evaluation.cases import Case, check_count, checked_cases, selected
from convgraph.evaluation.checks import Check, Observed, Verdict, checks_of, look
from convgraph.evaluation.judging import Rubric, judge_graph, judged, no_judge, rubrics_of
from convgraph.evaluation.results import Attempt, CaseResult, Evaluation
from convgraph.evaluation.stand_ins import Answering, effects, from_script, people, swapped, through
from convgraph.evaluation.transitions import edge_name
from convgraph.graph.coverage import Taken, coverage
from convgraph.graph.definition import Limits
from convgraph.journal.steps_taken import steps_taken
from convgraph.journal.store import Store
from convgraph.journal.store_url import StoreLike, as_store
from convgraph.messages import NO_USAGE
from convgraph.protocols import Model
from convgraph.runtime.fold import fold
from convgraph.runtime.inputs import Beginning, Options, prepared
from convgraph.runtime.lifecycle import start
from convgraph.runtime.program import Program
from convgraph.sync import run_sync

if TYPE_CHECKING:
    from convgraph.conversation import ConversationGraph

CONCURRENCY = 4

OnAttempt = Callable[[Attempt], None]
"""Told of each attempt when it is over."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A graph, with other models than its own: `model` for all who ask one, `models` for some, by the speaker's name.

    A selecting model is called `(selector)` in `models`. Prompts, tools and transitions stay as they are.
    """

    graph: ConversationGraph
    model: Model | None = None
    models: Mapping[str, Model] = field(default_factory=dict[str, Model])
    name: str = ""

    @property
    def title(self) -> str:
        """What it is called in reports."""
        swapped = [self.model.name] if self.model is not None else []
        swapped += [f"{speaker}={model.name}" for speaker, model in self.models.items()]
        return self.name or " ".join([self.graph.name, *([f"({', '.join(swapped)})"] if swapped else [])])

    @property
    def has_models(self) -> bool:
        """Whether models of its own answer, rather than a case's script or the graph's."""
        return self.model is not None or bool(self.models)


def evaluate(graph: ConversationGraph | Variant, cases: Iterable[Case], **options: Any) -> Evaluation:
    """Run every case through `graph`, and check what came of it. See `aevaluate` for the options."""
    return run_sync(aevaluate(graph, cases, **options))


async def aevaluate(
    graph: ConversationGraph | Variant,
    cases: Iterable[Case],
    *,
    store: StoreLike | None = None,
    repeat: int = 1,
    concurrency: int = CONCURRENCY,
    judge: Model | None = None,
    only: Collection[str] = (),
    allow: Collection[str] = (),
    deps: Any = None,
    name: str | None = None,
    on_attempt: OnAttempt | None = None,
) -> Evaluation:
    """Run every case through `graph` (or a `Variant` of it), and check what came of it.

    `store` keeps the runs, which are called `NAME.CASE.NUMBER` (None: in memory). `repeat` is how often each case is run that
    does not say so itself, `concurrency` how many runs there may be at a time. `judge` is the model for `judge` checks. `only`
    are names or tags of cases. `allow` are the modules from which a `call` check given as a text may be imported. `deps` are
    the live objects for `ctx.deps`. `name` is the evaluation's (made, if it is not given). `on_attempt` is told of each run.

    Returns an `Evaluation`; a run that fails is a result in it. Raises `InputError` (naming the case), `CheckFailed` and
    `StoreError`, all but the last before anything is run.
    """
    check_count(repeat, "repeat")
    check_count(concurrency, "concurrency")
    variant = graph if isinstance(graph, Variant) else Variant(graph)
    program = _program_of(variant)
    trials = [_trial(program, variant, case, judge, allow, deps) for case in selected(checked_cases(cases), only)]
    title = uuid.uuid4().hex[:8] if name is None else name
    judging = judge_graph(judge) if judge is not None else None
    enough = asyncio.Semaphore(concurrency)
    async with as_store(store) as opened:

        async def attempted(trial: _Trial, number: int) -> tuple[Attempt, list[Taken]]:
            async with enough:
                return await _attempt(program, trial, number, f"{title}.{_plain(trial.case.name)}.{number}", opened, judging, on_attempt)

        async with asyncio.TaskGroup() as group:
            tasks = [
                [group.create_task(attempted(trial, number)) for number in range(1, (trial.case.repeat or repeat) + 1)] for trial in trials
            ]
        done = [[task.result() for task in row] for row in tasks]
        results = tuple(CaseResult(trial.case, tuple(one for one, _ in row)) for trial, row in zip(trials, done, strict=True))
        covered = coverage(program.definition, [steps for row in done for _, steps in row])
        return Evaluation(title, variant.title, results, covered, opened.url)


def check_cases(
    graph: ConversationGraph | Variant, cases: Iterable[Case], *, judge: Model | None = None, allow: Collection[str] = ()
) -> None:
    """Raise `InputError` for cases that cannot be evaluated with `graph`, and `CheckFailed` for a graph that cannot run."""
    variant = graph if isinstance(graph, Variant) else Variant(graph)
    program = _program_of(variant)
    for case in cases:
        _trial(program, variant, case, judge, allow, None)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A case made ready: all that could be wrong with it has been looked at."""

    case: Case
    checks: Sequence[Check]
    rubrics: Sequence[Rubric]
    answering: Callable[[], Answering | None]
    deps: Any

    def options(self) -> Options:
        """How the case's next run is executed: scripts, answers and results begin anew."""
        answering = self.answering()
        return Options(
            self.deps,
            people(self.case),
            through=through(answering) if answering is not None else None,
            instead=effects(self.case) if self.case.tools else None,
        )


def _program_of(variant: Variant) -> Program:
    program_of: Any = getattr(variant.graph, "program", None)
    if program_of is None:
        raise InputError(f"evaluate() takes a ConversationGraph or a Variant of one, not {variant.graph!r:.100}")
    program: Program = program_of()
    program.require_sound()
    return program


def _trial(program: Program, variant: Variant, case: Case, judge: Model | None, allow: Collection[str], deps: Any) -> _Trial:
    rubrics = rubrics_of(case)
    if rubrics and judge is None:
        raise no_judge(case)

    def answering() -> Answering | None:
        if variant.has_models:
            return swapped(variant.model, variant.models)
        return from_script(case) if case.script is not None else None

    limits = limits_of(program, case) or program.definition.limits
    unpriced = [model.name for model in (variant.model, *variant.models.values()) if model is not None and not model.priced]
    if limits.usd is not None and unpriced:
        raise InputError(f"{case.place}: it has a limit of {limits.usd:g} USD, but the price of {', '.join(unpriced)} is not known")
    answering()  # a script that is none is said before anything runs
    trial = _Trial(case, checks_of(case, program.definition, allow), rubrics, answering, deps)
    _prepared(program, trial, "check", trial.options())
    return trial


def _prepared(program: Program, trial: _Trial, run_id: str, options: Options) -> Beginning:
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


async def _attempt(
    program: Program,
    trial: _Trial,
    number: int,
    run_id: str,
    store: Store,
    judging: ConversationGraph | None,
    on_attempt: OnAttempt | None,
) -> tuple[Attempt, list[Taken]]:
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
        trial.case.name,
        number,
        run_id,
        result.status,
        result.stop_reason,
        tuple(verdicts),
        result.usage,
        judge_usage,
        result.steps,
        round(seconds, 3),
        path,
        tuple(edge_name(program.definition, place) for place in places),
        seen.text,
    )
    if on_attempt is not None:
        on_attempt(attempt)
    return attempt, steps


def _plain(name: str) -> str:
    """The name as part of a run's id: nothing in it that a shell would take apart."""
    return re.sub(r"[^\w.-]+", "-", name)


__all__ = ["Variant", "Verdict", "aevaluate", "evaluate"]
