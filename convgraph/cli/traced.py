"""Runs of the command line are traced where OpenTelemetry's environment variables ask for it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from convgraph.cli.output import complain


@contextmanager
def traced() -> Generator[None]:
    """Trace and measure what the block runs, if the environment says so. What is missing for it is said, and stops nothing.

    The variables are often set for a whole host: a run does not fail for them.
    """
    with ExitStack() as stack:
        if any(name.startswith("OTEL_") for name in os.environ):
            from convgraph.errors import MissingDependency
            from convgraph.telemetry.environment import enabled_as_asked

            try:
                stack.enter_context(enabled_as_asked())
            except MissingDependency as error:
                complain(f"not traced: {error}")
        yield
