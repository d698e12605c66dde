# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""What a run may be called, and the queue that it is in; and which numbers are priorities."""

from __future__ import annotations

import re
from typing import Any

from convgraph.errors import InputError

MOST_PRIORITY = 1000


def check_run_id(run_id: Any) -> str:
    """Raise `InputError` unless this can be a run's id."""
    if not isinstance(run_id, str) or not run_id or len(run_id) > 200 or not run_id.isprintable():
        raise InputError(f"run_id={run_id!r:.100} cannot be a run's id; use 1 to 200 printable characters")
    return run_id


def check_queue(queue: Any) -> str:
    """Raise `InputError` unless this can be the name of a queue: a word of letters, digits, `-` and `_`."""
    if not isinstance(queue, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", queue):
        raise InputError(f"a queue is called by up to 40 letters, digits, - and _, not {queue!r:.100}")
    return queue


def check_priority(priority: Any) -> int:
    """Raise `InputError` unless this can be a priority."""
    if isinstance(priority, bool) or not isinstance(priority, int) or not -MOST_PRIORITY <= priority <= MOST_PRIORITY:
        raise InputError(f"priority={priority!r:.100} is not a whole number from {-MOST_PRIORITY} to {MOST_PRIORITY}")
    return priority
