"""Code in a container of a Docker engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from convgraph.coding.container import KILLED, CodeContainer, ContainerGone, remove_unstarted
from convgraph.coding.executor import TIMED_OUT, Ended, Isolation, WorkFolderExecutor
from convgraph.coding.output import BoundedOutput
from convgraph.coding.sandbox_image import build_sandbox_image
from convgraph.errors import ExecutorUnavailable

if TYPE_CHECKING:
    import docker

P = ParamSpec("P")
T = TypeVar("T")
WORKSPACE = "/workspace"
_OTHERS = (
    "or choose another executor: BubblewrapCodeExecutor() is a sandbox without an engine (Linux), "
    "LocalCommandLineCodeExecutor() (with AutoGen's words: use_docker=False) runs code as you, with no sandbox"
)


class DockerCommandLineCodeExecutor(WorkFolderExecutor):
    """Runs blocks in a container, made at first use and removed by `close`; the work folder is its `/workspace`.

    The container has no network unless asked, a read-only system, no root, no capabilities, and limits on memory, on
    processes and on processor time. A block that is stopped at its timeout takes the container with it, and the next block
    has a new one on the same folder. When this process ends, even killed, the container ends and the engine removes it.

    Args:
        work_dir, timeout, max_output, execution_policies: as of every executor.
        image: with `python3` and `sh` in it; of several names the first that is to be had. None: on Linux one made from
            this machine's own Python, with nothing downloaded (`build_sandbox_image`); elsewhere `python:3-slim`.
        container_name: what the engine calls the container. None: a name of the engine's own.
        bind_dir: where the engine finds the work folder, when its machine has that at another place.
        auto_remove: False leaves the container there after `close`, stopped, to look into.
        stop_container: False leaves it there, running.
        network: Docker's network mode; 'none' by default, 'bridge' for the usual access to the outside.
        memory: bytes for all processes together; `/tmp` counts.
        processes: how many processes and threads there may be.
        cpus: how many processors' worth of time they get.
        file_size: bytes of the largest file that may be written.

    """

    name: str = "docker"
    isolation: Isolation = "container"

    def __init__(
        self,
        *,
        image: str | Sequence[str] | None = None,
        container_name: str | None = None,
        timeout: float = 60,
        work_dir: str | os.PathLike[str] | None = None,
        bind_dir: str | os.PathLike[str] | None = None,
        auto_remove: bool = True,
        stop_container: bool = True,
        execution_policies: Mapping[str, bool] | None = None,
        max_output: int = 100_000,
        network: str = "none",
        memory: int = 512 << 20,
        processes: int = 64,
        cpus: float = 1.0,
        file_size: int = 256 << 20,
    ) -> None:
        super().__init__(work_dir=work_dir, timeout=timeout, max_output=max_output, execution_policies=execution_policies)
        self._images = (image,) if isinstance(image, str) else tuple(image or ())
        self._container_name = container_name
        self._bind_dir = bind_dir
        self._kept = not auto_remove
        self._left_running = not stop_container
        self._network = network
        self._memory = memory
        self._processes = processes
        self._cpus = cpus
        self._file_size = file_size

    def describe(self) -> Mapping[str, Any]:
        return {**super().describe(), "image": list(self._images), "network": self._network}

    def _begin(self) -> None:
        super()._begin()
        self._client: docker.DockerClient | None = None
        self._image = ""
        self._container: CodeContainer | None = None

    async def _start(self) -> None:
        try:
            await _in_thread(self._connect)
            await _in_thread(self._make_container)
        except BaseException:
            await self._stop()
            raise

    async def _stop(self) -> None:
        await _in_thread(self._disconnect)

    async def _run(self, program: str, name: str, seconds: float, output: BoundedOutput) -> Ended:
        if self._container is None:
            await _in_thread(self._make_container)
        running = asyncio.create_task(asyncio.to_thread(self._run_in_container, [program, name], output))
        timed_out = True
        try:
            await asyncio.wait([running], timeout=max(seconds, 0))
            timed_out = not running.done()
        finally:
            while not running.done():
                # Again, for the thread may just be making a container.
                await _in_thread(self._end_container)
                await asyncio.wait([running], timeout=0.2)
                if running.done():
                    # What the thread meets when the container is ended under it is no news.
                    running.exception()
        return Ended(TIMED_OUT, timed_out=True) if timed_out else await running

    def _connect(self) -> None:
        import docker

        with _engine_errors(f"no Docker engine answers: start one (on Debian or Ubuntu: sudo apt-get install docker.io), {_OTHERS}"):
            self._client = client = docker.from_env()
            client.ping()
            remove_unstarted(client)
        self._image = self._available(client, self._images or (_own_image(client),))

    @staticmethod
    def _available(client: docker.DockerClient, images: Sequence[str]) -> str:
        """The first image that is there, or else can be pulled."""
        from docker.errors import ImageNotFound

        refused = ""
        for image in images:
            try:
                with _engine_errors(f"the Docker engine has no image {image!r}, and cannot pull it"):
                    try:
                        client.images.get(image)
                    except ImageNotFound:
                        client.images.pull(image)
                return image
            except ExecutorUnavailable as error:
                refused = refused or str(error)
        raise ExecutorUnavailable(refused)

    def _make_container(self) -> None:
        assert self._client is not None
        with _engine_errors(f"the Docker engine cannot start a container of image {self._image!r}"):
            self._container = container = CodeContainer(
                self._client, self._image, self._options(), kept=self._kept, left_running=self._left_running
            )
            try:
                code, said = container.ask("test -w . && python3 -c pass")
            except ContainerGone as gone:
                code, said = KILLED, str(gone)
        if code:
            self._end_container()
            raise ExecutorUnavailable(
                f"code cannot run in a container of image {self._image!r}: it needs `sh` and `python3`, and an engine on this machine, "
                f"that can mount {str(self._folder.path)!r} ({said.strip()})"
            )

    def _options(self) -> dict[str, Any]:
        from docker.types import Ulimit

        user, group = self._folder.user()
        return {
            "name": self._container_name,
            "network_mode": self._network,
            "user": f"{user}:{group}",
            "read_only": True,
            "tmpfs": {"/tmp": "size=64m,mode=1777"},  # noqa: S108  # the container's own
            "volumes": {str(Path(self._bind_dir or self._folder.path).absolute()): {"bind": WORKSPACE, "mode": "rw"}},
            "working_dir": WORKSPACE,
            "environment": {"HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},  # noqa: S108
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "mem_limit": self._memory,
            "memswap_limit": self._memory,
            "pids_limit": self._processes,
            "nano_cpus": int(self._cpus * 1e9),
            "ulimits": [Ulimit(name="fsize", soft=self._file_size, hard=self._file_size), Ulimit(name="core", soft=0, hard=0)],
        }

    def _run_in_container(self, command: list[str], output: BoundedOutput) -> Ended:
        with _engine_errors("the Docker engine failed while code ran: how it ended is not known"):
            try:
                ended = self._live().run(command, output)
            except ContainerGone:
                # Between two blocks somebody stopped it, or the engine was started anew.
                self._end_container()
                self._make_container()
                ended = self._live().run(command, output)
            if ended.exit_code == KILLED:
                self._end_container()
            return ended

    def _live(self) -> CodeContainer:
        assert self._container is not None
        return self._container

    def _end_container(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            with _engine_errors("the Docker engine cannot end what runs in the container"):
                container.end()

    def _disconnect(self) -> None:
        container, client = self._container, self._client
        self._container = self._client = None
        try:
            if container is not None:
                with _engine_errors("the Docker engine cannot remove the container"):
                    container.release()
        finally:
            if client is not None:
                client.close()


def _own_image(client: docker.DockerClient) -> str:
    with _engine_errors("the Docker engine cannot make an image for code"):
        return build_sandbox_image(client) if sys.platform == "linux" else "python:3-slim"


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a thread. A thread cannot be cancelled: who is, waits for its end first."""
    task = asyncio.create_task(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.exception()
        raise


@contextlib.contextmanager
def _engine_errors(what: str) -> Generator[None]:
    """Say `what` when the engine does not answer, or refuses. Raises `ExecutorUnavailable`."""
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, OSError) as error:  # requests' errors are OSErrors
        raise ExecutorUnavailable(f"{what} ({error})") from error
