"""An image for sandboxed code, made from this machine: its Python, its shell and the libraries that they need.

Nothing is downloaded: the files go into a tar archive, and the engine makes an image of it in a second or two.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convgraph.errors import ExecutorUnavailable

if TYPE_CHECKING:
    import docker

_RECIPE = 1
"""Part of the image's tag: a changed recipe makes a new image."""

SANDBOX_IMAGE = f"convgraph-sandbox:{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}-{_RECIPE}"

_PROGRAMS = (
    "awk basename bash cat chmod cp cut date dirname echo env expr false find grep head id ln ls mkdir mv printf ps pwd "
    "rm rmdir sed seq sh sleep sort tail tee test touch tr true uname uniq wc xargs"
).split()
_LEFT_OUT = {"__pycache__", "dist-packages", "ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tkinter", "turtledemo"}
_FILES = {
    "etc/passwd": "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}


def build_sandbox_image(client: docker.DockerClient | None = None) -> str:
    """Make the sandbox image in the Docker engine, unless it is there, and return its tag.

    `client` is a `docker.DockerClient` (None: the one that the environment tells). It works on Linux, for an engine of
    the same processor. Raises `ExecutorUnavailable` elsewhere.
    """
    import docker

    if sys.platform != "linux":
        raise ExecutorUnavailable("the sandbox image is made of this machine's programs, and those run on Linux only: name an image=")
    if client is None:
        with contextlib.closing(docker.from_env()) as own:
            return build_sandbox_image(own)
    if not client.images.list(name=SANDBOX_IMAGE):
        repository, _, tag = SANDBOX_IMAGE.partition(":")
        api: Any = client.api
        api.import_image_from_data(_archive(), repository=repository, tag=tag)
    return SANDBOX_IMAGE


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        image = _Image(tar)
        python = os.path.realpath(sys.executable)
        image.add_library(sysconfig.get_path("stdlib"))
        programs = [found for name in _PROGRAMS if (found := shutil.which(name, path="/usr/bin:/bin"))]
        image.add_programs([python, *programs])
        image.add_link("/usr/local/bin/python3", python)
        image.add_link("/usr/local/bin/python", python)
        image.add_own_files()
    return buffer.getvalue()


class _Image:
    """The tar archive of a file system. A path of this machine keeps its place, so what refers to it finds it."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._added: set[str] = set()
        self._objects: list[str] = []

    def add_library(self, stdlib: str) -> None:
        """Python's standard library; its extension modules need libraries too."""
        for folder, subfolders, names in os.walk(stdlib):
            subfolders[:] = [name for name in subfolders if name not in _LEFT_OUT and not name.startswith("config-")]
            for name in names:
                self.add_file(str(Path(folder, name)))
                if name.endswith(".so"):
                    self._objects.append(str(Path(folder, name)))

    def add_programs(self, programs: Iterable[str]) -> None:
        """Programs, and the shared libraries that they and the extension modules load."""
        objects = [*programs, *self._objects]
        for path in [*objects, *_libraries(objects)]:
            self.add_file(path)

    def add_file(self, path: str) -> None:
        """A file at the place where it truly is, and a link from where it is looked for."""
        true = os.path.realpath(path)
        if true not in self._added:
            self._add_folders(true)
            self._added.add(true)
            member = self._tar.gettarinfo(true, arcname=true.lstrip("/"))
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if os.access(true, os.X_OK) else 0o644
            # Two names of one file would be a link to a name that may not be here.
            member.type, member.linkname, member.size = tarfile.REGTYPE, "", Path(true).stat().st_size
            with Path(true).open("rb") as file:
                self._tar.addfile(member, file)
        seen = str(Path(os.path.realpath(Path(path).parent), Path(path).name))
        if seen != true:
            self.add_link(seen, true)

    def add_link(self, path: str, target: str) -> None:
        """A symbolic link."""
        if path not in self._added:
            self._add_folders(path)
            self._added.add(path)
            self._tar.addfile(_member(path, tarfile.SYMTYPE, linkname=target))

    def add_own_files(self) -> None:
        """The few files and folders that a system is expected to have."""
        for name in ("/bin", "/lib", "/lib32", "/lib64", "/sbin"):
            if Path(name).is_symlink():
                self.add_link(name, str(Path(name).readlink()))
        for name, text in _FILES.items():
            self._add_folders(f"/{name}")
            data = text.encode()
            self._tar.addfile(_member(name, tarfile.REGTYPE, size=len(data)), io.BytesIO(data))
        for name, mode in (("tmp", 0o1777), ("workspace", 0o777)):
            self._tar.addfile(_member(name, tarfile.DIRTYPE, mode=mode))

    def _add_folders(self, path: str) -> None:
        for folder in reversed(Path(path).parents):
            if str(folder) not in ("/", *self._added):
                self._added.add(str(folder))
                self._tar.addfile(_member(str(folder), tarfile.DIRTYPE))


def _member(path: str, kind: bytes, *, mode: int = 0o755, linkname: str = "", size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path.lstrip("/"))
    member.type, member.mode, member.linkname, member.size = kind, mode, linkname, size
    return member


def _libraries(objects: list[str]) -> set[str]:
    """The paths of the shared libraries that these programs and libraries load, the loader included."""
    shown = subprocess.run(["ldd", *objects], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607  # the system's own ldd, of files of this Python
    return set(re.findall(r"(/\S+) \(0x", shown))
