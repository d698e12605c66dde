"""Spans and metrics of runs, through OpenTelemetry's API: off until it is enabled.

::

    from convgraph import telemetry

    telemetry.enable()  # the providers that the program has configured, or those given here

Needs `opentelemetry-api` (`pip install 'convgraph[otel]'`); where spans and metrics go, the program says, as for all of OpenTelemetry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convgraph.errors import MissingDependency
from convgraph.runtime.observing import observe, observe_no_more, observers

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["disable", "enable"]


def enable(*, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None, content: bool = False) -> None:
    """Have the runs that this process begins, or goes on with, from now on traced and measured.

    Without providers, the global ones are used. With `content`, spans also hold what was said: messages, instructions, the arguments
    and results of tools, the words of errors (without the secrets of a run's `deps`, as in its journal). Enabling again replaces what
    was enabled before. Raises `MissingDependency` without OpenTelemetry's API.
    """
    try:
        from convgraph.telemetry.observer import Telemetry
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("opentelemetry"):
            raise
        raise MissingDependency("traces and metrics need opentelemetry-api: pip install 'convgraph[otel]'") from None
    made = Telemetry(tracer_provider, meter_provider, content=content)
    disable()
    observe(made)


def disable() -> None:
    """Trace and measure no more. Runs that are under way are traced to their end."""
    for observer in observers():
        if getattr(observer, "is_telemetry", False):
            observe_no_more(observer)
