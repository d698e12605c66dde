"""Who owns a run: a process, named so that others on the same host can see at once whether it still lives."""

from __future__ import annotations

import os
import socket
import uuid
from functools import cache
from pathlib import Path


@cache
def _host() -> str:
    """This host, as far as process ids are concerned: its name, its boot, and the namespace that ids belong to."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        namespace = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:  # not Linux: the host's name has to do, and death is seen when the lease runs out
        return socket.gethostname()
    return f"{socket.gethostname()}/{boot}/{namespace}"


def _started(pid: int) -> str:
    """When the process began, in the kernel's ticks: a recycled process id has another value. Empty if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def new_owner() -> str:
    """A name for this process as an owner, with a part of its own for each store object."""
    pid = os.getpid()
    return f"{_host()}|{pid}|{_started(pid)}|{uuid.uuid4().hex[:8]}"


def has_died(owner: str) -> bool:
    """Whether it can be seen from here that the owner lives no more. False where it cannot be known."""
    host, pid, started, _ = [*owner.split("|"), "", "", ""][:4]
    if host != _host() or not started or not pid.isdigit():
        return False
    return _started(int(pid)) != started


def described(owner: str) -> str:
    """The owner for an error message."""
    host, pid, *_ = [*owner.split("|"), "?"]
    return f"process {pid} on {host.partition('/')[0]}"
