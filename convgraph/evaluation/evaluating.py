"""Evaluating a graph: each case is a run in a store, several at a time, and a run that fails is a result."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Collection, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from convgraph.errors import InputError
from convgraph.evaluation.cases import Case, check_count, checked_cases, selected
from convgraph.evaluation.judging import judge_graph
from convgraph.evaluation.results import Attempt, CaseResult, Evaluation
from convgraph.evaluation.trials import OnAttempt, Trial, attempted, trial_of
from convgraph.evaluation.variants import Variant
from convgraph.graph.coverage import Taken, coverage
from convgraph.journal.naming import check_run_id
from convgraph.journal.store_url import StoreLike, as_store
from convgraph.protocols import Model
from convgraph.runtime.program import Program
from convgraph.sync import run_sync

if TYPE_CHECKING:
    from convgraph.conversation import ConversationGraph

T = TypeVar("T")

CONCURRENCY = 4


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
    trials = [trial_of(program, variant, case, judge, allow, deps) for case in selected(checked_cases(cases), only)]
    title = check_run_id(uuid.uuid4().hex[:8] if name is None else name)
    judging = judge_graph(judge) if judge is not None else None
    enough = asyncio.Semaphore(concurrency)
    async with as_store(store) as opened:

        async def had(trial: Trial, run_id: str, number: int) -> tuple[Attempt, list[Taken]]:
            async with enough:
                return await attempted(program, trial, number, f"{title}.{run_id}.{number}", opened, judging, on_attempt)

        stems = _stems([trial.case for trial in trials])
        rows = [
            [had(trial, stem, number + 1) for number in range(trial.case.repeat or repeat)]
            for trial, stem in zip(trials, stems, strict=True)
        ]
        done = iter(await _all(one for row in rows for one in row))
        found = [[next(done) for _ in row] for row in rows]
        results = tuple(CaseResult(trial.case, tuple(attempt for attempt, _ in row)) for trial, row in zip(trials, found, strict=True))
        covered = coverage(program.definition, [steps for row in found for _, steps in row])
        asked = {speaker for trial in trials for speaker in trial.asked}
        warnings = tuple(f"model for {name!r}: nobody of that name asked one" for name in variant.models if name not in asked)
        return Evaluation(title, variant.title, results, covered, opened.url, warnings)


def check_cases(
    graph: ConversationGraph | Variant, cases: Iterable[Case], *, judge: Model | None = None, allow: Collection[str] = ()
) -> None:
    """Raise `InputError` for cases that cannot be evaluated with `graph`, and `CheckFailed` for a graph that cannot run."""
    variant = graph if isinstance(graph, Variant) else Variant(graph)
    program = _program_of(variant)
    for case in cases:
        trial_of(program, variant, case, judge, allow, None)


def _program_of(variant: Variant) -> Program:
    program_of: Any = getattr(variant.graph, "program", None)
    if program_of is None:
        raise InputError(f"evaluate() takes a ConversationGraph or a Variant of one, not {variant.graph!r:.100}")
    program: Program = program_of()
    program.require_sound()
    return program


async def _all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all, in order. The first error ends the others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _stems(cases: Sequence[Case]) -> list[str]:
    """The cases' names as parts of runs' ids, each another: nothing in them that a shell would take apart."""
    stems: list[str] = []
    for case in cases:
        plain = re.sub(r"[^\w.-]+", "-", case.name)
        taken = sum(stem == plain or stem.startswith(f"{plain}~") for stem in stems)
        stems.append(f"{plain}~{taken + 1}" if taken else plain)
    return stems
