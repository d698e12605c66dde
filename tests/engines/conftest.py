"""Where the runs of workers are: a file for one host, PostgreSQL for many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.knowledge.postgres_cluster import new_database, postgres_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A PostgreSQL server of the tests' own."""
    with postgres_cluster() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that nobody has used."""
    return str(tmp_path / "runs.db") if request.param == "sqlite" else new_database(request.getfixturevalue("cluster"))
