"""Code as a process of this machine. There is no sandbox: choose it for code that you would run yourself."""

from __future__ import annotations

import os
import sys
from typing import ClassVar

from convgraph.coding.executor import Ended, Isolation, WorkFolderExecutor
from convgraph.coding.output import BoundedOutput
from convgraph.coding.process import limited, run_process


class LocalCommandLineCodeExecutor(WorkFolderExecutor):
    """Runs each block as a process of this user, in the work folder, with this Python.

    The code can do what you can: read your files, use the network, and start a session of its own that outlives the
    block. What is promised: the block's process group is killed whole when the block ends or its time is over, output is
    bounded, and on Linux a process gets no more memory and writes no larger file than it may.

    Args:
        work_dir, timeout, max_output: as of every executor.
        memory: bytes of address space for each process, or None. Linux only.
        file_size: bytes of the largest file that may be written, or None. Linux only.

    """

    name: str = "local"
    isolation: Isolation = "none"
    _AROUND: ClassVar[dict[str, str]] = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def __init__(
        self,
        *,
        work_dir: str | os.PathLike[str] | None = None,
        timeout: float = 60,
        max_output: int = 100_000,
        memory: int | None = None,
        file_size: int | None = None,
    ) -> None:
        super().__init__(work_dir=work_dir, timeout=timeout, max_output=max_output)
        self._memory = memory
        self._file_size = file_size

    async def _start(self) -> None:
        pass

    async def _stop(self) -> None:
        pass

    def _python(self) -> str:
        return sys.executable

    async def _run(self, program: str, name: str, seconds: float, output: BoundedOutput) -> Ended:
        return await run_process(
            limited([program, name], memory=self._memory, processes=None, file_size=self._file_size),
            folder=self._folder.path,
            environment={**os.environ, **self._AROUND},
            seconds=seconds,
            output=output,
        )
