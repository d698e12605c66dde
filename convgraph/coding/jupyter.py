"""Code in a Jupyter kernel, which keeps its state between calls. There is no sandbox: choose it for code that you would run yourself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from convgraph.coding.executor import TIMED_OUT, Ended, Isolation, WorkFolderExecutor
from convgraph.coding.output import BoundedOutput
from convgraph.coding.process import run_process
from convgraph.coding.work_folder import WorkFolder
from convgraph.errors import ExecutorUnavailable, MissingDependency

if TYPE_CHECKING:
    from jupyter_client.asynchronous.client import AsyncKernelClient

_START = 60.0
_INTERRUPT = 2.0
"""Seconds that interrupted code has to give up, before its kernel is replaced."""
_SAVED = {"image/png": ".png", "image/jpeg": ".jpg", "image/svg+xml": ".svg", "text/html": ".html"}
_BINARY = ("image/png", "image/jpeg")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class JupyterCodeExecutor(WorkFolderExecutor):
    """Runs Python blocks as cells of one kernel, so that names live on; shell blocks run from the work folder.

    Pictures and HTML that a cell shows are saved in the work folder as `<code file>_<number>.png` and so on, and named in
    the output. Code that runs too long is interrupted and keeps its state; code that does not let itself be interrupted
    loses it with its kernel, and the output says so. Needs the extra `convgraph[jupyter]`.

    Args:
        work_dir, timeout, max_output, execution_policies: as of every executor.
        kernel_name: the kernel; 'python3' is this Python.

    """

    name: str = "jupyter"
    isolation: Isolation = "none"

    def __init__(
        self,
        *,
        work_dir: str | os.PathLike[str] | None = None,
        timeout: float = 60,
        max_output: int = 100_000,
        execution_policies: Mapping[str, bool] | None = None,
        kernel_name: str = "python3",
    ) -> None:
        super().__init__(work_dir=work_dir, timeout=timeout, max_output=max_output, execution_policies=execution_policies)
        self._kernel_name = kernel_name

    def _begin(self) -> None:
        super()._begin()
        self._kernel: Any = None  # an AsyncKernelManager, whose methods are half typed
        self._sockets = ""

    async def _start(self) -> None:
        try:
            from jupyter_client.kernelspec import NoSuchKernel
            from jupyter_client.manager import AsyncKernelManager
        except ImportError as error:
            raise MissingDependency("JupyterCodeExecutor needs the extra jupyter: pip install 'convgraph[jupyter]'") from error
        self._sockets = tempfile.mkdtemp(prefix="convgraph-kernel-")
        # Sockets in a folder that only this user can enter, instead of ports that anybody on this machine can knock at.
        kernel: Any = AsyncKernelManager(
            kernel_name=self._kernel_name,
            transport="ipc",
            ip=f"{self._sockets}/ipc",
            connection_file=f"{self._sockets}/connection.json",
        )
        self._kernel = kernel
        try:
            await kernel.start_kernel(cwd=str(self._folder.path))
            async with self._connected():
                pass
        except NoSuchKernel as error:
            await self._stop()
            raise ExecutorUnavailable(
                f"there is no kernel {self._kernel_name!r}; `jupyter kernelspec list` shows those there are"
            ) from error
        except BaseException:
            await self._stop()
            raise

    async def _stop(self) -> None:
        kernel, self._kernel = self._kernel, None
        if kernel is not None and kernel.has_kernel:
            await kernel.shutdown_kernel(now=True)
        shutil.rmtree(self._sockets)

    async def _run(self, program: str, name: str, seconds: float, output: BoundedOutput) -> Ended:
        if program != self._python():
            return await run_process([program, name], folder=self._folder.path, environment=None, seconds=seconds, output=output)
        async with self._connected() as client:
            cell = _Cell(client, self._folder, name, output)
            try:
                async with asyncio.timeout(max(seconds, 0)):
                    ended = await cell.run()
            except TimeoutError:
                await self._interrupt(cell)
                return Ended(TIMED_OUT, timed_out=True)
            except BaseException:
                await self._interrupt(cell)
                raise
        if ended is None:
            await self._replace("the kernel died", output)
            return Ended(1)
        return ended

    async def _interrupt(self, cell: _Cell) -> None:
        await self._kernel.interrupt_kernel()
        try:
            async with asyncio.timeout(_INTERRUPT):
                alive = await cell.end() is not None
        except TimeoutError:
            alive = False
        if not alive:
            await self._replace("the code did not let itself be interrupted", cell.output)

    async def _replace(self, why: str, output: BoundedOutput) -> None:
        await self._kernel.restart_kernel(now=True)
        output.add_line(f"{why}: a new kernel takes its place, and knows nothing of what ran before")

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncGenerator[AsyncKernelClient]:
        """A connection for one block: sockets belong to an event loop, and calls may come from several."""
        client: AsyncKernelClient = self._kernel.client()
        client.start_channels(stdin=False, hb=False)
        try:
            await client.wait_for_ready(timeout=_START)
            yield client
        finally:
            client.stop_channels()


class _Cell:
    """One piece of code on its way through the kernel."""

    def __init__(self, client: AsyncKernelClient, folder: WorkFolder, name: str, output: BoundedOutput) -> None:
        self.output = output
        self._client = client
        self._folder = folder
        self._name = name
        self._request = ""
        self._saved = 0

    async def run(self) -> Ended | None:
        """Send the code and take in what it shows, to its end. None: the kernel died."""
        self._request = self._client.execute((self._folder.path / self._name).read_text(encoding="utf-8"), allow_stdin=False)
        return await self.end()

    async def end(self) -> Ended | None:
        """Take in what is still to come."""
        failed = False
        while True:
            try:
                message = await self._client.get_iopub_msg(timeout=1)
            except Empty:
                if not await self._client.is_alive():
                    return None
                # A flood of output may have washed the last message away; the reply comes by another channel.
                if await self._has_replied():
                    return Ended(1 if failed else 0)
                continue
            if message["parent_header"].get("msg_id") != self._request:
                continue
            kind, content = message["msg_type"], message["content"]
            failed = failed or kind == "error"
            if kind == "status" and content["execution_state"] == "idle":
                return Ended(1 if failed else 0)
            self._show(kind, content)

    async def _has_replied(self) -> bool:
        with contextlib.suppress(Empty):
            while True:
                message = await self._client.get_shell_msg(timeout=0)
                if message["parent_header"].get("msg_id") == self._request:
                    return True
        return False

    def _show(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            self.output.add(content["text"].encode())
        elif kind == "error":
            self.output.add_line(_COLOUR.sub("", "\n".join(content["traceback"])))
        elif kind in ("display_data", "execute_result"):
            self._show_data(content["data"])

    def _show_data(self, data: dict[str, Any]) -> None:
        saved = [self._save(kind, data[kind]) for kind in _SAVED if kind in data]
        if saved:
            self.output.add_line(f"saved as {', '.join(saved)}")
        elif "text/plain" in data:
            self.output.add_line(data["text/plain"])

    def _save(self, kind: str, content: str) -> str:
        self._saved += 1
        name = f"{Path(self._name).with_suffix('')}_{self._saved}{_SAVED[kind]}"
        self._folder.write(name, base64.b64decode(content) if kind in _BINARY else content)
        return name
