"""Code as a process of this machine. There is no sandbox: choose it for code that you would run yourself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

from convgraph.coding.executor import Ended, Isolation, WorkFolderExecutor
from convgraph.coding.functions import FunctionsModule
from convgraph.coding.output import BoundedOutput
from convgraph.coding.process import limited, run_process
from convgraph.errors import ExecutorUnavailable


class LocalCommandLineCodeExecutor(WorkFolderExecutor):
    """Runs each block as a process of this user, in the work folder, with this Python.

    The code can do what you can: read your files, use the network, and start a session of its own that outlives the
    block. What is promised: the block's process group is killed whole when the block ends or its time is over, output is
    bounded, and on Linux a process gets no more memory and writes no larger file than it may.

    Args:
        work_dir, timeout, max_output, execution_policies: as of every executor; the folder is the current one unless said.
        virtual_env_context: a virtual environment, as `venv.EnvBuilder.ensure_directories` returns it; code runs with its
            Python and finds its programs first. None: this Python.
        functions: Python functions that code can import from the module `functions_module`, which is written to the work
            folder; `with_requirements` says what they need.
        functions_module: what that module is called.
        memory: bytes of address space for each process, or None. Linux only.
        file_size: bytes of the largest file that may be written, or None. Linux only.

    """

    name: str = "local"
    isolation: Isolation = "none"
    _AROUND: ClassVar[dict[str, str]] = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def __init__(
        self,
        *,
        timeout: float = 60,
        work_dir: str | os.PathLike[str] | None = ".",
        virtual_env_context: SimpleNamespace | None = None,
        functions: Sequence[Callable[..., Any]] = (),
        functions_module: str = "functions",
        execution_policies: Mapping[str, bool] | None = None,
        max_output: int = 100_000,
        memory: int | None = None,
        file_size: int | None = None,
    ) -> None:
        super().__init__(work_dir=work_dir, timeout=timeout, max_output=max_output, execution_policies=execution_policies)
        self._environment = virtual_env_context
        self._functions = FunctionsModule(functions_module, functions)
        self._memory = memory
        self._file_size = file_size

    def describe(self) -> Mapping[str, Any]:
        return {**super().describe(), "functions": self._functions.names}

    def format_functions_for_prompt(self) -> str:
        """What to tell a model of the functions that its code can import; empty when there are none."""
        return self._functions.for_prompt()

    async def _start(self) -> None:
        if self._functions.names:
            self._functions.write_to(self._folder)
        if self._functions.packages:
            output = BoundedOutput(10_000)
            install = [self._python(), "-m", "pip", "install", "--quiet", *self._functions.packages]
            ended = await run_process(
                install, folder=self._folder.path, environment=self._variables(), seconds=self._timeout, output=output
            )
            if ended.exit_code:
                raise ExecutorUnavailable(
                    f"the functions of {self._functions.name!r} need {', '.join(self._functions.packages)}, and pip cannot install them: "
                    f"{output.text().strip()[-500:]}"
                )

    async def _stop(self) -> None:
        pass

    def _python(self) -> str:
        return sys.executable if self._environment is None else str(self._environment.env_exe)

    def _variables(self) -> dict[str, str]:
        variables = {**os.environ, **self._AROUND}
        if self._environment is not None:
            variables["PATH"] = f"{self._environment.bin_path}{os.pathsep}{variables.get('PATH', os.defpath)}"
        return variables

    async def _run(self, program: str, name: str, seconds: float, output: BoundedOutput) -> Ended:
        return await run_process(
            limited([program, name], memory=self._memory, processes=None, file_size=self._file_size),
            folder=self._folder.path,
            environment=self._variables(),
            seconds=seconds,
            output=output,
        )
