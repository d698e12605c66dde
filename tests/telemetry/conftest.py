"""OpenTelemetry's own SDK, with what it exports kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from convgraph import telemetry


class Collected:
    """What was exported. Spans by name; metrics as sums by name and attributes."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def enable(self, *, content: bool = False) -> None:
        telemetry.enable(tracer_provider=self.tracers, meter_provider=self.meters, content=content)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        found = self.named(name)
        assert len(found) == 1, sorted(span.name for span in self.spans)
        return found[0]

    def tree(self) -> list[str]:
        """Every span as the names on the way to it, sorted."""
        by_id = {span.context.span_id: span for span in self.spans if span.context is not None}

        def way(span: ReadableSpan) -> str:
            outer = by_id.get(span.parent.span_id) if span.parent is not None else None
            return f"{way(outer)} > {span.name}" if outer is not None else span.name

        return sorted(map(way, self.spans))

    def points(self, name: str) -> list[Any]:
        """The series of a metric."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data is not None else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def metric(self, name: str) -> list[tuple[dict[str, Any], float]]:
        """The attributes and the sum of each series."""
        return [(dict(point.attributes or {}), getattr(point, "sum", getattr(point, "value", 0))) for point in self.points(name)]


@pytest.fixture
def collected() -> Iterator[Collected]:
    """Telemetry that is enabled, without content."""
    made = Collected()
    made.enable()
    yield made
    telemetry.disable()
