"""What a code executor is, what comes back from one, and the part that all of them share."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeAlias, runtime_checkable

from convgraph.coding.blocks import CodeBlock, MarkdownCodeExtractor, file_name
from convgraph.coding.languages import PYTHON, SHELLS, saved_only, suffix
from convgraph.coding.output import BoundedOutput
from convgraph.coding.work_folder import WorkFolder
from convgraph.errors import InputError
from convgraph.sync import run_sync

Isolation: TypeAlias = Literal["none", "sandbox", "container"]

TIMED_OUT = 124
"""The exit code of a block that was stopped at its timeout, as of the command `timeout`."""


@dataclass(frozen=True)
class CodeResult:
    """What came of running code blocks, up to and including the first that failed."""

    exit_code: int
    """0 when all went well, 124 at a timeout, else that of the block that failed; 128 + N when signal N ended it."""
    output: str
    """Standard output and error, in the order in which they were written; cut in the middle where it was too long."""
    files: tuple[str, ...] = ()
    """Files that are new or changed, relative to the work folder: what the code made there, and blocks that asked for a name."""
    timed_out: bool = False
    oom: bool = False
    """The kernel killed a program because it used more memory than it may."""
    code_file: str | None = None
    """Where the first block was written, as AutoGen says it."""


@dataclass(frozen=True)
class Ended:
    """How one block ended; what it printed is in the `BoundedOutput`."""

    exit_code: int
    timed_out: bool = False
    oom: bool = False


@runtime_checkable
class CodeExecutor(Protocol):
    """Runs code blocks. `isolation` says what stands between the code and this machine."""

    @property
    def name(self) -> str:
        """A short name for people, such as 'docker'."""
        ...

    @property
    def isolation(self) -> Isolation:
        """'none' (the code can do what this user can), 'sandbox' (namespaces and limits) or 'container'."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Its definition as plain JSON, for fingerprints. It says nothing of this machine, such as where the folder is."""
        ...

    def session(self) -> AbstractAsyncContextManager[CodeExecutor]:
        """The executor of one conversation: `async with executor.session() as own: await own.execute(blocks)`.

        It is made ready at its first `execute` and closed at the block's end, so a conversation that runs no code costs
        nothing, and two at once share nothing but a work folder that was named. An executor that its owner has opened is
        shared instead, and stays open.
        """
        ...

    async def execute(self, blocks: Sequence[CodeBlock], *, timeout: float | None = None, key: str = "") -> CodeResult:  # noqa: ASYNC109  # a budget whose end is a result
        """Run `blocks` in order, stopping at the first that fails.

        `timeout` is in seconds, for all blocks together (None: the executor's own). `key` names the call: the same
        key gives the code's files the same names. Code that fails is a result, not an exception.
        """
        ...


