"""Everywhere that facts can be, for the tests that have to pass in all of these places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from convgraph.knowledge.facts import FactStore, open_facts
from tests.knowledge.postgres_cluster import emptied, postgres_cluster

PLACES = ("memory", "sqlite", "postgresql")


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A PostgreSQL server for all tests of this process."""
    with postgres_cluster() as url:
        yield url


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL where no facts are yet."""
    if request.param == "postgresql":
        return emptied(request.getfixturevalue("cluster"))
    return ":memory:" if request.param == "memory" else str(tmp_path / "runs.db")


@pytest.fixture(params=PLACES[1:])
def lasting(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL where no facts are yet, and where they outlive the process."""
    return str(tmp_path / "runs.db") if request.param == "sqlite" else emptied(request.getfixturevalue("cluster"))


@pytest.fixture
def facts(place: str) -> Iterator[FactStore]:
    """An empty store in each place."""
    with open_facts(place) as opened:
        yield opened
