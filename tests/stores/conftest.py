"""Every store there is, for the tests that all stores have to pass. A new kind of store joins by a line in `STORES`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convgraph import open_store
from convgraph.journal.store import Store

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: open_store(":memory:"),
    "sqlite": lambda folder: open_store(folder / "runs.db", synchronous="NORMAL"),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with STORES[request.param](tmp_path) as store:
        yield store
