"""What really happened outside the conversation, written where no kill can unwrite it, and a trap to be killed in."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

How = Literal["kill", "hang"]


@dataclass(frozen=True)
class Evidence:
    """An append-only log of one run's calls. A call is one line, written before the call does anything else.

    `trap` is the number (from 1, over all processes) of the call in which this process dies by its own SIGKILL,
    or hangs until somebody kills it, or notes "go on".
    """

    path: Path
    trap: int = 0
    how: How = "kill"

    def call(self, label: str) -> None:
        """Note that `label` happens now; in the trap, do not come back."""
        number = self._write(label)
        if number == self.trap:
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            self._write("# hanging")
            while "go on" not in self.notes():
                time.sleep(0.005)

    def note(self, remark: str) -> None:
        """Write a line that is not a call."""
        self._write(f"# {remark}")

    def calls(self) -> list[str]:
        """The labels of all calls so far, in order."""
        return [line for line in self._lines() if not line.startswith("#")]

    def counted(self) -> Counter[str]:
        """How often each call has happened."""
        return Counter(self.calls())

    def notes(self) -> list[str]:
        """The remarks so far, in order."""
        return [line.removeprefix("# ") for line in self._lines() if line.startswith("#")]

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def _write(self, line: str) -> int:
        """Append a line; say how many calls there are with it. Branches that call at the same moment get different numbers."""
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.write(handle, f"{line}\n".encode())
            return len(self.calls())
        finally:
            os.close(handle)
