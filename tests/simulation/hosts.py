"""Processes in the simulation: each can crash, be stopped and go on late, has a link that fails and a clock that is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

from convgraph.errors import Fenced, StoreUnavailable
from convgraph.journal.events import Ended, Event, Recorded
from convgraph.journal.held_claims import HeldClaims
from convgraph.journal.listing import Page, Wanted
from convgraph.journal.runs import Claim, NewRun, OpenQuestion, RunInfo
from convgraph.journal.store import Store
from convgraph.journal.uninterrupted import seen_through
from convgraph.journal.workers import WorkerInfo
from tests.simulation.database import Database
from tests.simulation.faults import Faults
from tests.simulation.virtual_time import SKEW

T = TypeVar("T")

PATIENCE = 8.0
"""For how long a client tries again, in seconds."""


class Process:
    """Something that can end or stand still at any moment. What it touches outside, it touches through `touch`."""

    def __init__(self, name: str, faults: Faults, database: Database, *, mortal: bool = True) -> None:
        self.name = name
        self.faults = faults
        self.database = database
        self.alive = True
        self._mortal = mortal
        self._goes_on: asyncio.Event | None = None
        self._cut_until = 0.0

    def note(self, what: str) -> None:
        self.database.evidence.note(self.name, what)

    def crash(self) -> None:
        """From now on it does nothing any more: what it waits for never comes, and so its `finally` blocks never run."""
        if self.alive and self._mortal:
            self.alive = False
            self.note("crashes")

    def pause(self, seconds: float) -> None:
        """Stop it for so long."""
        if self._goes_on is None and self._mortal:
            self._goes_on = asyncio.Event()
            self.note(f"is stopped for {seconds:g} s")
            asyncio.get_running_loop().call_later(seconds, self._continue)

    async def touch(self) -> None:
        """The moment before and after something outside: here it may crash, stand still, or be slow. A dead process stays here."""
        if self.faults.over:
            raise asyncio.CancelledError
        fault = self.faults.next()
        if fault == "crash":
            self.crash()
        elif fault == "pause":
            self.pause(self.faults.outage())
        elif fault == "stall":
            await asyncio.sleep(self.faults.outage())
        elif fault == "cut":
            self._cut_until = asyncio.get_running_loop().time() + self.faults.outage()
            self.note(f"has no link until {self._cut_until:.3f}")
        await asyncio.sleep(self.faults.latency())
        while self._goes_on is not None:
            await self._goes_on.wait()
        if not self.alive:
            await self.faults.the_end()

    async def over_the_link(self, what: str, do: Callable[[bool], Awaitable[T]]) -> T:
        """Have the database do something, as a client does that tries again. Raises `StoreUnavailable` when it has lost its patience."""
        began, again = asyncio.get_running_loop().time(), False
        while True:
            await self.touch()
            now = asyncio.get_running_loop().time()
            fault = self.faults.next() if now >= self._cut_until else "refused"
            if fault == "lost":
                await self._done(do, again)
                self.note(f"is not told what came of: {what}")
            elif fault != "refused":
                outcome = await self._done(do, again)
                await self.touch()
                if isinstance(outcome, BaseException):
                    raise outcome
                return outcome
            again = True
            if asyncio.get_running_loop().time() - began > PATIENCE:
                self.note(f"gives up: {what}")
                raise StoreUnavailable(f"the database cannot be reached: {what}")
            await asyncio.sleep(0.25)

    async def _done(self, do: Callable[[bool], Awaitable[T]], again: bool) -> T | Exception:
        """Done at the database, by its clock: what came of it."""
        token = SKEW.set(0.0)
        try:
            return await do(again)
        except Exception as error:  # noqa: BLE001  # whatever the database says goes back over the link
            return error
        finally:
            SKEW.reset(token)

    def _continue(self) -> None:
        self.note("goes on")
        goes_on, self._goes_on = self._goes_on, None
        if goes_on is not None:
            goes_on.set()


PROCESS: ContextVar[Process] = ContextVar("process")
"""The process that the running task is part of."""


class Client(Store):
    """The store as a process has it: the database over a link, and the claims that the process holds."""

    def __init__(self, process: Process) -> None:
        self.url = f"simulated://{process.name}"
        self._process = process
        self._database = process.database
        self._claims = HeldClaims(self.url, self._database.lease, self._renew)
        self._writing = asyncio.Lock()

    async def create(
        self, run: NewRun, events: Sequence[Event] = (), contents: Mapping[str, str] | None = None, *, claim: bool = True
    ) -> Claim:
        who = self._process.name
        taken = await self._write(f"create {run.run_id}", lambda again: self._database.create_by(who, run, events, contents, claim, again))
        if claim:
            self._claims.keep(taken)
        return taken

    async def claim(self, run_id: str) -> Claim:
        async def do(again: bool) -> Claim:
            holds = any(claim.run_id == run_id for claim in self._claims)
            taken = await self._database.claim_by(self._process.name, run_id, again, holds)
            return Claim(run_id, taken.key, taken.epoch, taken.next_seq, asyncio.get_running_loop().time())

        claim = await self._write(f"claim {run_id}", do)
        self._claims.keep(claim)
        return claim

    async def append(self, claim: Claim, events: Sequence[Event], contents: Mapping[str, str] | None = None) -> None:
        seq = claim.next_seq
        claim.next_seq += len(events)
        try:
            await self._write(
                f"append to {claim.run_id}",
                lambda _: self._database.append_by(self._process.name, claim, seq, events, contents),
            )
        except Fenced:
            self._claims.drop(claim)
            raise
        if any(isinstance(event, Ended) for event in events):
            self._claims.drop(claim)

    async def anow(self) -> float:
        return await self._read("now", lambda _: self._database.anow())

    async def confirm(self, claim: Claim) -> None:
        if asyncio.get_running_loop().time() - claim.renewed < self._database.lease:
            return
        await self._read("confirm", lambda _: self._database.confirm_by(claim))

    async def release(self, claim: Claim) -> None:
        if self._claims.holds(claim):
            self._claims.drop(claim)
            await self._write(f"release {claim.run_id}", lambda _: self._database.release_by(self._process.name, claim))

    async def load(
        self, run_id: str, *, steps_only: bool = False, upto_step: int | None = None, after: int | None = None
    ) -> list[Recorded]:
        return await self._read("load", lambda _: self._database.load(run_id, steps_only=steps_only, upto_step=upto_step, after=after))

    async def info(self, run_id: str) -> RunInfo:
        return await self._read("info", lambda _: self._database.info(run_id))

    async def content(self, digest: str) -> str | None:
        return await self._read("content", lambda _: self._database.content(digest))

    async def page(self, wanted: Wanted, size: int | None, below: int | None) -> Page:
        return await self._read("page", lambda _: self._database.page(wanted, size, below))

    async def place_of(self, run_id: str) -> int:
        return await self._read("place", lambda _: self._database.place_of(run_id))

    async def alabel(self, run_id: str, labels: Collection[str]) -> None:
        await self._write("label", lambda _: self._database.alabel(run_id, labels))

    async def aquestions(self, run_id: str | None = None, *, to: str | None = None) -> list[OpenQuestion]:
        return await self._read("questions", lambda _: self._database.aquestions(run_id, to=to))

    async def atimers(self, run_id: str | None = None) -> list[OpenQuestion]:
        return await self._read("timers", lambda _: self._database.atimers(run_id))

    async def arunnable(
        self, *, graphs: Collection[str] | None = None, queues: Collection[str] | None = None, limit: int = 100
    ) -> list[RunInfo]:
        return await self._read("runnable", lambda _: self._database.arunnable(graphs=graphs, queues=queues, limit=limit))

    async def deliver(self, run_id: str, question_id: str, value: Any) -> None:
        who = self._process.name
        await self._write(f"answer {question_id}", lambda again: self._database.deliver_by(who, run_id, question_id, value, again))

    async def abeat(self, worker: WorkerInfo) -> None:
        await self._write("beat", lambda _: self._database.abeat(worker))

    async def aleave(self, worker_id: str) -> None:
        await self._write("leave", lambda _: self._database.aleave(worker_id))

    async def aworkers(self) -> list[WorkerInfo]:
        return await self._read("workers", lambda _: self._database.aworkers())

    async def adelete(self, run_id: str) -> None:
        await self._write("delete", lambda _: self._database.adelete(run_id))

    async def aclose(self) -> None:
        return None

    async def _renew(self) -> None:
        held, now = list(self._claims), asyncio.get_running_loop().time()
        renewed = await self._write("renew leases", lambda _: self._database.renew_by(self._process.name, held))
        for claim in held:
            if claim.run_id in renewed:
                claim.renewed = now

    async def _read(self, what: str, do: Callable[[bool], Awaitable[T]]) -> T:
        async def look(again: bool) -> T:
            self._database.look_at_leases()
            return await do(again)

        return await self._process.over_the_link(what, look)

    async def _write(self, what: str, do: Callable[[bool], Awaitable[T]]) -> T:
        """One write after the other, and each seen through: whoever is cancelled meanwhile is told first what came of it."""

        async def in_turn() -> T:
            async with self._writing:
                return await self._process.over_the_link(what, do)

        return await seen_through(asyncio.get_running_loop().create_task(in_turn()))
