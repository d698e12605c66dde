"""A container is made as asked, kept if asked, and removed even when its maker was killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest
from docker.errors import NotFound

from convgraph.coding import CodeBlock, DockerCommandLineCodeExecutor, build_sandbox_image, default_executor
from convgraph.errors import ExecutorUnavailable, InputError

pytestmark = pytest.mark.anyio

MAKER = """
import sys
from convgraph.coding import CodeBlock, DockerCommandLineCodeExecutor
executor = DockerCommandLineCodeExecutor(work_dir=sys.argv[1], timeout=120)
executor.execute_code_blocks([CodeBlock("sh", f"touch begun; sleep {sys.argv[2]}")])
"""


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


def processes_with(command: str) -> list[str]:
    """The living processes of this machine, in whatever namespace, with this in their command lines."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if command.encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
    return found


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
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work", auto_remove=False) as executor:
        await executor.execute([CodeBlock("sh", "true")])
    [container] = containers_with(engine, tmp_path / "work")
    assert container.status == "exited"
    container.remove()


async def test_the_network_is_there_when_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket\nsocket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2)\nprint('in')"
        async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work", network="host") as executor:
            assert (await executor.execute([CodeBlock("python", code)])).output == "in\n"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_the_container_of_a_killed_process_ends_with_it(engine: docker.DockerClient, tmp_path: Path, end: signal.Signals) -> None:
    """Nobody comes after it to clean up: the engine removes it."""
    mark = f"{uuid4().int % 10**12 + 10**12}"
    with subprocess.Popen([sys.executable, "-c", MAKER, str(tmp_path / "dead"), mark], stdout=subprocess.PIPE) as maker:
        while not (tmp_path / "dead/begun").exists():
            await asyncio.sleep(0.02)
        assert len(containers_with(engine, tmp_path / "dead")) == 1
        assert processes_with(f"sleep\0{mark}") != []
        os.kill(maker.pid, end)
    until = time.monotonic() + 20
    while containers_with(engine, tmp_path / "dead") or processes_with(f"sleep\0{mark}"):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)


async def test_a_process_that_forgets_its_container_does_not_leave_it(engine: docker.DockerClient, tmp_path: Path) -> None:
    code = "import sys; from convgraph.coding import *\nDockerCommandLineCodeExecutor(work_dir=sys.argv[1]).__enter__()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "work")], check=True)
    until = time.monotonic() + 20
    while containers_with(engine, tmp_path / "work"):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)


async def test_a_container_that_was_never_started_is_removed_in_the_end(
    engine: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its maker was killed right then; one that is young may yet be started."""
    waiting: Any = engine.containers.create(build_sandbox_image(engine), ["true"], labels=["convgraph.code"])
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "now"):
        waiting.reload()
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "later"):
        with pytest.raises(NotFound):
            waiting.reload()


async def test_code_cannot_end_the_containers_first_process(engine: docker.DockerClient, tmp_path: Path) -> None:
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work") as executor:
        [before] = containers_with(engine, tmp_path / "work")
        code = "for signal in HUP INT QUIT TERM USR1 KILL STOP; do kill -$signal 1; done; head -c 1 /proc/1/fd/0 & sleep 0.1; echo there"
        assert "there" in (await executor.execute([CodeBlock("sh", code)])).output
        [after] = containers_with(engine, tmp_path / "work")
        assert before.id == after.id


async def test_a_container_that_somebody_removed_is_made_anew(engine: docker.DockerClient, tmp_path: Path) -> None:
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work") as executor:
        assert (await executor.execute([CodeBlock("sh", "echo x > kept")])).exit_code == 0
        [container] = containers_with(engine, tmp_path / "work")
        container.remove(force=True)
        assert (await executor.execute([CodeBlock("sh", "cat kept")])).output == "x\n"
    assert containers_with(engine, tmp_path / "work") == []


async def test_a_container_is_left_running_if_asked_under_its_name(engine: docker.DockerClient, tmp_path: Path) -> None:
    name = f"convgraph-test-{uuid4().hex}"
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work", container_name=name, stop_container=False) as executor:
        assert (await executor.execute([CodeBlock("sh", "sleep 60")], timeout=0.2)).timed_out
        assert (await executor.execute([CodeBlock("sh", "echo usable")])).output == "usable\n"
        with pytest.raises(ExecutorUnavailable, match=name):
            await DockerCommandLineCodeExecutor(container_name=name).open()
    [container] = containers_with(engine, tmp_path / "work")
    assert (container.name, container.status) == (name, "running")
    container.remove(force=True)


async def test_the_engine_may_know_the_folder_by_another_name(tmp_path: Path) -> None:
    """As it does where this process is in a container itself, and the engine is not."""
    (tmp_path / "there").symlink_to(tmp_path / "here")
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "here", bind_dir=tmp_path / "there") as executor:
        assert (await executor.execute([CodeBlock("sh", "echo x > made")])).files == ("made",)


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


async def test_of_several_images_the_first_that_is_there_is_used_whatever_it_runs_by_itself(
    engine: docker.DockerClient, tmp_path: Path
) -> None:
    bare: Any = engine.containers.create(build_sandbox_image(engine), ["true"])
    image: Any = bare.commit("convgraph-test", uuid4().hex, changes='ENTRYPOINT ["false"]')
    bare.remove()
    images = ["localhost:1/no/such-image:1", image.tags[0]]
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work", image=images) as executor:
        assert (await executor.execute([CodeBlock("sh", "echo ran")])).output == "ran\n"
    engine.images.remove(image.id)


async def test_a_folder_that_root_uses_is_not_given_away(tmp_path: Path) -> None:
    """The tests run as root where they start their own engine; elsewhere the folder is the user's, and code runs as that user."""
    (tmp_path / "used").touch()
    executor = DockerCommandLineCodeExecutor(work_dir=tmp_path)
    if tmp_path.stat().st_uid == 0:
        with pytest.raises(InputError, match="belongs to root"):
            await executor.execute([CodeBlock("sh", "true")])
        assert tmp_path.stat().st_uid == 0
    else:
        assert (await executor.execute([CodeBlock("sh", "id -u")])).output == f"{tmp_path.stat().st_uid}\n"
    await executor.close()


async def test_a_folder_with_nothing_in_it_can_be_used(tmp_path: Path) -> None:
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path) as executor:
        assert (await executor.execute([CodeBlock("sh", "echo x > made && id -u")])).output != "0\n"
    assert (tmp_path / "made").read_text() == "x\n"


def test_the_sandbox_image_is_made_once(engine: docker.DockerClient) -> None:
    tag = build_sandbox_image(engine)
    made = engine.images.get(tag).id
    assert build_sandbox_image() == tag
    assert engine.images.get(tag).id == made
