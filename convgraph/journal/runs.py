"""What stores and those who use them tell each other of runs: how one is made and listed, what it asks, and who may write it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from convgraph.journal.sealing import UNSEALED, RunSeal

RunStatus: TypeAlias = Literal["ready", "running", "interrupted", "finished", "stuck", "waiting", "limited", "cancelled", "failed"]
STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)
ENDED: frozenset[RunStatus] = frozenset({"finished", "stuck"})
LEASE_SECONDS = 15.0
DEFAULT_QUEUE = "default"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as a store lists it. Times are seconds since 1970.

    `status` is a `RunResult`'s, or `ready` (made by a fork, not yet run), `running`, or `interrupted` (its
    owner has died; it can be resumed). `parent` and `parent_step` say what it was forked from. `queue` and `priority` say
    which workers go on with it, and how soon: the smaller, the sooner. `labels` are what people have called it, in order.
    """

    run_id: str
    graph: str
    status: RunStatus
    reason: str = ""
    fingerprint: str = ""
    created: float = 0.0
    updated: float = 0.0
    epoch: int = 0
    owner: str = ""
    parent: str = ""
    parent_step: int = 0
    target: str = ""
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question that waits for a person, or whose answer waits for its run to be resumed (`answered`).

    `node` is whose question it is: the name of the node that asks, or of the person that it asks for. What the clock is to
    answer has a time at which it is `due`.
    """

    run_id: str
    id: str
    prompt: str
    schema: Mapping[str, Any]
    node: str
    path: str
    asked: float
    answered: bool = False
    answer: Any = None
    due: float | None = None


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a store needs to make a run. `parent` and `parent_seq` name the prefix that a fork shares; `labels` are checked ones."""

    run_id: str
    graph: str
    fingerprint: str
    target: str = ""
    parent: str = ""
    parent_seq: int = 0
    parent_step: int = 0
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    labels: tuple[str, ...] = ()


@dataclass(slots=True)
class Claim:
    """The right to write one run: valid as long as nobody has claimed it with a higher epoch.

    `renewed` is on the monotonic clock; `seal` is how what the run holds is written.
    """

    run_id: str
    key: int
    epoch: int
    next_seq: int
    renewed: float = field(default_factory=time.monotonic)
    seal: RunSeal = field(default=UNSEALED, repr=False)
