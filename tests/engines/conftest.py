"""Where the runs of workers are: a file for one host, PostgreSQL for many."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.evidence import EVIDENCE
from tests.knowledge.postgres_cluster import new_database, postgres_cluster

ROOT = Path(__file__).parents[2]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A PostgreSQL server of the tests' own."""
    with postgres_cluster() as url:
        yield url


@pytest.fixture(params=["sqlite+local", pytest.param("postgres+local", marks=pytest.mark.long), "postgres+dbos"])
def combination(request: pytest.FixtureRequest) -> str:
    """A kind of store, and an engine."""
    return request.param


@pytest.fixture
def engine(combination: str) -> str:
    """The engine that the workers have."""
    return combination.partition("+")[2]


@pytest.fixture
def url(combination: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that nobody has used."""
    return str(tmp_path / "runs.db") if combination == "sqlite+local" else new_database(request.getfixturevalue("cluster"))


@pytest.fixture(autouse=True)
def _evidence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(EVIDENCE, str(tmp_path / "evidence"))


@pytest.fixture
def start(url: str, engine: str) -> Iterator[Start]:
    """Starts workers, and sees that none is left."""
    workers: list[subprocess.Popen[str]] = []

    def begin(*graphs: str, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        targets = [f"tests.engines.{'spread' if graph == 'spread' else 'served'}:{graph}" for graph in graphs]
        command = [sys.executable, "-m", "convgraph", "worker", *targets, "--store", url, "--engine", engine]
        command += ["--poll", "0.05", "--lease", "2", *options]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
        workers.append(worker)
        return worker

    yield begin
    for worker in workers:
        worker.kill()
        worker.wait()
        if worker.stdout is not None:
            worker.stdout.close()
