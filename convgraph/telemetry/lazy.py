"""Spans that are made when somebody first looks at them: their times are true, and nobody waits for the bookkeeping of a tracer.

Whoever asks for the current span finds one of these, and a child's tracer asks it for its context: then it is made. Where nobody
does, it is made when it is over, in one go with all that is known of it by then, which is what costs a tracer least.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, Tracer


class LazySpan(Span):
    """A span that is made once, in whichever thread is first. `lock` is one that may be taken again: a span makes its parent."""

    __slots__ = ("_about", "_began", "_kind", "_lock", "_name", "_outside", "_span", "_tracer")

    def __init__(
        self, tracer: Tracer, lock: threading.RLock, name: str, outside: Context, kind: SpanKind, about: dict[str, Any], began: int
    ) -> None:
        self._tracer = tracer
        self._lock = lock
        self._name = name
        self._outside = outside
        self._kind = kind
        self._about = about
        self._began = began
        self._span: Span | None = None

    @property
    def made(self) -> Span:
        """The span itself."""
        if self._span is None:
            with self._lock:
                if self._span is None:
                    self._span = self._tracer.start_span(self._name, self._outside, self._kind, self._about, start_time=self._began)
        return self._span

    def end(self, end_time: int | None = None) -> None:
        self.made.end(end_time)

    def get_span_context(self) -> SpanContext:
        return self.made.get_span_context()

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        with self._lock:
            if self._span is None:
                self._about.update(attributes)
                return
        self._span.set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self.set_attributes({key: value})

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        self.made.add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        self.made.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        self.made.update_name(name)

    def is_recording(self) -> bool:
        return self.made.is_recording()

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        self.made.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        self.made.record_exception(exception, attributes, timestamp, escaped)
