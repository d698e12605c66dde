"""What tokens cost: the providers' list prices as data, and the price of one answer.

A model that is not in the table has no price, and says so by `Model.priced`: nothing is ever taken to cost nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from convgraph.messages import Usage

logger = logging.getLogger(__name__)

LONG_CONTEXT = 272_000
"""Input tokens above which the models with a price for long contexts bill the whole request by that."""


class Price(NamedTuple):
    """US dollars for 1,000 tokens.

    `cached` is for input that the provider read from its prompt cache, `written` for input that it put there; where
    there is no such price, both cost what input costs. With `long`, a request above `LONG_CONTEXT` input tokens costs
    twice as much for its input, and half as much again for its output.
    """

    input: float
    output: float
    cached: float | None = None
    written: float | None = None
    long: bool = False


class Counted(NamedTuple):
    """The tokens of one answer as the provider counts them; those read from and written to its cache are input too."""

    input: int
    output: int
    cached: int = 0
    written: int = 0


def _per_million(input: float, output: float, cached: float | None = None, *, written: float | None = None, long: bool = False) -> Price:
    def per_thousand(usd: float | None) -> float | None:
        return None if usd is None else usd / 1000

    return Price(input / 1000, output / 1000, per_thousand(cached), per_thousand(written), long)


# https://developers.openai.com/api/docs/pricing, standard tier, as of November 2026. Models from gpt-5.6 on bill what they
# write to the prompt cache at 1.25 times their price for input.
LIST_PRICES: Mapping[str, Price] = {
    "gpt-6.2-astra": _per_million(8.00, 40.00, 0.40, written=10.00, long=True),
    "gpt-6.2-sol": _per_million(2.00, 10.00, 0.10, written=2.50, long=True),
    "gpt-6.1-sol": _per_million(2.00, 10.00, 0.10, written=2.50, long=True),
    "gpt-6.1-terra": _per_million(1.00, 5.00, 0.05, written=1.25, long=True),
    "gpt-6-astra": _per_million(10.00, 50.00, 1.00, written=12.50, long=True),
    "gpt-6-sol": _per_million(2.00, 10.00, 0.20, written=2.50, long=True),
    "gpt-6-luna": _per_million(0.10, 0.50, 0.01, written=0.125, long=True),
    "gpt-5.6-sol": _per_million(4.00, 20.00, 0.40, written=5.00, long=True),
    "gpt-5.6-terra": _per_million(2.00, 12.00, 0.20, written=2.50, long=True),
    "gpt-5.6-luna": _per_million(0.20, 1.20, 0.02, written=0.25, long=True),
    "gpt-5.5": _per_million(5.00, 30.00, 0.50, long=True),
    "gpt-5.4": _per_million(2.50, 15.00, 0.25, long=True),
    "gpt-5.4-mini": _per_million(0.75, 4.50, 0.075),
    "gpt-5.4-nano": _per_million(0.20, 1.25, 0.02),
    "gpt-5.2": _per_million(1.75, 14.00, 0.175),
    "gpt-5.1": _per_million(1.25, 10.00, 0.125),
    "gpt-5": _per_million(1.25, 10.00, 0.125),
    "gpt-5-mini": _per_million(0.25, 2.00, 0.025),
    "gpt-5-nano": _per_million(0.05, 0.40, 0.005),
    "gpt-4.1": _per_million(2.00, 8.00, 0.50),
    "gpt-4.1-mini": _per_million(0.40, 1.60, 0.10),
    "gpt-4.1-nano": _per_million(0.10, 0.40, 0.025),
    "o3": _per_million(2.00, 8.00, 0.50),
    "o4-mini": _per_million(1.10, 4.40, 0.275),
    "gpt-4o": _per_million(2.50, 10.00, 1.25),
    "gpt-4o-2024-05-13": _per_million(5.00, 15.00),
    "gpt-4o-mini": _per_million(0.15, 0.60, 0.075),
}

_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_STANDARD_TIERS = (None, "auto", "default", "standard")


def list_price(model: str) -> Price | None:
    """The list price of the model of exactly this name, or of the one that it is a dated version of; None if there is none."""
    return LIST_PRICES.get(model) or LIST_PRICES.get(_DATE.sub("", model))


def price_for(model: str, given: Price | None, params: Mapping[str, Any]) -> Price | None:
    """What `model` costs: the price that was given, else the list price, which holds for the standard service tier alone."""
    if given is not None:
        return given
    return list_price(model) if params.get("service_tier") in _STANDARD_TIERS else None


def as_price(given: Sequence[float] | float | None) -> Price | None:
    """A price as settings have it: US dollars for 1,000 tokens, `[input, output]` or one number for both."""
    if given is None:
        return None
    if isinstance(given, Price):
        return given
    return Price(given, given) if isinstance(given, int | float) else Price(given[0], given[1])


def usage_of(counted: Counted | None, price: Price | None, model: str) -> Usage:
    """The usage of one call to `model`, with what it costs where that is known."""
    if counted is None:
        if price is not None:
            logger.warning("%r did not say how many tokens its answer took: its price counts as nothing", model)
        return Usage(calls=1)
    usd = 0.0 if price is None else _usd(counted, price)
    return Usage(1, counted.input, counted.output, usd, counted.cached)


def _usd(counted: Counted, price: Price) -> float:
    cached = min(counted.cached, counted.input)
    written = min(counted.written, counted.input - cached)
    input_usd = (
        (counted.input - cached - written) * price.input
        + cached * (price.input if price.cached is None else price.cached)
        + written * (price.input if price.written is None else price.written)
    )
    output_usd = counted.output * price.output
    if price.long and counted.input > LONG_CONTEXT:
        input_usd, output_usd = 2 * input_usd, 1.5 * output_usd
    return (input_usd + output_usd) / 1000
