"""The observer that makes spans and measurements of a process's runs."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace
from opentelemetry.trace import Link, SpanContext, TraceFlags

from convgraph.runtime.observing import Watched
from convgraph.telemetry import conventions as c
from convgraph.telemetry.meters import Meters
from convgraph.telemetry.spans import RunSpans

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Telemetry:
    """Watches runs by the global providers of OpenTelemetry, or by those given."""

    is_telemetry = True
    """So that it is found, and replaced, without OpenTelemetry having to be there."""

    def __init__(self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None, *, content: bool) -> None:
        release = version("convgraph")
        self._tracer = trace.get_tracer(c.SCOPE, release, tracer_provider)
        self._meters = Meters(metrics.get_meter(c.SCOPE, release, meter_provider))
        self._content = content

    def watch(self, run: Watched) -> RunSpans:
        """See `Observer.watch`. A run that is gone on with is a trace of its own, linked to that of its earlier part."""
        came_from = span_of(run.came_from)
        return RunSpans(self._tracer, self._meters, run, [Link(came_from)] if came_from is not None else [], content=self._content)

    def here(self) -> str:
        """See `Observer.here`."""
        return traceparent(trace.get_current_span().get_span_context())


def traceparent(span: SpanContext) -> str:
    """A span's context as W3C Trace Context spells it; nothing where nobody traces."""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}" if span.is_valid else ""


def span_of(text: str) -> SpanContext | None:
    """The span that a `traceparent` names; None for a text that names none."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    span = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return span if span.is_valid else None
