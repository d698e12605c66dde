"""Child processes that run conversations and may be killed: one worker that has imported everything forks them.

Run as a program (`python -m tests.failures.children`) it is the worker: a JSON order a line on standard input,
a JSON answer a line on standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from convgraph.journal.runs import Claim
from convgraph.journal.sqlite import SqliteStore
from tests.failures.chats import CHATS, answers_of
from tests.failures.conversations import ALL, person
from tests.failures.evidence import Evidence, How

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Order:
    """What a child is to do: start (or resume) a run of one of the conversations, and where to die.

    `boundary` is the number of the append before (or after) which the child kills itself, `trap` the number of
    the call inside which it dies or hangs. With `somebody_there`, questions are answered as they are asked.
    """

    conversation: str
    store: str
    run_id: str
    evidence: str
    verb: Literal["run", "resume"] = "run"
    boundary: int = 0
    side: Literal["before", "after"] = "before"
    trap: int = 0
    how: How = "kill"
    answers: Mapping[str, Any] = field(default_factory=dict)
    somebody_there: bool = True
    lease: float = 15.0


@dataclass(frozen=True)
class Fate:
    """What became of a child: killed by a signal, or done with a status, or stopped by an error."""

    signal: int = 0
    status: str = ""
    reason: str = ""
    error: str = ""


class BoundaryStore(SqliteStore):
    """A store that notes each append, and kills its process at one of them."""

    def __init__(self, order: Order, evidence: Evidence) -> None:
        super().__init__(order.store, synchronous="NORMAL", lease=order.lease)  # kill -9 is not loss of power
        self._order = order
        self._evidence = evidence
        self._appends = 0

    async def append(self, claim: Claim, events: Sequence[Any], contents: Mapping[str, str] | None = None) -> None:
        self._appends += 1
        if (self._order.side, self._order.boundary) == ("before", self._appends):
            os.kill(os.getpid(), signal.SIGKILL)
        await super().append(claim, events, contents)
        self._evidence.note(f"appended {len(events)}")
        if (self._order.side, self._order.boundary) == ("after", self._appends):
            os.kill(os.getpid(), signal.SIGKILL)


def obey(order: Order) -> Fate:
    """Do what the order says, in this process."""
    evidence = Evidence(Path(order.evidence), order.trap, order.how)
    if order.conversation in CHATS:
        return _chat(order, evidence)
    graph = ALL[order.conversation](evidence)
    with BoundaryStore(order, evidence) as store:
        human = person(evidence) if order.somebody_there else "park"
        if order.verb == "run":
            result = graph.run("hello", store=store, run_id=order.run_id, human=human)
        else:
            result = graph.resume(order.run_id, store=store, answers=order.answers, human=human)
    return Fate(status=result.status, reason=result.stop_reason)


def _chat(order: Order, evidence: Evidence) -> Fate:
    """Have a chat, or go on with it: that is one and the same call."""
    with BoundaryStore(order, evidence) as store:
        human = answers_of(evidence) if order.somebody_there else "park"
        CHATS[order.conversation](evidence)(store=store, run_id=order.run_id, human=human, answers=order.answers or None)
        info = store.runs()[0]
    return Fate(status=info.status, reason=info.reason)


class Children:
    """The worker, seen from the test: each order is done by a child of its own."""

    def __init__(self) -> None:
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "tests.failures.children"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def send(self, order: Order) -> Fate:
        """Have a child obey, and wait for its end."""
        return Fate(**self._ask(asdict(order)))

    def kill_when_hanging(self, order: Order) -> Fate:
        """Have a child obey, and kill it from outside as soon as it hangs in its trap."""
        pid = self.start_until_it_hangs(order)
        os.kill(pid, signal.SIGKILL)
        return self.wait(pid)

    def start_until_it_hangs(self, order: Order) -> int:
        """Have a child obey, and come back as soon as it hangs in its trap. Returns its process id."""
        evidence = Evidence(Path(order.evidence))
        pid = self._ask({**asdict(order), "how": "hang", "detached": True})["pid"]
        deadline = time.monotonic() + 30
        while "hanging" not in evidence.notes():
            assert time.monotonic() < deadline, f"the child never came to call {order.trap}"
            time.sleep(0.005)
        return pid

    def wait(self, pid: int) -> Fate:
        """Wait for the end of a child that was left hanging."""
        return Fate(**self._ask({"wait": pid}))

    def close(self) -> None:
        """End the worker."""
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.close()
        self._worker.wait(30)
        self._worker.stdout.close()

    def _ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.write(json.dumps(message) + "\n")
        self._worker.stdin.flush()
        line = self._worker.stdout.readline()
        assert line, "the worker died"
        return json.loads(line)


@contextlib.contextmanager
def worker() -> Iterator[Children]:
    """A worker for as long as the block lasts."""
    children = Children()
    try:
        yield children
    finally:
        children.close()


def fork_and_wait(order: Order) -> Fate:
    """Have a child of this process obey, and wait for its end. Only for a process that has started no event loop and no thread."""
    return _fate_of(_fork(order))


def _serve() -> None:
    ALL["panel"](Evidence(Path(os.devnull))).check()  # imports what a run imports, so that children need not
    for line in sys.stdin:
        message = json.loads(line)
        if "wait" in message:
            answer = asdict(_fate_of(message["wait"]))
        else:
            detached = message.pop("detached", False)
            pid = _fork(Order(**message))
            answer = {"pid": pid} if detached else asdict(_fate_of(pid))
        print(json.dumps(answer), flush=True)


_FATES = Path(tempfile.gettempdir()) / f"convgraph-fates-{os.getpid()}"


def _fork(order: Order) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        fate = obey(order)
    except BaseException as error:  # noqa: BLE001  # told to the test, whatever it is
        fate = Fate(error=f"{type(error).__name__}: {error}")
    Path(f"{_FATES}-{os.getpid()}").write_text(json.dumps(asdict(fate)))
    os._exit(0)


def _fate_of(pid: int) -> Fate:
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return Fate(signal=os.WTERMSIG(status))
    said = Path(f"{_FATES}-{pid}")
    fate = Fate(**json.loads(said.read_text()))
    said.unlink()
    return fate


if __name__ == "__main__":
    _serve()
