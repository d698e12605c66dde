"""A PostgreSQL server for the tests of encrypted stores, and each kind of place that a store can be in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.knowledge.postgres_cluster import new_database, postgres_cluster
from tests.security.encrypted_stores import Place


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A PostgreSQL server of the tests' own."""
    with postgres_cluster() as url:
        yield url


@pytest.fixture
def database(cluster: str) -> str:
    """A database that nobody has used."""
    return new_database(cluster)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a store can be, for each kind of database."""
    return Place(request.getfixturevalue("database") if request.param == "postgres" else str(tmp_path / "runs.db"))
