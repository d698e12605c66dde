"""What OpenTelemetry's environment variables ask for, for programs that configure nothing themselves: the command line.

Read are `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER`, `OTEL_EXPORTER_OTLP_*` and
`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`; the SDK and its exporters read the others. Where a provider is there already (the
program runs under `opentelemetry-instrument`), that is used.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

from convgraph.errors import MissingDependency
from convgraph.telemetry import disable, enable

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_SIGNALS = ("TRACES", "METRICS")


@contextmanager
def enabled_as_asked(environment: Mapping[str, str] = os.environ) -> Generator[None]:
    """Have runs traced and measured as the environment asks for, as long as the block goes on; what is collected is sent at its end.

    Raises `MissingDependency` where the environment asks for what is not installed.
    """
    wanted = {signal: _exporters(environment, signal) for signal in _SIGNALS}
    if _is_true(environment.get("OTEL_SDK_DISABLED")) or not any(wanted.values()):
        yield
        return
    try:
        from opentelemetry import trace
    except ModuleNotFoundError:
        raise MissingDependency("OTEL_… asks for telemetry: pip install 'convgraph[otel]' opentelemetry-sdk") from None
    content = _is_true(environment.get(CONTENT))
    made: Sequence[Any] = ()
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        tracers, meters = _providers(environment, wanted)
        made = tracers, meters
        enable(tracer_provider=tracers, meter_provider=meters, content=content)
    else:
        enable(content=content)
    try:
        yield
    finally:
        disable()
        for provider in made:
            provider.shutdown()


def _providers(environment: Mapping[str, str], wanted: Mapping[str, Sequence[str]]) -> tuple[Any, Any]:
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        raise MissingDependency("OTEL_… asks for telemetry, which needs OpenTelemetry's SDK: pip install opentelemetry-sdk") from None
    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if named else {"service.name": "convgraph"})
    tracers = TracerProvider(resource=resource)
    for name in wanted["TRACES"]:
        tracers.add_span_processor(BatchSpanProcessor(_exporter(environment, "TRACES", name)))
    readers = [PeriodicExportingMetricReader(_exporter(environment, "METRICS", name)) for name in wanted["METRICS"]]
    return tracers, MeterProvider(readers, resource=resource)


def _exporters(environment: Mapping[str, str], signal: str) -> Sequence[str]:
    """The names of the exporters that are asked for; without any, OTLP where an endpoint is named."""
    names = environment.get(f"OTEL_{signal}_EXPORTER", "")
    if not names and (environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environment.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")):
        return ("otlp",)
    return [name.strip() for name in names.split(",") if name.strip() not in ("", "none")]


def _exporter(environment: Mapping[str, str], signal: str, name: str) -> Any:
    """An exporter by its name, from whichever package brings it."""
    if name == "otlp":
        protocol = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
        name = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    for found in entry_points(group=f"opentelemetry_{signal.lower()}_exporter", name=name):
        return found.load()()
    package = f"opentelemetry-exporter-{name.replace('_', '-')}"
    raise MissingDependency(f"OTEL_… asks for the exporter {name!r}, which is not installed: pip install {package}")


def _is_true(text: str | None) -> bool:
    return text is not None and text.strip().lower() in ("true", "1", "span_only", "span_and_event")
