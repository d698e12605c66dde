"""Journals in memory: the default, and what tests use. The same rules as on disk, without the disk."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import Any

from convgraph.errors import AnswerError, Fenced, InputError, RunBusy, RunExists, RunNotFound
from convgraph.journal.events import EffectFinished, EffectStarted, Ended, Event, Moved, Recorded, Stepped
from convgraph.journal.labels import checked_labels
from convgraph.journal.listing import Page, Wanted
from convgraph.journal.rows import notable_at_once
from convgraph.journal.runs import ENDED, Claim, NewRun, OpenQuestion, RunInfo
from convgraph.journal.store import Store, check_part, is_wanted
from convgraph.journal.turn_paths import is_inner
from convgraph.journal.workers import FORGOTTEN_AFTER, WorkerInfo


@dataclass(slots=True)
class _Run:
    info: RunInfo
    parent_seq: int
    first_seq: int
    key: int
    claimed: bool = False
    events: list[Event] = field(default_factory=list[Event])
    times: list[float] = field(default_factory=list[float])
    questions: dict[str, OpenQuestion] = field(default_factory=dict[str, OpenQuestion])


class MemoryStore(Store):
    """A store that lives as long as the object does."""

    url = ":memory:"

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._keys = count()
        self._contents: dict[str, str] = {}
        self._workers: dict[str, tuple[WorkerInfo, float]] = {}

    async def create(
        self,
        run: NewRun,
        events: Sequence[Event] = (),
        contents: Mapping[str, str] | None = None,
        *,
        claim: bool = True,
        times: Sequence[float] = (),
    ) -> Claim:
        if run.run_id in self._runs:
            raise RunExists(f"there is a run {run.run_id!r} already; resume it, or choose another run_id")
        now = time.time()
        info = RunInfo(
            run.run_id,
            run.graph,
            "running" if claim else "ready",
            fingerprint=run.fingerprint,
            created=now,
            updated=now,
            epoch=1,
            parent=run.parent,
            parent_step=run.parent_step,
            target=run.target,
            queue=run.queue,
            priority=run.priority,
            labels=run.labels,
        )
        first = run.parent_seq + 1 if run.parent else 0
        made = self._runs[run.run_id] = _Run(info, run.parent_seq, first, next(self._keys), claimed=claim)
        made.events, made.times = list(events), list(times) or [now] * len(events)
        self._contents.update(contents or {})
        for event in notable_at_once(events):
            self._note(made, event, now)
        return Claim(run.run_id, made.key, 1, first + len(events))

    async def claim(self, run_id: str) -> Claim:
        run = self._run(run_id)
        if run.claimed:
            raise RunBusy(f"run {run_id!r} is being run by another task of this process", run_id, "this process")
        run.claimed = True
        run.info = replace(run.info, epoch=run.info.epoch + 1, status="running", reason="", updated=time.time())
        return Claim(run_id, run.key, run.info.epoch, run.first_seq + len(run.events))

    async def append(self, claim: Claim, events: Sequence[Event], contents: Mapping[str, str] | None = None) -> None:
        run = self._runs.get(claim.run_id)
        if run is None or run.info.epoch != claim.epoch:
            raise Fenced(f"run {claim.run_id!r} was taken over by another owner")
        if contents:
            self._contents.update(contents)
        now = time.time()
        for event in events:
            run.events.append(event)
            run.times.append(now)
            if type(event) is not Stepped:
                self._note(run, event, now)
        claim.next_seq = run.first_seq + len(run.events)

    async def confirm(self, claim: Claim) -> None:
        run = self._runs.get(claim.run_id)
        if run is None or run.info.epoch != claim.epoch:
            raise Fenced(f"run {claim.run_id!r} was taken over by another owner")

    async def release(self, claim: Claim) -> None:
        run = self._runs.get(claim.run_id)
        if run is not None and run.info.epoch == claim.epoch:
            run.claimed = False

    async def load(
        self, run_id: str, *, steps_only: bool = False, upto_step: int | None = None, after: int | None = None
    ) -> list[Recorded]:
        check_part(steps_only, upto_step, after)
        run = self._run(run_id)
        start = 0 if after is None else max(0, after + 1 - run.first_seq)
        added = zip(run.times[start:], run.events[start:], strict=True)
        events = [Recorded(seq, at, event) for seq, (at, event) in enumerate(added, run.first_seq + start)]
        if run.info.parent and (after is None or after < run.parent_seq):
            shared = await self.load(run.info.parent, after=after)
            events = [recorded for recorded in shared if recorded.seq <= run.parent_seq] + events
        if upto_step is not None:
            events = upto(events, upto_step)
        return without_finished_turns(events) if steps_only else events

    async def info(self, run_id: str) -> RunInfo:
        return _listed(self._run(run_id))

    async def content(self, digest: str) -> str | None:
        return self._contents.get(digest)

    async def page(self, wanted: Wanted, size: int | None, below: int | None) -> Page:
        runs = (run for run in reversed(self._runs.values()) if below is None or run.key < below)
        found = ((run.key, info) for run in runs if wanted.fits(info := _listed(run)))
        return list(islice(found, size))

    async def place_of(self, run_id: str) -> int:
        return self._run(run_id).key

    async def alabel(self, run_id: str, labels: Collection[str]) -> None:
        wanted, run = checked_labels(labels), self._run(run_id)
        run.info = replace(run.info, labels=wanted)

    async def aquestions(self, run_id: str | None = None, *, to: str | None = None) -> list[OpenQuestion]:
        runs = [self._run(run_id)] if run_id is not None else list(self._runs.values())
        found = [question for run in runs for question in run.questions.values() if question.due is None]
        return [question for question in found if to is None or question.node == to]

    async def atimers(self, run_id: str | None = None) -> list[OpenQuestion]:
        runs = [self._run(run_id)] if run_id is not None else list(self._runs.values())
        found = [(question.due, question) for run in runs for question in run.questions.values() if question.due is not None]
        return [question for _, question in sorted(found, key=lambda pair: pair[0])]

    async def arunnable(
        self, *, graphs: Collection[str] | None = None, queues: Collection[str] | None = None, limit: int = 100
    ) -> list[RunInfo]:
        now = time.time()
        found = [info for run in self._runs.values() if (info := _listed(run)).status in ("ready", "interrupted") or _is_due(run, now)]
        return sorted((info for info in found if is_wanted(info, graphs, queues)), key=lambda info: info.priority)[:limit]

    async def deliver(self, run_id: str, question_id: str, value: Any) -> None:
        questions = self._run(run_id).questions
        if question_id not in questions or questions[question_id].answered:
            raise AnswerError(f"run {run_id!r}: question {question_id!r} is not open any more")
        questions[question_id] = replace(questions[question_id], answered=True, answer=value)

    async def abeat(self, worker: WorkerInfo) -> None:
        now = time.time()
        since = self._workers[worker.id][0].since if worker.id in self._workers else now
        self._workers[worker.id] = (replace(worker, since=since), now)
        self._workers = {name: seen for name, seen in self._workers.items() if now - seen[1] < seen[0].lease * FORGOTTEN_AFTER}

    async def aleave(self, worker_id: str) -> None:
        self._workers.pop(worker_id, None)

    async def aworkers(self) -> list[WorkerInfo]:
        return [replace(worker, silent=time.time() - beat) for worker, beat in self._workers.values()]

    async def adelete(self, run_id: str) -> None:
        run = self._run(run_id)
        check_deletable(_listed(run), [other.info.run_id for other in self._runs.values() if other.info.parent == run_id])
        del self._runs[run_id]

    async def aclose(self) -> None:
        return None

    def _run(self, run_id: str) -> _Run:
        run = self._runs.get(run_id)
        if run is None:
            raise RunNotFound(f"no run {run_id!r} in this store")
        return run

    def _note(self, run: _Run, event: Event, now: float) -> None:
        """Keep the listing and the open questions in step with what is appended."""
        if isinstance(event, EffectStarted) and event.question is not None:
            question = event.question
            run.questions[question.id] = OpenQuestion(
                run.info.run_id, question.id, question.prompt, question.schema, event.name, event.path, now, due=question.due
            )
        elif isinstance(event, EffectFinished) and event.question is not None:
            run.questions.pop(event.question, None)
        elif isinstance(event, Ended):
            run.info = replace(run.info, status=event.status, reason=event.reason, updated=now)
            if event.status in ENDED:
                run.questions.clear()


def _is_due(run: _Run, now: float) -> bool:
    """Whether what the run waits for is there."""
    if run.info.status != "waiting":
        return False
    return any(question.answered or (question.due is not None and question.due <= now) for question in run.questions.values())


def _listed(run: _Run) -> RunInfo:
    """The run as it is listed: one that nobody runs any more, though it has not ended, was interrupted."""
    return replace(run.info, status="interrupted") if run.info.status == "running" and not run.claimed else run.info


def upto(events: Sequence[Recorded], step: int) -> list[Recorded]:
    """The events up to and including the run's step number `step`. Raises `InputError` where there is none."""
    made = 0
    for position, recorded in enumerate(events):
        if isinstance(recorded.event, Stepped) and not is_inner(recorded.event.path):
            made += 1
            if made == step:
                return list(events[: position + 1])
    raise InputError(f"the run has {made} steps; there is no step {step}")


def without_finished_turns(events: Sequence[Recorded]) -> list[Recorded]:
    """The events without what finished turns did inside: effects, attempts, inner steps."""
    kept: list[Recorded] = []
    inside: list[Recorded] = []
    for recorded in events:
        event = recorded.event
        if isinstance(event, Stepped | Moved) and not is_inner(event.path):
            inside.clear()
            kept.append(recorded)
        elif isinstance(event, EffectStarted | EffectFinished) or "path" in event.__struct_fields__:
            inside.append(recorded)
        else:
            kept.append(recorded)
    return sorted([*kept, *inside], key=lambda recorded: recorded.seq)


def check_deletable(run: RunInfo, forks: Sequence[str]) -> None:
    """Raise `InputError` for a run that is running, or whose events its forks share."""
    if run.status == "running":
        raise InputError(f"run {run.run_id!r} is running; cancel it before deleting it")
    if forks:
        raise InputError(f"run {run.run_id!r} shares its events with its forks {sorted(forks)}; delete those first")
