"""Counting in any thread, at the price of an addition: whoever wants to know looks at the sums."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]


class Count:
    """A sum for each set of labels."""

    def __init__(self) -> None:
        self._sums: defaultdict[Labels, float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, amount: float, *labels: tuple[str, str]) -> None:
        """Add to the sum of these labels."""
        with self._lock:
            self._sums[labels] += amount

    def sums(self) -> Sequence[tuple[Labels, float]]:
        """The sums so far, by their labels."""
        with self._lock:
            return sorted(self._sums.items())