class WorkFolderExecutor(ABC):
    """An executor whose code lives in a work folder. A subclass says how to start, how to run one file, and how to stop.

    `async with executor:` (or `open` and `close`) is how asynchronous code holds it, `with executor:` (or `stop` and
    `restart`) how other code does; either may leave the opening to the first call.

    Args:
        work_dir: where code runs and leaves its files. None: a temporary folder, removed by `close`.
        timeout: seconds for all blocks of a call together.
        max_output: bytes of output that are kept; the middle of a longer output is left out, and said to be.
        execution_policies: languages that are run (True), or saved as files and not run (False); others stay as they are.

    """

    name: str
    isolation: Isolation

    def __init__(
        self,
        *,
        work_dir: str | os.PathLike[str] | None = None,
        timeout: float = 60,
        max_output: int = 100_000,
        execution_policies: Mapping[str, bool] | None = None,
    ) -> None:
        if timeout <= 0 or max_output <= 0:
            raise InputError(f"timeout and max_output must be positive, not {timeout!r} and {max_output!r}")
        self._asked_dir = work_dir
        self._timeout = timeout
        self._max_output = max_output
        self._saved_only = saved_only(execution_policies or {})
        self._begin()

    def _begin(self) -> None:
        """Be closed: what lives while the executor is open is not there."""
        self._folder = WorkFolder(self._asked_dir)
        self._started = False
        self._lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def timeout(self) -> float:
        """Seconds for all blocks of a call together."""
        return self._timeout

    @property
    def work_dir(self) -> Path:
        """The work folder. A temporary one is there while the executor is open."""
        return self._folder.path

    @property
    def code_extractor(self) -> MarkdownCodeExtractor:
        """What finds the code blocks of a text."""
        return MarkdownCodeExtractor()

    def describe(self) -> Mapping[str, Any]:
        """The executor's definition as plain JSON."""
        return {"type": type(self).__name__, "timeout": self._timeout, "saved_only": sorted(self._saved_only)}

    def fresh(self) -> Self:
        """Another executor with the same settings, closed."""
        another = copy.copy(self)
        another._begin()
        return another

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncGenerator[Self]:
        """The executor of one conversation: see `CodeExecutor.session`."""
        if self._started:
            yield self
            return
        own = self.fresh()
        try:
            yield own
        finally:
            await own.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def __enter__(self) -> Self:
        run_sync(self.open())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    async def open(self) -> None:
        """Make ready what `execute` needs; `execute` does so by itself. Raises `ExecutorUnavailable`."""
        async with self._turn():
            await self._start_once()

    async def close(self) -> None:
        """End what was started and remove what was temporary. It may be opened again."""
        async with self._turn():
            if self._started:
                self._started = False
                await self._stop()
            self._folder.remove()

    async def execute(self, blocks: Sequence[CodeBlock], *, timeout: float | None = None, key: str = "") -> CodeResult:  # noqa: ASYNC109  # a budget whose end is a result
        """Run `blocks` in order, stopping at the first that fails: see `CodeExecutor.execute`."""
        deadline_after = self._timeout if timeout is None else timeout
        async with self._turn():
            await self._start_once()
            return await self._execute(blocks, time.monotonic() + deadline_after, key)

    def read_file(self, name: str, most: int = 20_000_000) -> bytes:
        """A file that code has left in the work folder, by the name that `CodeResult.files` has. Raises `InputError` for what is no
        file of at most `most` bytes.
        """
        return self._folder.read(name, most)

    def execute_code_blocks(self, code_blocks: Sequence[CodeBlock]) -> CodeResult:
        """`execute` for code that is not asynchronous, as AutoGen calls it."""
        return run_sync(self.execute(code_blocks))

    def restart(self) -> None:
        """End what was started and start it anew: what processes knew is gone, the work folder stays as it is."""
        run_sync(self._restart())

    def stop(self) -> None:
        """`close` for code that is not asynchronous."""
        run_sync(self.close())

    async def _restart(self) -> None:
        async with self._turn():
            if self._started:
                self._started = False
                await self._stop()
            await self._start_once()

    async def _execute(self, blocks: Sequence[CodeBlock], deadline: float, key: str) -> CodeResult:
        output = BoundedOutput(self._max_output)
        before = self._folder.snapshot()
        ours: set[str] = set()
        named: set[str] = set()
        ended = Ended(0)
        first: str | None = None
        for number, block in enumerate(blocks):
            try:
                asked = file_name(block)
                name = asked or f"code_{_tag(key, block)}_{number}{suffix(block.language)}"
                self._folder.write(name, block.code)
            except InputError as error:
                output.add_line(str(error))
                ended = Ended(1)
                break
            first = first or str(self._folder.path / name)
            (named if asked else ours).add(name)
            ended = await self._one(block, name, deadline, output)
            if ended.exit_code:
                break
        after = self._folder.snapshot()
        changed = {path for path, status in after.items() if before.get(path) != status}
        return CodeResult(ended.exit_code, output.text(), tuple(sorted((changed - ours) | named)), ended.timed_out, ended.oom, first)

    async def _one(self, block: CodeBlock, name: str, deadline: float, output: BoundedOutput) -> Ended:
        language = block.language.lower()
        if language in self._saved_only:
            output.add_line(f"saved as {name}")
            return Ended(0)
        program = self._program(language)
        if program is None:
            output.add_line(f"{self.name} cannot run language {block.language!r}: it runs python, sh and bash")
            return Ended(1)
        started = time.monotonic()
        ended = await self._run(program, name, deadline - started, output)
        if ended.timed_out:
            output.add_line(f"stopped: it was still running after {time.monotonic() - started:.3g} s")
            return Ended(TIMED_OUT, timed_out=True, oom=ended.oom)
        if ended.oom:
            output.add_line("killed: it used more memory than it may")
        return ended

    def _turn(self) -> asyncio.Lock:
        """One call at a time. A lock belongs to an event loop, and each call of a synchronous face has a loop of its own."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._lock = loop, asyncio.Lock()
        return self._lock

    async def _start_once(self) -> None:
        if self._started:
            return
        self._folder.make()
        try:
            await self._start()
        except BaseException:
            self._folder.remove()
            raise
        self._started = True

    def _program(self, language: str) -> str | None:
        """The program that runs a file in `language`, or None."""
        return self._python() if language in PYTHON else SHELLS.get(language)

    def _python(self) -> str:
        return "python3"

    @abstractmethod
    async def _start(self) -> None:
        """Make ready; the work folder is there. Raises `ExecutorUnavailable`."""

    @abstractmethod
    async def _run(self, program: str, name: str, seconds: float, output: BoundedOutput) -> Ended:
        """Run the file `name` of the work folder with `program`, and leave no process behind."""

    @abstractmethod
    async def _stop(self) -> None:
        """Undo `_start`."""


def _tag(key: str, block: CodeBlock) -> str:
    return hashlib.sha256((key or block.code).encode()).hexdigest()[:12]
