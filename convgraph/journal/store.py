"""The contract of a store: where journals live, who may write them, and what is waiting for an answer."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Coroutine, Mapping, Sequence
from functools import cached_property
from typing import Any

from convgraph.errors import AnswerError, InputError, RunNotFound
from convgraph.journal.answers import check_answer
from convgraph.journal.events import Event, Question, Recorded
from convgraph.journal.keyring import Keyring
from convgraph.journal.listing import MOST_EVENTS, Page, Wanted, listed
from convgraph.journal.runs import STATUSES, Claim, NewRun, OpenQuestion, RunInfo, RunStatus
from convgraph.journal.searching import check_text, lists, says
from convgraph.journal.workers import WorkerInfo
from convgraph.journal.write_behind import WriteBehind
from convgraph.sync import run_sync


class Store(ABC):
    """Journals, leases, questions. Subclasses implement the async half; the sync half is a thin face over it.

    The rules that every store keeps: one writer at a time (a claim raises the run's epoch, an append with an
    older one raises `Fenced` and writes nothing); an append is all or nothing; a committed event is never
    lost or changed; one fenced run never fails another's append.
    """

    url: str = ""
    keys: Keyring | None = None
    """What its runs are encrypted with, if they are."""

    @cached_property
    def write_behind(self) -> WriteBehind:
        """Where the runs of this store say that they have something to write which nobody waits for."""
        return WriteBehind()

    @abstractmethod
    async def create(
        self,
        run: NewRun,
        events: Sequence[Event] = (),
        contents: Mapping[str, str] | None = None,
        *,
        claim: bool = True,
        times: Sequence[float] = (),
    ) -> Claim:
        """Make a run with its first events, claimed by this process. Raises `RunExists`.

        `times` are when the events were first written, one for each, where that was elsewhere and before.
        """

    @abstractmethod
    async def claim(self, run_id: str) -> Claim:
        """Take the run over. Raises `RunBusy` while a living owner holds its lease, `RunNotFound`."""

    @abstractmethod
    def append(self, claim: Claim, events: Sequence[Event], contents: Mapping[str, str] | None = None) -> Coroutine[Any, Any, None]:
        """Write events, all or none. Raises `Fenced`, `NotEncodable`, `StoreUnavailable`."""

    @abstractmethod
    async def confirm(self, claim: Claim) -> None:
        """Raise `Fenced` if somebody else has taken the run over; costs nothing while the lease cannot have run out.

        To be asked before something outside is touched that no append precedes: a process that was stopped for
        longer than its lease does not know of it when it wakes.
        """

    async def anow(self) -> float:
        """The time by the clock by which the store judges leases and timers, in seconds since 1970: this host's, or a server's."""
        return time.time()

    @abstractmethod
    async def release(self, claim: Claim) -> None:
        """Give the run back, so that others need not wait for the lease to run out."""

    @abstractmethod
    async def load(
        self, run_id: str, *, steps_only: bool = False, upto_step: int | None = None, after: int | None = None
    ) -> list[Recorded]:
        """The run's events in order, with those it shares with its parent.

        With `steps_only`, effects, attempts and inner steps of finished turns are left out: enough to fold the
        state and to re-enter the unfinished turn, at a cost that does not depend on what the turns did inside.
        With `upto_step`, the events up to and including that step. With `after`, those whose number is above it, and no others
        are read: so a run is followed at the cost of what was added. Raises `RunNotFound`, `InputError` for a step that there is
        not and for `after` together with either of the others, `StoreCorrupt`.
        """

    @abstractmethod
    async def info(self, run_id: str) -> RunInfo:
        """The run as it is listed. Raises `RunNotFound`."""

    @abstractmethod
    async def content(self, digest: str) -> str | None:
        """A text stored once by its digest: a definition, a system prompt, a tool's schema."""

    @abstractmethod
    async def page(self, wanted: Wanted, size: int | None, below: int | None) -> Page:
        """The next runs below a place, the newest first, no more than `size`: all that are wanted, and perhaps others."""

    @abstractmethod
    async def place_of(self, run_id: str) -> int:
        """The place that a run has in the listing. Raises `RunNotFound`."""

    @abstractmethod
    async def alabel(self, run_id: str, labels: Collection[str]) -> None:
        """See `label`."""

    @abstractmethod
    async def aquestions(self, run_id: str | None = None, *, to: str | None = None) -> list[OpenQuestion]:
        """See `questions`."""

    @abstractmethod
    async def atimers(self, run_id: str | None = None) -> list[OpenQuestion]:
        """What waits for the clock, in one run or in all, the earliest first."""

    @abstractmethod
    async def arunnable(
        self, *, graphs: Collection[str] | None = None, queues: Collection[str] | None = None, limit: int = 100
    ) -> list[RunInfo]:
        """Runs (of `graphs` and in `queues`; None: of any) that somebody should go on with: by priority, then the oldest first.

        They were made and not begun, or their owner has died, or what they wait for is there: an answer, or the time at which a
        timer is due. A run that waits for several things is listed as soon as one of them is there.
        """

    @abstractmethod
    async def deliver(self, run_id: str, question_id: str, value: Any) -> None:
        """Put a checked answer beside its open question. Raises `AnswerError` if it is not open any more."""

    @abstractmethod
    async def abeat(self, worker: WorkerInfo) -> None:
        """Note a sign of life of a worker, and forget those that have been silent for long."""

    @abstractmethod
    async def aleave(self, worker_id: str) -> None:
        """Forget a worker that ends in good order."""

    @abstractmethod
    async def aworkers(self) -> list[WorkerInfo]:
        """See `workers`."""

    @abstractmethod
    async def adelete(self, run_id: str) -> None:
        """See `delete`."""

    @abstractmethod
    async def aclose(self) -> None:
        """See `close`."""

    async def aruns(
        self,
        *,
        status: RunStatus | None = None,
        graph: str | None = None,
        parent: str | None = None,
        since: float | None = None,
        limit: int | None = None,
        label: str | None = None,
        text: str | None = None,
        journals: bool = True,
        before: str | None = None,
    ) -> list[RunInfo]:
        """See `runs`."""
        check_filters(status, limit)
        if text is not None:
            check_text(text)
        below = None if before is None else await self.place_of(before)
        if text is None or not journals:
            return await listed(self.page, Wanted(status, graph, parent, since, label, text), limit, below)

        async def holding(runs: list[RunInfo]) -> list[RunInfo]:
            saying = await self.saying([run.run_id for run in runs if not lists(run, text)], text)
            return [run for run in runs if run.run_id in saying or lists(run, text)]

        return await listed(self.page, Wanted(status, graph, parent, since, label), limit, below, holding)

    async def saying(self, run_ids: Sequence[str], text: str) -> set[str]:
        """Those of these runs in whose journals the text is: in what they share with their parents too."""
        found: set[str] = set()
        for run_id in run_ids:
            await asyncio.sleep(0)  # journals may be long, and others want to go on
            try:
                events = await self.load(run_id)
            except RunNotFound:
                continue  # deleted since it was listed
            if any(says(recorded.event, text) for recorded in events):
                found.add(run_id)
        return found

    async def aanswer(self, run_id: str, question_id: str, value: Any) -> None:
        """See `answer`."""
        await self.info(run_id)
        questions = {question.id: question for question in await self.aquestions(run_id)}
        question = questions.get(question_id)
        if question is None:
            waiting = f"it waits for {sorted(questions)}" if questions else "it waits for no answer"
            raise AnswerError(f"run {run_id!r} has no open question {question_id!r}; {waiting}")
        if question.answered:
            raise AnswerError(f"run {run_id!r}: question {question_id!r} has been answered already; resume the run to use the answer")
        check_answer(Question(question.id, question.prompt, dict(question.schema)), value, run_id)
        await self.deliver(run_id, question_id, value)

    async def aprune(self, *, older_than: float | None = None, status: RunStatus | None = None, keep: int | None = None) -> int:
        """See `prune`."""
        if older_than is None and keep is None and status is None:
            raise InputError("prune needs older_than=, status= or keep=; without one it would delete every run")
        runs = await self.aruns(status=status)
        parents = {run.parent for run in await self.aruns() if run.parent}
        doomed = runs[keep:] if keep is not None else runs
        before = time.time() - older_than if older_than is not None else None
        deleted = 0
        for run in doomed:
            if run.status == "running" or run.run_id in parents or (before is not None and run.updated >= before):
                continue
            await self.adelete(run.run_id)
            deleted += 1
        return deleted

    def runs(
        self,
        *,
        status: RunStatus | None = None,
        graph: str | None = None,
        parent: str | None = None,
        since: float | None = None,
        limit: int | None = None,
        label: str | None = None,
        text: str | None = None,
        journals: bool = True,
        before: str | None = None,
    ) -> list[RunInfo]:
        """The runs in this store, the newest first, that fit every filter given.

        `since` is a time in seconds since 1970 (of the last change). `text` is looked for in ids, graphs, reasons and labels, and in
        what was said, whatever its case; without `journals`, in the former alone, which reads no journal. `before` is a run's id:
        those listed after it are given, so that the last of a page leads to the next. Raises `InputError` for an unknown status and
        for a text that cannot be searched for, `RunNotFound` for `before`.
        """
        return run_sync(
            self.aruns(
                status=status,
                graph=graph,
                parent=parent,
                since=since,
                limit=limit,
                label=label,
                text=text,
                journals=journals,
                before=before,
            )
        )

    def label(self, run_id: str, labels: Collection[str]) -> None:
        """Give a run these labels in place of those it has; none take them all away. It may be running meanwhile.

        Raises `InputError` for what cannot be a label (1 to 64 printable characters without commas) and for more than 20,
        `RunNotFound`.
        """
        run_sync(self.alabel(run_id, labels))

    def events(self, run_id: str, *, after: int | None = None) -> list[Recorded]:
        """Everything that a run's journal holds, in order; with `after`, what follows the event of that number.

        Raises `RunNotFound`.
        """
        return run_sync(self.load(run_id, after=after))

    def questions(self, run_id: str | None = None, *, to: str | None = None) -> list[OpenQuestion]:
        """The questions that wait for people, of one run or of all; with `to`, those of one person: an inbox."""
        return run_sync(self.aquestions(run_id, to=to))

    def answer(self, run_id: str, question_id: str, value: Any) -> None:
        """Answer a question, from any process; the run uses it when it is resumed.

        Raises `AnswerError`, before anything is written, for a question that is not open, that was answered
        before, or whose schema the value does not fit.
        """
        run_sync(self.aanswer(run_id, question_id, value))

    def workers(self) -> list[WorkerInfo]:
        """The workers that have given a sign of life lately, the oldest first; `alive` says of which it holds still."""
        return run_sync(self.aworkers())

    def delete(self, run_id: str) -> None:
        """Delete a run. Raises `InputError` while it runs or while forks of it share its events."""
        run_sync(self.adelete(run_id))

    def prune(self, *, older_than: float | None = None, status: RunStatus | None = None, keep: int | None = None) -> int:
        """Delete runs not changed for `older_than` seconds, of one status, all but the newest `keep`; say how many.

        Runs that are running, or whose events forks share, stay.
        """
        return run_sync(self.aprune(older_than=older_than, status=status, keep=keep))

    def close(self) -> None:
        """Release what the store holds open. Closing twice is allowed."""
        run_sync(self.aclose())

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def check_filters(status: str | None, limit: int | None) -> None:
    """Raise `InputError` for a status that no run can have, and for a limit that is no count."""
    if status is not None and status not in STATUSES:
        raise InputError(f"status={status!r} is none of {', '.join(STATUSES)}")
    if limit is not None and (isinstance(limit, bool) or limit < 0):
        raise InputError(f"limit={limit!r} is not a number of runs")


def check_part(steps_only: bool, upto_step: int | None, after: int | None) -> None:
    """Raise `InputError` where no journal has the part that is asked for."""
    if after is not None and (steps_only or upto_step is not None):
        raise InputError("after= gives what follows an event, whole; it goes with neither steps_only= nor upto_step=")
    if after is not None and (type(after) is not int or abs(after) > MOST_EVENTS):
        raise InputError(f"after={after!r} is not the number of an event")


def is_wanted(info: RunInfo, graphs: Collection[str] | None, queues: Collection[str] | None) -> bool:
    """Whether the run is of one of these graphs, and in one of these queues; None: of any."""
    return (graphs is None or info.graph in graphs) and (queues is None or info.queue in queues)
