"""What all tests share: one async backend, no real endpoint by accident, the same examples on every machine."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("default")

_LEADS_OUTSIDE = ("OPENAI_", "AZURE_OPENAI_", "CONVGRAPH_")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, which is what convgraph runs on."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_endpoint_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or an address in the developer's environment must never make a test call a real model."""
    for name in os.environ:
        if name.startswith(_LEADS_OUTSIDE):
            monkeypatch.delenv(name)
