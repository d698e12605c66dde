"""Code in a sandbox made of Linux namespaces, without a daemon: the program `bwrap`."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convgraph.coding.executor import Ended, Isolation, WorkFolderExecutor
from convgraph.coding.output import BoundedOutput
from convgraph.coding.process import limited, run_process
from convgraph.errors import ExecutorUnavailable, InputError

WORKSPACE = "/workspace"
DATA = "/data"
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/fonts")
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}  # noqa: S108  # the sandbox's own


class BubblewrapCodeExecutor(WorkFolderExecutor):
    """Runs each block in a sandbox of its own: no network, a read-only system, its own processes, not root.

    The code sees the system's programs, this Python's standard library, the work folder at `/workspace`, an empty `/tmp`, and
    what `libraries` and `readable` add; nothing else of this machine. Limits are those of a process, not of a group:
    `memory` counts for each of at most `processes`, and a program that asks for more fails by itself (Python raises
    `MemoryError`).

    Args:
        work_dir, timeout, max_output, execution_policies: as of every executor.
        libraries: whether the code can import the packages that are installed beside this one.
        readable: files and folders that the code may read; each is at `/data` under its own name.
        memory: bytes of address space for each process.
        processes: how many processes and threads there may be. As root they are counted for all sandboxes together.
        file_size: bytes of the largest file that may be written.
        tmp_size: bytes of `/tmp`.

    """

    name: str = "bubblewrap"
    isolation: Isolation = "sandbox"

    def __init__(
        self,
        *,
        work_dir: str | os.PathLike[str] | None = None,
        timeout: float = 60,
        max_output: int = 100_000,
        execution_policies: Mapping[str, bool] | None = None,
        libraries: bool = False,
        readable: Sequence[str | os.PathLike[str]] = (),
        memory: int = 1 << 30,
        processes: int = 64,
        file_size: int = 256 << 20,
        tmp_size: int = 64 << 20,
    ) -> None:
        super().__init__(work_dir=work_dir, timeout=timeout, max_output=max_output, execution_policies=execution_policies)
        self._libraries = libraries
        self._readable = {path.name: path for path in (Path(one).absolute() for one in readable)}
        if len(self._readable) < len(readable):
            raise InputError(f"readable= has several files of one name: {', '.join(str(one) for one in readable)}")
        self._memory = memory
        self._processes = processes
        self._file_size = file_size
        self._tmp_size = tmp_size

    def describe(self) -> Mapping[str, Any]:
        """Its definition; of what it may read, the names: where it is differs from machine to machine."""
        described = dict(super().describe())
        if self._libraries:
            described["libraries"] = True
        return {**described, "reads": sorted(self._readable)} if self._readable else described

    def _begin(self) -> None:
        super()._begin()
        self._sandbox: list[str] = []

    async def _start(self) -> None:
        missing = [program for program in ("bwrap", "prlimit", "setpriv") if shutil.which(program) is None]
        if missing:
            raise ExecutorUnavailable(
                f"bubblewrap needs {', '.join(missing)}: install it (on Debian or Ubuntu: sudo apt-get install bubblewrap util-linux), "
                "or choose another executor, such as DockerCommandLineCodeExecutor()"
            )
        if unknown := [str(path) for path in self._readable.values() if not path.exists()]:
            raise ExecutorUnavailable(f"readable= names what is not there: {', '.join(unknown)}")
        self._sandbox = self._command()
        output = BoundedOutput(1000)
        ended = await run_process([*self._sandbox, "true"], folder=Path("/"), environment=None, seconds=10, output=output)
        if ended.exit_code:
            raise ExecutorUnavailable(
                f"bubblewrap cannot make a sandbox here: {output.text().strip()}. Inside a container, and where user namespaces are "
                "switched off, it often may not; choose another executor, such as DockerCommandLineCodeExecutor()"
            )

    async def _stop(self) -> None:
        self._sandbox = []

    def _python(self) -> str:
        return os.path.realpath(sys.executable)

    async def _run(self, program: str, name: str, seconds: float, output: BoundedOutput) -> Ended:
        return await run_process([*self._sandbox, program, name], folder=Path("/"), environment=None, seconds=seconds, output=output)

    def _command(self) -> list[str]:
        command = ["bwrap", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
        command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        for variable, value in _ENVIRONMENT.items():
            command += ["--setenv", variable, value]
        # Before what is shown of this machine, which may itself be in a folder for passing things.
        command += ["--proc", "/proc", "--dev", "/dev", "--size", str(self._tmp_size), "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108
        for path in ("/usr", *_SYSTEM):
            command += _shown(path)
        command += _shown(sys.base_prefix) if not sys.base_prefix.startswith("/usr") else []
        if self._libraries:
            places = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
            command += [word for place in places for word in _shown(place)]
            command += ["--setenv", "PYTHONPATH", os.pathsep.join(places), "--setenv", "OPENBLAS_NUM_THREADS", "1"]  # threads cost memory
        command += ["--perms", "0755", "--dir", DATA] if self._readable else []
        for name, path in self._readable.items():
            command += ["--ro-bind", str(path), f"{DATA}/{name}"]
        command += ["--bind", str(self._folder.path), WORKSPACE, "--chdir", WORKSPACE, "--remount-ro", "/"]
        inner: list[str] = []
        if os.geteuid() == 0:
            # Root stays root in a user namespace, and no limit on processes binds it: so another user, without a namespace of users.
            user, group = self._folder.user()
            inner = ["setpriv", "--reuid", str(user), "--regid", str(group), "--clear-groups", "--no-new-privs"]
            inner += ["--inh-caps=-all", "--bounding-set=-all", "--"]
        else:
            command += ["--unshare-user"]
        # The limits are set within, so that a user's other processes do not count.
        return [*command, "--", *limited(inner, memory=self._memory, processes=self._processes, file_size=self._file_size)]


def _shown(path: str) -> list[str]:
    """Options that show `path` of this machine, read only; a link stays a link."""
    if Path(path).is_symlink():
        return ["--symlink", str(Path(path).readlink()), path]
    # bwrap makes what is missing on the way for its own user alone.
    on_the_way = [word for folder in reversed(Path(path).parents[:-1]) for word in ("--perms", "0755", "--dir", str(folder))]
    return [*on_the_way, "--ro-bind-try", path, path]
