"""Code in a container of a Docker engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from convgraph.coding.executor import TIMED_OUT, Ended, Isolation, WorkFolderExecutor
from convgraph.coding.orphans import OWNER_LABEL, owner, remove_orphans
from convgraph.coding.output import BoundedOutput
from convgraph.coding.sandbox_image import build_sandbox_image
from convgraph.errors import ExecutorUnavailable

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

WORKSPACE = "/workspace"
_OTHERS = (
    "or choose another executor: BubblewrapCodeExecutor() is a sandbox without an engine (Linux), "
    "LocalCommandLineCodeExecutor() (with AutoGen's words: use_docker=False) runs code as you, with no sandbox"
)
# The first process collects the dead, and waits. It is a shell, not `sleep`, because only a shell does both.
_IDLE = ["sh", "-c", "while :; do sleep 86400 & wait; done"]
# A block's end is the end of all that it started: `kill -1` spares only the shell that calls it and the first process.
_BLOCK = ["sh", "-c", 'exec 2>&1; "$@"; code=$?; kill -KILL -1; exit $code', "block"]
_KILLED = 128 + 9
# How often memory ran out: cgroup v1 and v2, whichever is there.
_OOM_KILLS = "cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null"


class DockerCommandLineCodeExecutor(WorkFolderExecutor):
    """Runs blocks in one container, made by `start` and removed by `stop`; the work folder is its `/workspace`.

    The container has no network unless asked, a read-only system, no root, no capabilities, and limits on memory, on
    processes and on processor time. A block that is stopped at its timeout takes all processes of the container with it.

    Args:
        work_dir, timeout, max_output: as of every executor.
        image: with `python3` and `sh` in it. None: on Linux one made from this machine's own Python, with nothing
            downloaded (`build_sandbox_image`); elsewhere `python:3-slim`.
        network: Docker's network mode; 'none' by default, 'bridge' for the usual access to the outside.
        memory: bytes for all processes together; `/tmp` counts.
        processes: how many processes and threads there may be.
        cpus: how many processors' worth of time they get.
        file_size: bytes of the largest file that may be written.
        keep: leave the stopped container there, to look into.

    """

    name: str = "docker"
    isolation: Isolation = "container"

    def __init__(
        self,
        *,
        work_dir: str | os.PathLike[str] | None = None,
        timeout: float = 60,
        max_output: int = 100_000,
        image: str | None = None,
        network: str = "none",
        memory: int = 512 << 20,
        processes: int = 64,
        cpus: float = 1.0,
        file_size: int = 256 << 20,
        keep: bool = False,
    ) -> None:
        super().__init__(work_dir=work_dir, timeout=timeout, max_output=max_output)
        self._image = image
        self._network = network
        self._memory = memory
        self._processes = processes
        self._cpus = cpus
        self._file_size = file_size
        self._keep = keep
        self._client: docker.DockerClient | None = None
        self._container: Container | None = None
        self._ended = False

    async def _start(self) -> None:
        starting = asyncio.create_task(asyncio.to_thread(self._start_container))
        try:
            await asyncio.shield(starting)
        except BaseException:
            # A thread cannot be cancelled: what it makes is removed after it.
            await asyncio.gather(starting, return_exceptions=True)
            await self._stop()
            raise

    async def _stop(self) -> None:
        await asyncio.to_thread(self._remove_container)

    async def _run(self, program: str, name: str, seconds: float, output: BoundedOutput) -> Ended:
        running = asyncio.create_task(asyncio.to_thread(self._run_in_container, [*_BLOCK, program, name], output))
        try:
            await asyncio.wait([running], timeout=max(seconds, 0))
            timed_out = not running.done()
        finally:
            while not running.done():
                # Again and again, for the thread may just be starting the container.
                await asyncio.to_thread(self._end_all)
                await asyncio.wait([running], timeout=0.2)
                # What the thread meets when the container is ended under it is no news.
                if running.done():
                    running.exception()
        if timed_out:
            return Ended(TIMED_OUT, timed_out=True)
        return await running

    def _start_container(self) -> None:
        import docker

        with _engine_errors(f"no Docker engine answers: start one, {_OTHERS}"):
            self._client = client = docker.from_env()
            client.ping()
        with _engine_errors(f"the Docker engine cannot start a container of image {self._image!r}"):
            remove_orphans(client)
            image = self._image or (build_sandbox_image(client) if sys.platform == "linux" else "python:3-slim")
            if not client.images.list(name=image):
                client.images.pull(image)
            self._container = client.containers.create(image, _IDLE, **self._options())
            self._container.start()
            code, said = self._ask("test -w . && python3 -c pass")
        if code:
            raise ExecutorUnavailable(
                f"code cannot run in a container of image {image!r}: it needs `sh` and `python3`, and an engine on this machine, "
                f"that can mount {str(self._folder.path)!r} ({said.strip()})"
            )

    def _options(self) -> dict[str, Any]:
        from docker.types import Ulimit

        user, group = self._folder.user()
        return {
            "network_mode": self._network,
            "user": f"{user}:{group}",
            "read_only": True,
            "tmpfs": {"/tmp": "size=64m,mode=1777"},  # noqa: S108  # the container's own
            "volumes": {str(self._folder.path): {"bind": WORKSPACE, "mode": "rw"}},
            "working_dir": WORKSPACE,
            "environment": {"HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},  # noqa: S108
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "mem_limit": self._memory,
            "memswap_limit": self._memory,
            "pids_limit": self._processes,
            "nano_cpus": int(self._cpus * 1e9),
            "ulimits": [Ulimit(name="fsize", soft=self._file_size, hard=self._file_size), Ulimit(name="core", soft=0, hard=0)],
            "labels": {"convgraph": "kept" if self._keep else "executor", OWNER_LABEL: owner()},
        }

    def _run_in_container(self, command: list[str], output: BoundedOutput) -> Ended:
        with _engine_errors("the Docker engine failed while code ran: how it ended is not known"):
            return self._exec(command, output)

    def _exec(self, command: list[str], output: BoundedOutput) -> Ended:
        import docker.utils.socket

        assert self._client is not None
        assert self._container is not None
        if self._ended:
            # For a moment after its end the engine takes it for running.
            self._ended = False
            self._container.wait(timeout=10)
        self._container.reload()
        if self._container.status != "running":
            self._container.start()
        kills = self._oom_kills()
        api: Any = self._client.api
        sockets: Any = docker.utils.socket
        execution = api.exec_create(self._container.id, command)["Id"]
        stream = api.exec_start(execution, socket=True)
        try:
            for _, chunk in sockets.frames_iter(stream, tty=False):
                output.add(chunk)
        finally:
            # The response first: closing its stream leaves the connection below it open.
            stream._response.close()
            stream.close()
        code = api.exec_inspect(execution)["ExitCode"]
        # No exit code: the container was ended under it.
        code = _KILLED if code is None else code
        oom = code != 0 and self._oom_kills() > kills
        if code == _KILLED:
            # Perhaps it was the block's shell that was killed, and what the block started lives on.
            self._end_all()
        return Ended(code, oom=oom)

    def _oom_kills(self) -> int:
        _, said = self._ask(_OOM_KILLS)
        return sum(int(line.split()[1]) for line in said.splitlines() if line.startswith("oom_kill "))

    def _ask(self, command: str) -> tuple[int, str]:
        """Run a shell command of our own in the container: its exit code, and what it prints."""
        container: Any = self._container
        code, said = container.exec_run(["sh", "-c", command])
        return code, said.decode(errors="replace")

    def _end_all(self) -> None:
        """End all processes of the container; the next block starts it again."""
        from docker.errors import APIError

        assert self._container is not None
        self._ended = True
        with _engine_errors("the Docker engine cannot end what runs in the container"), contextlib.suppress(APIError):
            self._container.kill()  # refused when it has ended by itself

    def _remove_container(self) -> None:
        container, client = self._container, self._client
        self._container = self._client = None
        self._ended = False
        try:
            with _engine_errors("the Docker engine cannot remove the container"):
                if container is not None and self._keep:
                    container.stop(timeout=0)
                elif container is not None:
                    container.remove(force=True, v=True)
        finally:
            if client is not None:
                client.close()


@contextlib.contextmanager
def _engine_errors(what: str) -> Generator[None]:
    """Say `what` when the engine does not answer, or refuses. Raises `ExecutorUnavailable`."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException) as error:
        raise ExecutorUnavailable(f"{what} ({error})") from error
