"""Whether a difference between two sets of paired scores is more than noise: plain numbers, the same each time they are asked for."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

SEED = 20_240_501
EXACT = 14
"""Up to so many differences every way of turning their signs is tried; of more, a sample."""
SAMPLES = 10_000
LEVEL = 0.05
_EQUAL = 1e-12


@dataclass(frozen=True, slots=True)
class Noise:
    """A mean difference, and what can be said of it.

    `p` is how often a difference at least as large comes up where the two do not differ and chance alone decides which of the
    two scores of a case is whose (a paired sign-flip test). `low` and `high` bound the difference in 95 of 100 drawings of as
    many cases from these (a paired bootstrap). `pairs` is how many pairs there are.
    """

    difference: float
    p: float
    low: float
    high: float
    pairs: int

    @property
    def is_noise(self) -> bool:
        """Whether chance alone would do: the difference is not to be relied on."""
        return self.p > LEVEL

    def __str__(self) -> str:
        if abs(self.difference) <= _EQUAL:
            return "no difference"
        numbers = (
            f"{self.difference:+.3f}, p = {self.p:.3f}, 95 % of resamples from {self.low:+.3f} to {self.high:+.3f}, {self.pairs} pairs"
        )
        return f"{'may be noise' if self.is_noise else 'more than noise'} ({numbers})"


def noise(differences: Sequence[float], weights: Sequence[float] | None = None, seed: int = SEED) -> Noise:
    """What can be said of these differences, one a pair, each with a weight. Equal calls give equal numbers."""
    shares = [1.0] * len(differences) if weights is None else list(weights)
    scaled = [difference * share for difference, share in zip(differences, shares, strict=True)]
    total = sum(shares)
    if not differences:
        return Noise(0.0, 1.0, 0.0, 0.0, 0)
    chance = random.Random(seed)
    low, high = _bootstrap(scaled, shares, chance)
    return Noise(sum(scaled) / total, _sign_flips(scaled, chance), low, high, len(scaled))


def _sign_flips(scaled: Sequence[float], chance: random.Random) -> float:
    """The share of the ways of turning signs whose sum is at least as far from zero. Pairs that do not differ say nothing."""
    sizes = [abs(value) for value in scaled if abs(value) > _EQUAL]
    observed = abs(sum(scaled)) - _EQUAL
    if not sizes:
        return 1.0
    if len(sizes) <= EXACT:
        sums = [
            abs(sum(sign * size for sign, size in zip(signs, sizes, strict=True)))
            for signs in itertools.product((1, -1), repeat=len(sizes))
        ]
        return sum(each >= observed for each in sums) / len(sums)
    hits = sum(abs(sum(size if chance.random() < 0.5 else -size for size in sizes)) >= observed for _ in range(SAMPLES))
    return (hits + 1) / (SAMPLES + 1)


def _bootstrap(scaled: Sequence[float], shares: Sequence[float], chance: random.Random) -> tuple[float, float]:
    places = range(len(scaled))
    means: list[float] = []
    for _ in range(SAMPLES // 5):
        drawn = chance.choices(places, k=len(scaled))
        means.append(sum(scaled[place] for place in drawn) / sum(shares[place] for place in drawn))
    means.sort()
    return means[int(0.025 * len(means))], means[int(0.975 * len(means)) - 1]
