"""The real console script, in a directory with a few small graphs; with a terminal where it matters."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.command_line import Done, done_here, working_in

SCRIPT = Path(sys.executable).parent / "convgraph"

GRAPHS = '''
import asyncio
from pathlib import Path

from convgraph import END, AssistantAgent, ConversableAgent, ConversationGraph, Limits, Reply, ScriptedModel, Usage

LINES = {"writer": ["first draft", "second draft"] * 20, "critic": ["again", "APPROVED"] * 20}
model = ScriptedModel(LINES, usage=Usage(1, 10, 5, 0.001))

essay = ConversationGraph("essay", limits=Limits(turns=20))
essay.add_node(AssistantAgent("writer", "You write.", model=model))
essay.add_node(AssistantAgent("critic", "You judge.", model=model))
essay.add_edge("writer", "critic")
essay.add_edge("critic", END, when='last.content.contains("APPROVED")', label="approved")
essay.add_edge("critic", "writer")
essay.set_start("writer")


async def publish(ctx):
    """Ask before anything is published."""
    copies = await ctx.ask("How many copies?", id="copies", schema=int)
    return f"{copies} copies"


def asking():
    graph = ConversationGraph("asking")
    graph.add_node(publish)
    graph.add_edge(publish, END)
    graph.set_start(publish)
    return graph


async def slow(ctx):
    await ctx.effect("note", note, f"turn {ctx.turn}", idempotent=True)
    if ctx.turn == 2:
        Path("here").touch()
        await asyncio.sleep(0 if Path("go").exists() else 60)
    return f"done {ctx.turn}"


def note(text):
    with open("calls.log", "a") as log:
        log.write(text + "\\n")
    return text


slowly = ConversationGraph("slowly")
slowly.add_node(slow)
slowly.add_edge(slow, END, when="turn >= 3")
slowly.add_edge(slow, slow)
slowly.set_start(slow)


def stubborn(ctx):
    import time

    Path("here").touch()
    time.sleep(60)


held = ConversationGraph("held")
held.add_node(stubborn)
held.add_edge(stubborn, END)
held.set_start(stubborn)


async def deaf(ctx):
    while True:
        Path("here").touch()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            Path("asked").touch()


unmoved = ConversationGraph("unmoved")
unmoved.add_node(deaf)
unmoved.add_edge(deaf, END)
unmoved.set_start(deaf)


def breaks(ctx):
    raise OSError("the disk is gone")


broken = ConversationGraph("broken")
broken.add_node(breaks)
broken.add_edge(breaks, END)
broken.set_start(breaks)

stuck = ConversationGraph("stuck")
stuck.add_node(ConversableAgent("only", default_auto_reply="hm"))
stuck.add_edge("only", END, when="turn > 1")
stuck.set_start("only")

endless = ConversationGraph("endless", limits=Limits(turns=2))
endless.add_node(ConversableAgent("ping", default_auto_reply="ping"))
endless.add_edge("ping", END, when="turn > 4")
endless.add_edge("ping", "ping")
endless.set_start("ping")

unsound = ConversationGraph("unsound")
unsound.add_node(ConversableAgent("alone", default_auto_reply="?"))
unsound.set_start("alone")

number = 7


def no_graph():
    return 7


def fails():
    raise KeyError("nowhere")


def count(ctx):
    return Reply(f"counted {ctx.state.n}", update={"n": ctx.state.n + 1})


counter = ConversationGraph("counter", state={"n": {"type": "integer", "default": 0}})
counter.add_node(count)
counter.add_edge(count, END, when="state.n > 2")
counter.add_edge(count, count)
counter.set_start(count)
'''


Command = Callable[..., Done]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """A directory with `graphs.py`; the current one."""
    (tmp_path / "graphs.py").write_text(GRAPHS)
    with working_in(tmp_path) as folder:
        yield folder


@pytest.fixture
def command(here: Path) -> Command:
    """Runs the console script to its end."""

    def run(*words: str, stdin: str = "", env: dict[str, str] | None = None) -> Done:
        done = subprocess.run(
            [str(SCRIPT), *words], input=stdin, capture_output=True, check=False, text=True, timeout=60, env={**os.environ, **(env or {})}
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def inside(here: Path) -> Command:
    """Runs a command in this process, which is quicker: for what comes before and after the command that a test is about."""
    return done_here


@pytest.fixture
def started(here: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the console script and leaves it running."""

    def start(*words: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen([str(SCRIPT), *words], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, cwd=here)

    return start


Line = tuple[str, str | signal.Signals]
"""What to wait for in the output, and what to type (or which signal to send) then."""


@pytest.fixture
def terminal(here: Path) -> Callable[..., Done]:
    """Runs the console script on a terminal of its own; `script` says what is typed, and when."""

    def run(*words: str, script: Sequence[Line] = ()) -> Done:
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(here)
            os.execve(SCRIPT, [str(SCRIPT), *words], {**os.environ, "TERM": "xterm", "COLUMNS": "100"})
        shown, seen, waiting, deadline = "", 0, list(script), time.monotonic() + 30
        while time.monotonic() < deadline:
            if select.select([fd], [], [], 0.05)[0]:
                try:
                    piece = os.read(fd, 65_536)
                except OSError:  # Linux's way to say that the other side has closed the terminal
                    break
                if not piece:
                    break
                shown += piece.decode(errors="replace")
            if waiting and (place := shown.find(waiting[0][0], seen)) >= 0:
                seen = place + len(waiting[0][0])
                typed = waiting.pop(0)[1]
                if isinstance(typed, str):
                    os.write(fd, typed.encode())
                else:
                    os.kill(pid, typed)
        else:
            os.kill(pid, signal.SIGKILL)
        os.close(fd)
        _, status = os.waitpid(pid, 0)
        return Done(os.waitstatus_to_exitcode(status), shown, "")

    return run


@pytest.fixture
def wait_for() -> Callable[[Path], None]:
    """Waits until a file is there."""

    def wait(path: Path) -> None:
        deadline = time.monotonic() + 30
        while not path.exists():
            assert time.monotonic() < deadline, f"{path} never came"
            time.sleep(0.01)

    return wait
