"""One schedule: several workers on one database, a person who answers, and the faults that a seed decides."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from convgraph import ConversationGraph, RunResult
from convgraph.engines.local import LocalEngine
from convgraph.engines.worker import Worker
from convgraph.errors import AnswerError, ConvgraphError, StoreError
from convgraph.journal.events import Question
from convgraph.journal.memory import MemoryStore
from convgraph.journal.runs import OpenQuestion
from tests.simulation.database import Database, doubted_key
from tests.simulation.evidence import Evidence
from tests.simulation.faults import Faults
from tests.simulation.graphs import all_graphs
from tests.simulation.hosts import PROCESS, Client, Process
from tests.simulation.virtual_time import SKEW, run_virtually

LEASE = 5.0
FAULTY_SECONDS = 40.0
PATIENT_SECONDS = 400.0
"""For how long after the last fault a run may still be under way."""
POLL = 1.0
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a schedule: what happened, line by line, and which promises were broken."""

    seed: int
    trace: Sequence[str]
    wrong: Sequence[str]

    def __str__(self) -> str:
        faults = "; ".join(self.wrong[:3])
        return f"seed {self.seed}: {faults}\nWhat happened: .venv/bin/python -m tests.simulation {self.seed}"


@cache
def graphs() -> Mapping[str, ConversationGraph]:
    """The graphs, made once."""
    return {graph.name: graph for graph in all_graphs()}


def simulate(seed: int) -> Outcome:
    """Run the schedule that `seed` decides."""
    undisturbed()
    world = World(seed)
    run_virtually(world.live(), seed)
    return Outcome(seed, world.evidence.trace, world.evidence.wrong)


