"""What is counted and measured: tokens and durations by the conventions; turns, runs and cost besides.

What is only counted is counted here, and told when somebody collects: a turn is no place for an instrument's bookkeeping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from convgraph.messages import Usage
from convgraph.telemetry import conventions as c
from convgraph.telemetry.counts import Count

_NOWHERE = set_span_in_context(INVALID_SPAN, Context())
"""Where something is measured that is not kept as an example."""


def told(count: Count) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """A count as an instrument asks for it."""
    return lambda _: [Observation(amount, dict(about)) for about, amount in count.sums()]


class Meters:
    """The instruments of a process."""

    def __init__(self, meter: Meter) -> None:
        self._tokens = meter.create_histogram(
            c.TOKEN_USAGE, "{token}", "Tokens of a model call", explicit_bucket_boundaries_advisory=c.TOKEN_BUCKETS
        )
        self._seconds = meter.create_histogram(
            c.OPERATION_DURATION, "s", "Duration of a model call", explicit_bucket_boundaries_advisory=c.SECOND_BUCKETS
        )
        self._turns, self._runs, self._cost = Count(), Count(), Count()
        meter.create_observable_counter(c.TURNS, [told(self._turns)], "{turn}", "Turns made")
        meter.create_observable_counter(c.RUNS, [told(self._runs)], "{run}", "Runs that stopped, by how they did")
        meter.create_observable_counter(c.SPENT, [told(self._cost)], "USD", "What models were paid")

    def model_call(
        self, who: Mapping[str, Any], answered: str | None, usage: Usage, seconds: float, failed: str | None, where: Context
    ) -> None:
        """A model was asked, and `answered` is what it calls itself. An answer from a cache was no call: it has used nothing.

        `where` is the context of the call, so that a duration that is kept as an example leads to its span.
        """
        about = who if answered is None else {**who, c.RESPONSE_MODEL: answered}
        self._seconds.record(seconds, about if failed is None else {**about, c.ERROR_TYPE: failed}, where)
        if usage.calls:
            self._tokens.record(usage.input_tokens, {**about, c.TOKEN_TYPE: "input"}, _NOWHERE)
            self._tokens.record(usage.output_tokens, {**about, c.TOKEN_TYPE: "output"}, _NOWHERE)
        if usage.usd:
            self._cost.add(usage.usd, (c.PROVIDER, who[c.PROVIDER]), (c.REQUEST_MODEL, who[c.REQUEST_MODEL]))

    def turn(self, graph: str, node: str, failed: str | None) -> None:
        """A turn is over."""
        about = ((c.GRAPH_NAME, graph), (c.AGENT_NAME, node))
        self._turns.add(1, *about) if failed is None else self._turns.add(1, *about, (c.ERROR_TYPE, failed))

    def run(self, graph: str, status: str) -> None:
        """A run has stopped."""
        self._runs.add(1, (c.GRAPH_NAME, graph), (c.RUN_STATUS, status))
