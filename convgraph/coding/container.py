"""A container of a Docker engine, made to be code's place to run and to end with the process that made it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convgraph.coding.executor import Ended
from convgraph.coding.output import BoundedOutput
from convgraph.errors import ExecutorUnavailable

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

KILLED = 128 + 9
_GONE = (404, 409)
"""The engine's answers when a container is no more, does not run, or is being removed."""

# The first process lives as long as somebody holds the other end of its standard input: when the process that made the
# container ends, however it ends, so does the container, and the engine removes it. Meanwhile it collects the dead. What code
# may kill is the reader only, which is then begun anew; the first process of a container takes no signal that it does not ask for,
# and a shell asks for SIGINT.
_WHILE_HELD = ["sh", "-c", "trap '' INT; exec 3<&0; while cat <&3 >/dev/null & ! wait $!; do :; done"]
_FOR_EVER = ["sh", "-c", "trap '' INT; while :; do sleep 86400 & wait $!; done"]
# A block's end is the end of all that it started: `kill -1` spares only the shell that calls it and the first process.
_BLOCK = ["sh", "-c", 'exec 2>&1; "$@"; code=$?; kill -KILL -1; exit $code', "block"]
# How often memory ran out: cgroup v1 and v2, whichever is there.
_OOM_KILLS = "cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null"


_LABEL = "convgraph.code"
_STARTS_WITHIN = 600.0


class ContainerGone(ExecutorUnavailable):
    """The container does not run any more, and nothing was run in it: make another."""


class CodeContainer:
    """A running container. Its methods block, and one at a time is called; but `end` may be called while another thread is in `run`.

    Args:
        client: of the engine.
        image: there already.
        options: what `docker` takes to make a container.
        kept: it stays there, stopped, when it is released.
        left_running: it stays there, running, even when this process ends.

    Raises the errors of `docker`, as all methods do.

    """

    def __init__(
        self, client: docker.DockerClient, image: str, options: Mapping[str, Any], *, kept: bool = False, left_running: bool = False
    ) -> None:
        self._api: Any = client.api
        self._kept = kept
        self._left_running = left_running
        self._handle: Any = None
        self._reading: Any = None
        command = _FOR_EVER if left_running else _WHILE_HELD
        self._removed = not kept and not left_running
        self._container: Container = client.containers.create(
            image, entrypoint=command, stdin_open=not left_running, auto_remove=self._removed, labels=[_LABEL], **options
        )
        try:
            if not left_running:
                self._handle = self._api.attach_socket(self._container.id, params={"stdin": 1, "stream": 1})
            self._container.start()
        except BaseException:
            self.end()
            raise

    def run(self, command: Sequence[str], output: BoundedOutput) -> Ended:
        """Run a command, and end what it leaves. Raises `ContainerGone`.

        After exit code `KILLED` the container is of no more use but to be ended: it may have died, or it was the command's
        shell that was killed, and what the command started lives on.
        """
        kills = self._oom_kills()
        code = self._run([*_BLOCK, *command], output)
        if code == 0:
            return Ended(0)
        try:
            return Ended(code, oom=self._oom_kills() > kills)
        except ContainerGone:
            return Ended(KILLED)

    def ask(self, command: str) -> tuple[int, str]:
        """Run a shell command of our own: its exit code, and what it prints. Raises `ContainerGone`."""
        said = BoundedOutput(10_000)
        code = self._run(["sh", "-c", command], said)
        return code, said.text()

    def end(self) -> None:
        """End all that runs in the container, and remove it. Whoever is in `run` is told `KILLED`."""
        from docker.errors import APIError

        try:
            with _unless_gone():
                self._container.remove(force=True, v=True)
        except APIError:
            if not self._removed:
                raise
            # A loaded engine may give up waiting for the end of what it has killed. It removes it all the same when it comes.
        finally:
            self._let_go()
        with _unless_gone():
            self._container.wait(condition="removed")

    def release(self) -> None:
        """Be done with the container: it is removed, or stopped and kept, or left running, as it was made to be."""
        if self._left_running:
            return
        if not self._kept:
            self.end()
            return
        with _unless_gone():
            self._container.stop(timeout=0)
        self._let_go()

    def _run(self, command: list[str], output: BoundedOutput) -> int:
        from docker.errors import APIError

        try:
            execution = self._api.exec_create(self._container.id, command)["Id"]
        except APIError as error:
            if error.status_code in _GONE:
                raise ContainerGone(f"something ended the container before code could run in it ({error})") from error
            raise
        try:
            self._read(self._api.exec_start(execution, socket=True), output)
            code = self._api.exec_inspect(execution)["ExitCode"]
        except APIError as error:
            if error.status_code not in _GONE:
                raise
            code = None
        # No exit code: the container was ended under it.
        return KILLED if code is None else code

    def _read(self, stream: Any, output: BoundedOutput) -> None:
        import docker.utils.socket

        sockets: Any = docker.utils.socket
        self._reading = stream
        try:
            for _, chunk in sockets.frames_iter(stream, tty=False):
                output.add(chunk)
        finally:
            self._reading = None
            _close(stream)

    def _oom_kills(self) -> int:
        _, said = self.ask(_OOM_KILLS)
        return sum(int(line.split()[1]) for line in said.splitlines() if line.startswith("oom_kill "))

    def _let_go(self) -> None:
        reading, handle, self._handle = self._reading, self._handle, None
        if handle is not None:
            _close(handle)
        if reading is not None:
            # Its reader meets the end of what there is, should the engine have forgotten to say so.
            with contextlib.suppress(OSError):
                reading._sock.shutdown(socket.SHUT_RDWR)


def remove_unstarted(client: docker.DockerClient) -> None:
    """Remove the containers whose maker was killed between making them and starting them: only what has run can end."""
    waiting: Any = client.containers.list(all=True, sparse=True, filters={"label": _LABEL, "status": "created"})
    for container in waiting:
        if time.time() - container.attrs["Created"] > _STARTS_WITHIN:
            with _unless_gone():
                container.remove()


@contextlib.contextmanager
def _unless_gone() -> Generator[None]:
    from docker.errors import APIError

    try:
        yield
    except APIError as error:
        if error.status_code not in _GONE:
            raise


def _close(stream: Any) -> None:
    # The response first: closing its stream leaves the connection below it open.
    stream._response.close()
    stream.close()
