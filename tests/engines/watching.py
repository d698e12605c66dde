"""Seeing from outside what becomes of runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from convgraph.journal.store import Store


def until(done: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, "it has not come to pass"
        time.sleep(0.05)
    return found


def statuses(store: Store) -> Counter[str]:
    """How many runs have which status."""
    return Counter(info.status for info in store.runs())
