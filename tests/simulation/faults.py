"""Which faults a schedule has: decided by its seed, at every point where a process touches something outside itself."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Fault: TypeAlias = Literal["none", "refused", "lost", "stall", "cut", "crash", "pause"]

RATES: Mapping[Fault, tuple[float, ...]] = {
    "refused": (0.0, 0.02, 0.1),
    "lost": (0.0, 0.02, 0.1),
    "stall": (0.0, 0.01, 0.03),
    "cut": (0.0, 0.0, 0.01),
    "crash": (0.0, 0.005, 0.02),
    "pause": (0.0, 0.005, 0.02),
}
"""How often each may come, per touch. Each schedule takes one of each: so some have one kind of fault alone, and much of it."""


@dataclass(slots=True)
class Faults:
    """The faults of one schedule, until `quiet`."""

    chance: random.Random
    rates: Mapping[Fault, float]
    quiet: bool = False
    over: bool = False
    """The schedule has ended, and everything in it is being taken down."""

    @classmethod
    def of(cls, chance: random.Random) -> Faults:
        return cls(chance, {fault: chance.choice(rates) for fault, rates in RATES.items()})

    def next(self) -> Fault:
        """What goes wrong at this touch."""
        if self.quiet:
            return "none"
        drawn = self.chance.random()
        for fault, rate in self.rates.items():
            if drawn < rate:
                return fault
            drawn -= rate
        return "none"

    async def the_end(self) -> None:
        """Wait for the end of the schedule."""
        await asyncio.get_running_loop().create_future()

    def latency(self) -> float:
        """How long one way takes, in seconds."""
        return self.chance.choice((0.0, 0.001, 0.02, 0.2))

    def outage(self) -> float:
        """How long something is away, in seconds: often for less than a lease, often for more."""
        return self.chance.choice((0.5, 2.0, 6.0, 15.0))
