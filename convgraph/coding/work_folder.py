"""The folder that an executor's code works in: written to safely, and compared before and after."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from convgraph.errors import InputError

NOBODY = 65534
_MOST_FILES = 10_000


class WorkFolder:
    """A folder of the caller's (made if missing, kept), or a temporary one of our own (removed by `remove`)."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._asked = Path(path).absolute() if path is not None else None
        self._path: Path | None = None
        self._made = False

    @property
    def path(self) -> Path:
        """Where it is. It exists after `make`."""
        assert self._path is not None, "the folder is made before it is used"
        return self._path

    def make(self) -> None:
        """Make the folder, if it is not there."""
        if self._path is not None:
            return
        if self._asked is None:
            # Resolved, because a mount or a link check compares true paths (/tmp may be a link).
            self._path = Path(tempfile.mkdtemp(prefix="convgraph-code-")).resolve()
            self._made = True
            return
        self._made = not self._asked.exists()
        self._asked.mkdir(parents=True, exist_ok=True)
        self._path = self._asked.resolve()

    def remove(self) -> None:
        """Remove the folder if it is a temporary one. It can be made again."""
        if self._path is not None and self._asked is None:
            shutil.rmtree(self._path)
        self._path = None

    def user(self) -> tuple[int, int]:
        """The user and group for code that must not run as root: the folder's owner, or nobody where that is root.

        A new folder of root's, and one with nothing in it, is given to nobody. Raises `InputError` for one that root uses:
        nobody could not write to it, and it is not ours to give away.
        """
        status = self.path.stat()
        if status.st_uid != 0:
            return status.st_uid, status.st_gid
        if not self._made and any(self.path.iterdir()):
            raise InputError(
                f"work_dir {str(self.path)!r} belongs to root and is not empty, and sandboxed code runs as user {NOBODY}: "
                f"name a folder that is new or empty, or run `chown {NOBODY}:{NOBODY}` on this one"
            )
        os.chown(self.path, NOBODY, NOBODY)
        return NOBODY, NOBODY

    def write(self, name: str, content: str | bytes) -> None:
        """Write `content` to the file `name`, which stays within the folder whatever links earlier code left there.

        Raises `InputError` when it would not.
        """
        target = self.path / name
        if not _within(target, self.path) or target.is_dir():
            raise InputError(f"file name {name!r} leads out of the work folder, or is a folder: use another")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)

    def read(self, name: str, most: int) -> bytes:
        """The file `name` of the folder, of at most `most` bytes. Raises `InputError` for a larger one, a link, or none."""
        target = self.path / name
        try:
            if "\0" in name or not _within(target, self.path):
                raise InputError(f"file name {name!r} leads out of the work folder")
            descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise InputError(f"{name!r} cannot be read: {error.strerror}") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > most:
                raise InputError(f"{name!r} is no file, or larger than {most:,} bytes")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(most)
        finally:
            os.close(descriptor)

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """The regular files below the folder, each with its time and size. Links are not followed, nor listed."""
        found: dict[str, tuple[int, int]] = {}
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118  # ten thousand Paths would take longer than the walk
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode):
                    found[os.path.relpath(path, self.path)] = (status.st_mtime_ns, status.st_size)
                if len(found) >= _MOST_FILES:
                    return found
        return found


def _within(path: Path, folder: Path) -> bool:
    # Of the file's own link nothing is asked: it is replaced, not followed.
    return path.parent.resolve().is_relative_to(folder)
