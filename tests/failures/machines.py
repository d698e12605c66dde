"""Workers as if each were on a machine of its own: each behind its own cable, and judged by what is seen from outside."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from convgraph.journal.events import EffectFinished, Stepped
from convgraph.journal.store import Store
from tests.evidence import evidence
from tests.failures import distributed_graphs as graphs
from tests.failures.cable import Cable
from tests.failures.database_server import DatabaseServer

ROOT = Path(__file__).parents[2]
LEASE = 1.0
UNHURRIED = 20.0
"""A lease for where nobody dies: a machine that has too much to do is not given up."""

# `-c` instead of `-m`, so that a clock can be wrong: by so many seconds, for this process alone.
_WORKER = (
    "import runpy, sys, time; real, wrong = time.time, float(sys.argv.pop(1)); time.time = lambda: real() + wrong;"
    " runpy.run_module('convgraph', run_name='__main__', alter_sys=True)"
)


@dataclass(slots=True)
class Machine:
    """A worker, and the cable that leads to the database."""

    process: subprocess.Popen[str]
    cable: Cable
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """The power fails."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Nothing of it runs until it goes on."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@dataclass(slots=True)
class Machines:
    """The workers of one test, on one database."""

    server: DatabaseServer
    database: str
    engine: str
    folder: Path
    own_hosts: bool
    stack: ExitStack = field(default_factory=ExitStack)
    all: list[Machine] = field(default_factory=list[Machine])

    @property
    def url(self) -> str:
        """The database, past all cables."""
        return self.url_by(self.server.port)

    def url_by(self, port: int, host: str = "127.0.0.1") -> str:
        return f"postgresql://tests@{host}:{port}/{self.database}"

    def start(
        self, *names: str, lease: float = LEASE, wrong_by: float = 0.0, before: Sequence[str] = (), host: str = "127.0.0.1"
    ) -> Machine:
        """Start a worker that serves these graphs. `before`: what comes before the command; `host`: where its cable begins."""
        cable = self.stack.enter_context(Cable(self.server.port, host))
        targets = [f"tests.failures.distributed_graphs:{name}" for name in names or ("digging", "asking")]
        options = ["--store", self.url_by(cable.port, host), "--poll", "0.1", "--lease", str(lease), "--engine", self.engine]
        command = [*before, *self._host(), sys.executable, "-c", _WORKER, str(wrong_by), "worker", *targets, *options]
        log = self.folder / f"worker{len(self.all)}.log"
        with log.open("w") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, text=True, cwd=ROOT)
        machine = Machine(process, cable, log)
        self.all.append(machine)
        return machine

    def _host(self) -> list[str]:
        """A host name of its own, where that is permitted: so nobody sees from outside that its process has died."""
        if not self.own_hosts:
            return []
        return ["unshare", "--uts", "sh", "-c", f'hostname machine{len(self.all)}; exec "$@"', "sh"]

    def evidence(self) -> list[tuple[str, int, float]]:
        """What was done, by which process, and when."""
        lines = [line.rsplit(" ", 2) for line in evidence()]
        return [(what, int(pid), float(at)) for what, pid, at in lines]

    def close(self) -> None:
        for machine in self.all:
            machine.kill()
        self.stack.close()

    def logs(self) -> str:
        """What the workers have said, for a failure's message."""
        return "\n".join(f"{machine.log.name}:\n{machine.log.read_text()[-1500:]}" for machine in self.all)


def until(done: Callable[[], Any], seconds: float = 40.0, told: Callable[[], str] = str) -> Any:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, f"it has not come to pass\n{told()}"
        time.sleep(0.05)
    return found


def all_end(machines: Machines, store: Store, runs: Collection[str], seconds: float = 40.0) -> None:
    """Every run ends: the first thing that is judged."""

    def ended() -> bool:
        return {info.status for info in store.runs() if info.run_id in runs} == {"finished"}

    until(ended, seconds, lambda: f"{[(info.run_id, info.status, info.reason) for info in store.runs()]}\n{machines.logs()}")


def judge(machines: Machines, store: Store, runs: Sequence[str], *, late: Collection[Machine] = (), repeated: int = 0) -> None:
    """What was promised, seen from outside; `late` are the workers that may do what they do not know to be done.

    Events are contiguous and no older owner has written after a newer one; all steps are there; a recorded effect was not begun
    again; no more than `repeated` effects were done more than once.
    """
    all_end(machines, store, runs)
    times: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for what, pid, at in machines.evidence():
        times[what].append((at, pid))
    assert sum(len(done) - 1 for done in times.values()) <= repeated, {what: done for what, done in times.items() if len(done) > 1}
    zombies = {machine.pid for machine in late}
    for run in runs:
        events = asyncio.run(store.load(run))
        assert [recorded.seq for recorded in events] == list(range(len(events)))
        with psycopg.connect(machines.url) as connection:
            asked = "SELECT e.epoch FROM convgraph.events e JOIN convgraph.runs r ON r.id = e.run WHERE r.run_id = %s ORDER BY e.seq"
            epochs = [row[0] for row in connection.execute(asked, (run,)).fetchall()]
        assert epochs == sorted(epochs), "an owner has written after another had taken over"
        for recorded in events:
            event = recorded.event
            if isinstance(event, EffectFinished) and event.effect == "tool":
                again = [pid for at, pid in times[f"{run} {event.path}"] if at > recorded.at and pid not in zombies]
                assert not again, f"{run} {event.path} was recorded and begun again"
        steps = sum(isinstance(recorded.event, Stepped) for recorded in events)
        if events[0].event.graph == "digging":  # type: ignore[union-attr]  # a run begins with RunStarted
            assert steps == graphs.STEPS
            assert graphs.digging.replay(run, store=store).status == "finished"
