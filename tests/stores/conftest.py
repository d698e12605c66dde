"""Every store there is, for the tests that all stores have to pass. A new kind of store joins by a line in `STORES`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convgraph import open_store
from convgraph.journal.keyring import Keyring
from convgraph.journal.store import Store
from tests.knowledge.postgres_cluster import new_database, postgres_cluster

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: open_store(":memory:"),
    "sqlite": lambda folder: open_store(folder / "runs.db", synchronous="NORMAL"),
    "encrypted sqlite": lambda folder: open_store(folder / "runs.db", synchronous="NORMAL", keys=Keyring.new("a")),
}


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A PostgreSQL server of the tests' own."""
    with postgres_cluster() as url:
        yield url


@pytest.fixture
def database(cluster: str) -> str:
    """A database that nobody has used."""
    return new_database(cluster)


@pytest.fixture(params=[*STORES, "postgres", "encrypted postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    keys = Keyring.new("a") if request.param == "encrypted postgres" else None
    postgres = request.param not in STORES
    with open_store(request.getfixturevalue("database"), keys=keys) if postgres else STORES[request.param](tmp_path) as store:
        yield store
