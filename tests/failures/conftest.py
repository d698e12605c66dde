"""Machines for workers, and the database that they share."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from convgraph import open_store
from convgraph.journal.store import Store
from tests.evidence import EVIDENCE
from tests.failures.database_server import DatabaseServer
from tests.failures.machines import Machines


@pytest.fixture(scope="session")
def server() -> Iterator[DatabaseServer]:
    """A PostgreSQL server that tests may restart."""
    made = DatabaseServer()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def own_hosts() -> bool:
    """Whether processes can have host names of their own. Where not, deaths are seen at once, and leases less is asked of."""
    return subprocess.run(["unshare", "--uts", "hostname", "somewhere"], capture_output=True, check=False).returncode == 0


@pytest.fixture(params=["local", pytest.param("dbos", marks=pytest.mark.long)])
def engine(request: pytest.FixtureRequest) -> str:
    """How workers find runs."""
    return request.param


@pytest.fixture
def machines(server: DatabaseServer, engine: str, own_hosts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    """No workers yet, on a database that nobody has used."""
    monkeypatch.setenv(EVIDENCE, str(tmp_path / "evidence"))
    made = Machines(server, server.new_database(), engine, tmp_path, own_hosts)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def runs_in(machines: Machines) -> Iterator[Store]:
    """The store of the machines' runs, past all cables."""
    with open_store(machines.url) as store:
        yield store