class World:
    """A database, workers, a person, and runs for them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.evidence = Evidence()
        self.database = Database(self.evidence, LEASE)
        self.faults = Faults.of(self.chance)
        self.runs = {f"{name}{number}": name for number, name in enumerate(self.chance.choices(list(graphs()), k=4))}
        self.tasks: list[asyncio.Task[Any]] = []

    async def live(self) -> None:
        """Everything, from the first run that is made to the last that has ended."""
        loop = asyncio.get_running_loop()
        for number in range(3):
            self._keep(self._host(number), f"host{number}")
        self._keep(self._submit(), "user")
        self._keep(self._answer(), "person")
        loop.call_later(FAULTY_SECONDS, self._calm)
        try:
            while not await self._all_ended():
                if loop.time() > FAULTY_SECONDS + PATIENT_SECONDS:
                    self.evidence.broken("judge", f"not ended: {await self._open()}")
                    break
                await asyncio.sleep(5)
        finally:
            self.faults.over = True
            while left := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in left:
                    task.cancel()
                await asyncio.wait(left)
        await self._judge()

    async def _submit(self) -> None:
        client = Client(Process("user", self.faults, self.database, mortal=False))
        for run_id, name in self.runs.items():
            await asyncio.sleep(self.chance.uniform(0, 3))
            while True:
                try:
                    await graphs()[name].asubmit("go", store=client, run_id=run_id)
                    break
                except StoreError:
                    continue
                except ConvgraphError:
                    break  # it was made, and the answer was lost for good

    async def _host(self, number: int) -> None:
        """A worker, and another in its place as soon as it has ended; at the end one that stays."""
        SKEW.set(self.chance.choice((0.0, 0.0, -HOUR, HOUR)))
        life = 0
        while True:
            life += 1
            process = Process(f"w{number}.{life}", self.faults, self.database)
            await self._lives(process)
            await asyncio.sleep(self.chance.uniform(0.2, 5))

    async def _lives(self, process: Process) -> None:
        """Returns when the process has ended: crashed, or in good order."""
        PROCESS.set(process)
        worker = Worker(graphs().values(), Client(process), most_tries=30)
        engine = LocalEngine(worker_store(worker), graphs=worker.graphs, poll=POLL)
        work = self._keep(worker.work(engine, concurrency=3), process.name)
        self._keep(self._wakes_twice(process, worker), process.name)
        drains = self.chance.uniform(1, 4 * FAULTY_SECONDS)
        loop = asyncio.get_running_loop()
        draining: asyncio.Task[None] | None = None
        began = loop.time()
        while process.alive and not work.done():
            await asyncio.wait([work], timeout=0.5)
            if draining is None and not self.faults.quiet and loop.time() - began > drains:
                process.note("is asked to stop")
                draining = self._keep(worker.drain(engine, grace=self.chance.choice((0.0, 3.0))), process.name)
        if work.done() and not work.cancelled() and (error := work.exception()) is not None:
            if isinstance(error, StoreError):
                process.note(f"ends: {error}")  # one that cannot give a sign of life has to
            else:
                self.evidence.broken(process.name, f"a worker has ended: {type(error).__name__}: {error}")
        process.alive = False

    async def _wakes_twice(self, process: Process, worker: Worker) -> None:
        """Wake-ups that are one too many, of runs that need nothing or are under way."""
        while process.alive and not self.faults.quiet:
            await asyncio.sleep(self.chance.uniform(1, 20))
            advance = self._keep(worker.advance(self.chance.choice(list(self.runs))), process.name)
            await asyncio.wait([advance])
            if not advance.cancelled() and (error := advance.exception()) is not None:
                self.evidence.broken(process.name, f"a wake-up has ended its worker: {type(error).__name__}: {error}")

    async def _answer(self) -> None:
        """A person who looks now and then, answers after a while, and sometimes a second time."""
        client = Client(Process("person", self.faults, self.database, mortal=False))
        while True:
            await asyncio.sleep(self.chance.uniform(0.5, 6))
            try:
                for question in await client.aquestions():
                    if not question.answered and self.chance.random() < 0.6:
                        await client.aanswer(question.run_id, question.id, self._says(question))
                        if self.chance.random() < 0.2:
                            await client.deliver(question.run_id, question.id, "something else")
            except (StoreError, AnswerError):
                continue

    def _says(self, question: OpenQuestion) -> Any:
        """What the person knows: of an effect in doubt, what came of it."""
        if not question.id.startswith("doubt-"):
            return answer_to(question.prompt)
        happened = self.evidence.happened.get(doubted_key(question.run_id, question.id))
        return "retry" if happened is None else {"result": happened}

    def _calm(self) -> None:
        self.evidence.note("judge", "no more faults")
        self.faults.quiet = True

    async def _all_ended(self) -> bool:
        return not await self._open()

    async def _open(self) -> dict[str, str]:
        """The runs that have not finished, with their statuses."""
        self.database.look_at_leases()
        found = {info.run_id: f"{info.status} {info.reason}" for info in await self.database.aruns() if info.status != "finished"}
        return found | {run_id: "not made" for run_id in self.runs if run_id not in self.database._runs}

    def _keep(self, work: Any, name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.append(task)
        return task

    async def _judge(self) -> None:
        """Whether what is in the database is what there would be without any fault."""
        for run_id, name in self.runs.items():
            if run_id not in self.database._runs or (await self.database.info(run_id)).status != "finished":
                continue
            seqs = [recorded.seq for recorded in await self.database.load(run_id)]
            if seqs != list(range(len(seqs))):
                self.evidence.broken("judge", f"the events of {run_id} are not contiguous: {seqs}")
            try:
                result = await graphs()[name].areplay(run_id, store=self.database)
            except ConvgraphError as error:
                self.evidence.broken("judge", f"{run_id} cannot be replayed: {error}")
                continue
            if told(result) != undisturbed()[name]:
                self.evidence.broken("judge", f"{run_id} has come out otherwise: {told(result)}, not {undisturbed()[name]}")
        for (run_id, question), given in self.evidence.answers.items():
            used = self.evidence.used[run_id, question]
            if used != given:
                self.evidence.broken("judge", f"{run_id}, question {question}: answered {given!r}, used {used!r}")


def worker_store(worker: Worker) -> Any:
    """The store of a worker, which its engine looks into."""
    return worker._store


def answer_to(prompt: str) -> str:
    """What the person answers."""
    return f"the answer to: {prompt}"


def told(result: RunResult) -> tuple[Any, ...]:
    """What a run has come to, as far as chance has no part in it."""
    messages = tuple((message.sender, message.text) for message in result.messages)
    return result.status, result.stop_reason, messages, result.state


@cache
def undisturbed() -> Mapping[str, tuple[Any, ...]]:
    """What each graph comes to where nothing goes wrong."""

    def says(question: Question) -> str:
        return answer_to(question.prompt)

    async def run_all() -> dict[str, tuple[Any, ...]]:
        store = MemoryStore()
        return {name: told(await graph.arun("go", store=store, run_id=name, human=says)) for name, graph in graphs().items()}

    return run_virtually(run_all(), 0)
