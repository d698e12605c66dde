"""A limit that processes share: together they keep to it, whatever each of them does."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from convgraph import SharedRateLimit
from convgraph.errors import InputError, StoreUnavailable
from convgraph.models.openai_chat import OpenAIChatModel
from tests.knowledge.postgres_cluster import emptied, postgres_cluster

ROOT = Path(__file__).parents[2]

ASKING = """
import asyncio, sys, time
from convgraph import SharedRateLimit

async def main():
    limit = SharedRateLimit(sys.argv[1], "model", 50)
    await limit.admit(1)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(20):
        admission = await limit.admit(1)
        print(admission.at, flush=True)
    limit.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A PostgreSQL server of the tests' own."""
    with postgres_cluster() as url:
        yield url


@pytest.fixture
def url(cluster: str) -> str:
    """A database with nothing of ours in it."""
    return emptied(cluster)


def test_two_processes_keep_to_it_together(url: str) -> None:
    command = [sys.executable, "-c", ASKING, url]
    pipe = subprocess.PIPE
    asking = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for process in asking:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in asking:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    times = sorted(float(line) for process in asking for line in process.communicate(timeout=30)[0].split())
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]

    assert len(times) == 40
    assert min(gaps) >= 0.02 - 1e-6
    assert times[-1] - times[0] < 2 * 39 * 0.02, "and they need not wait much longer than the limit says"


def test_tokens_of_all_count_and_what_an_answer_says_counts_instead(url: str) -> None:
    async def scenario() -> None:
        one, other = SharedRateLimit(url, "model", None, 100), SharedRateLimit(url, "model", None, 100)
        first = await one.admit(60)
        await other.admit(40)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.admit(30), 0.1)
        first.settle(10)
        one.close()
        await asyncio.wait_for(other.admit(30), 1)
        other.close()

    asyncio.run(scenario())


def test_limits_of_other_names_and_namespaces_are_others(url: str) -> None:
    async def scenario() -> None:
        limits = [SharedRateLimit(place, name, 0.01) for place, name in ((url, "a"), (url, "b"), (f"{url}&namespace=x", "a"))]
        for limit in limits:
            await asyncio.wait_for(limit.admit(1), 5)
            limit.close()

    asyncio.run(scenario())


def test_a_connection_that_was_lost_is_made_again(url: str) -> None:
    async def scenario() -> None:
        limit = SharedRateLimit(url, "model", 1000)
        await limit.admit(1)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await limit.admit(1)
        limit.close()

    asyncio.run(scenario())


def test_it_is_a_models_limit_and_no_part_of_what_the_model_is(url: str) -> None:
    limit = SharedRateLimit(url, "model", 5)
    limited, free = (OpenAIChatModel("m", api_key="k", base_url="http://localhost:1/v1", rate_limit=one) for one in (limit, None))
    limit.close()

    assert limited.describe() == free.describe()


def test_what_is_no_place_and_no_name_is_refused_and_a_server_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name"):
        SharedRateLimit("postgresql://localhost/x", "")
    with pytest.raises(InputError, match="port"):
        SharedRateLimit("postgresql://host:notaport/db", "a")
    away = SharedRateLimit(f"postgresql://me:secret@/x?host={tmp_path}", "a", 1)
    with pytest.raises(StoreUnavailable, match="cannot be looked at") as error:
        asyncio.run(away.admit(1))
    away.close()

    assert "secret" not in str(error.value)
