"""Spans that are made when somebody first looks at them: their times are true, and nobody waits for the bookkeeping of a tracer.

Whoever asks for the current span finds one of these, and a child's tracer asks it for its context: then it is made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.trace import Span, SpanContext, Status, StatusCode


class LazySpan(Span):
    """A span that `make` makes, once, whichever thread is first. `lock` is one that may be taken again: a span makes its parent."""

    __slots__ = ("_lock", "_make", "_span")

    def __init__(self, make: Callable[[], Span], lock: threading.RLock) -> None:
        self._make = make
        self._lock = lock
        self._span: Span | None = None

    @property
    def made(self) -> Span:
        """The span itself."""
        if self._span is None:
            with self._lock:
                if self._span is None:
                    self._span = self._make()
        return self._span

    def end(self, end_time: int | None = None) -> None:
        self.made.end(end_time)

    def get_span_context(self) -> SpanContext:
        return self.made.get_span_context()

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.made.set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self.made.set_attribute(key, value)

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
