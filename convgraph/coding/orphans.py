"""Containers whose maker died before it could remove them: told by a label, removed by the next executor that starts."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

OWNER_LABEL = "convgraph.owner"


def owner() -> str:
    """This process: machine, number and start time, because numbers are used again."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def remove_orphans(client: docker.DockerClient) -> None:
    """Remove the containers of dead processes of this machine. Those that were to be kept stay."""
    from docker.errors import APIError, NotFound

    for container in client.containers.list(all=True, filters={"label": ["convgraph=executor", OWNER_LABEL]}, ignore_removed=True):
        if _is_dead(container.labels[OWNER_LABEL]):
            try:
                container.remove(force=True, v=True)
            except NotFound:
                continue
            except APIError as error:
                if error.status_code != 409:  # somebody else is removing it
                    raise


def _is_dead(owner_label: str) -> bool:
    machine, number, started = owner_label.rsplit(":", 2)
    return machine == socket.gethostname() and started != "" and _started(int(number)) != started


def _started(process: int) -> str:
    """When the process started, in the kernel's ticks; empty when there is none, or where the kernel does not say."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]
