"""A container is made as asked, kept if asked, and removed even when its maker was killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from convgraph.coding import CodeBlock, DockerCommandLineCodeExecutor, build_sandbox_image, default_executor
from convgraph.errors import ExecutorUnavailable, InputError

pytestmark = pytest.mark.anyio

MAKER = """
import asyncio, sys
from convgraph.coding import DockerCommandLineCodeExecutor
executor = DockerCommandLineCodeExecutor(work_dir=sys.argv[1])
async def main():
    await executor.start()
    print("started", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


def containers_with(engine: docker.DockerClient, folder: Path) -> list[Any]:
    return engine.containers.list(all=True, filters={"volume": str(folder)}, ignore_removed=True)


async def test_one_container_serves_all_calls_of_an_executor(engine: docker.DockerClient, tmp_path: Path) -> None:
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work") as executor:
        names = [(await executor.execute([CodeBlock("sh", "cat /etc/hostname")])).output for _ in range(2)]
        [container] = containers_with(engine, tmp_path / "work")
        assert names == [container.short_id + "\n"] * 2
        limits = container.attrs["HostConfig"]
        assert (limits["ReadonlyRootfs"], limits["NetworkMode"], limits["CapDrop"]) == (True, "none", ["ALL"])
        assert (limits["PidsLimit"], limits["NanoCpus"], limits["Memory"], limits["MemorySwap"]) == (64, 10**9, 512 << 20, 512 << 20)
    assert containers_with(engine, tmp_path / "work") == []


async def test_a_container_is_kept_if_asked(engine: docker.DockerClient, tmp_path: Path) -> None:
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work", keep=True) as executor:
        await executor.execute([CodeBlock("sh", "true")])
    [container] = containers_with(engine, tmp_path / "work")
    assert container.status == "exited"
    container.remove()


async def test_the_network_is_there_when_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket\nsocket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2)\nprint('in')"
        async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work", network="host") as executor:
            assert (await executor.execute([CodeBlock("python", code)])).output == "in\n"


async def test_the_container_of_a_killed_process_is_removed_by_the_next(engine: docker.DockerClient, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", MAKER, str(tmp_path / "dead")], stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "started\n"
        assert len(containers_with(engine, tmp_path / "dead")) == 1
        os.kill(maker.pid, signal.SIGKILL)
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "next"):
        assert containers_with(engine, tmp_path / "dead") == []
        assert len(containers_with(engine, tmp_path / "next")) == 1


async def test_a_cancelled_call_ends_its_code_and_the_executor_goes_on(tmp_path: Path) -> None:
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work") as executor:
        call = asyncio.create_task(executor.execute([CodeBlock("sh", "touch begun; sleep 60")]))
        while not (tmp_path / "work/begun").exists():
            await asyncio.sleep(0.02)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert "sleep 60" not in (await executor.execute([CodeBlock("sh", "ps -A -o args | grep -v grep")])).output


async def test_no_time_at_all_is_a_timeout(tmp_path: Path) -> None:
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work") as executor:
        for _ in range(3):
            assert (await executor.execute([CodeBlock("sh", "sleep 60")], timeout=0)).timed_out
        assert (await executor.execute([CodeBlock("sh", "echo usable")])).output == "usable\n"


async def test_an_image_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    executor = default_executor(work_dir=tmp_path / "work", use_docker="localhost:1/no/such-image:1")
    with pytest.raises(ExecutorUnavailable, match="no/such-image"):
        await executor.execute([CodeBlock("sh", "true")])


async def test_a_folder_that_is_roots_is_not_given_away(tmp_path: Path) -> None:
    """The tests run as root where they start their own engine; elsewhere the folder is the user's, and code runs as that user."""
    executor = DockerCommandLineCodeExecutor(work_dir=tmp_path)
    if tmp_path.stat().st_uid == 0:
        with pytest.raises(InputError, match="belongs to root"):
            await executor.execute([CodeBlock("sh", "true")])
        assert tmp_path.stat().st_uid == 0
    else:
        assert (await executor.execute([CodeBlock("sh", "id -u")])).output == f"{tmp_path.stat().st_uid}\n"
    await executor.stop()


def test_the_sandbox_image_is_made_once(engine: docker.DockerClient) -> None:
    tag = build_sandbox_image(engine)
    made = engine.images.get(tag).id
    assert build_sandbox_image() == tag
    assert engine.images.get(tag).id == made
