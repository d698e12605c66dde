"""An executor is a definition; each conversation opens a session of it, which is made at first use and ends with the conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from convgraph.coding import (
    BubblewrapCodeExecutor,
    CodeBlock,
    CodeExecutor,
    DockerCommandLineCodeExecutor,
    JupyterCodeExecutor,
    LocalCommandLineCodeExecutor,
)

pytestmark = pytest.mark.anyio
KINDS = [LocalCommandLineCodeExecutor, BubblewrapCodeExecutor, DockerCommandLineCodeExecutor, JupyterCodeExecutor]


@pytest.mark.parametrize("make", KINDS)
async def test_conversations_at_once_have_nothing_in_common(make: Callable[..., Any]) -> None:
    executor: CodeExecutor = make(work_dir=None, timeout=30)

    async def converse(word: str) -> str:
        async with executor.session() as own:
            await own.execute([CodeBlock("sh", f"echo {word} >> words")])
            return (await own.execute([CodeBlock("sh", "cat words")])).output

    assert await asyncio.gather(converse("one"), converse("two")) == ["one\n", "two\n"]


@pytest.mark.parametrize("make", KINDS)
async def test_a_session_that_its_owner_opened_is_shared_and_stays_open(make: Callable[..., Any], tmp_path: Path) -> None:
    async with make(work_dir=tmp_path / "work", timeout=30) as executor:
        async with executor.session() as own:
            assert own is executor
        assert (await executor.execute([CodeBlock("sh", "echo usable")])).output == "usable\n"


async def test_a_conversation_that_runs_no_code_makes_no_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work").session():
        pass
    assert not (tmp_path / "work").exists()


async def test_one_session_has_one_container_and_its_end_removes_it(tmp_path: Path) -> None:
    client = docker.from_env()
    executor = DockerCommandLineCodeExecutor(work_dir=tmp_path / "work")
    listed: Any = {"all": True, "filters": {"volume": str(tmp_path / "work")}, "ignore_removed": True}
    async with executor.session() as own:
        for _ in range(2):
            assert (await own.execute([CodeBlock("sh", "true")])).exit_code == 0
        assert len(client.containers.list(**listed)) == 1
    assert client.containers.list(**listed) == []
    client.close()


@pytest.mark.parametrize("make", KINDS)
async def test_a_definition_is_plain_json_and_opening_does_not_change_it(make: Callable[..., Any]) -> None:
    executor = make(work_dir=None)
    described = json.dumps(executor.describe())
    async with executor:
        assert json.dumps(executor.describe()) == described
    assert json.loads(described)["type"] == make.__name__
