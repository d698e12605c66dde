"""Code that runs away from a sandbox's limits is stopped there, said to be, and leaves nothing behind."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest

from convgraph.coding import BubblewrapCodeExecutor, CodeBlock, DockerCommandLineCodeExecutor

pytestmark = pytest.mark.anyio

FORK_BOMB = """
import os
print(os.getpid(), flush=True)
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
RUDE_FORK_BOMB = """
import os, signal
keeper = os.getppid()
if os.fork() == 0:
    os.kill(keeper, signal.SIGKILL)
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""
IMMUNE = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("running", flush=True)
while True:
    pass
"""
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{mark}"])
    os._exit(0)
os.wait()
time.sleep(0.1)
"""


def processes_with(mark: str) -> list[str]:
    """The living processes of this machine, in whatever namespace, whose command line has `mark` in it."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


def gone(mark: str) -> bool:
    """Whether the processes have ended, at the latest in a few seconds: the kernel takes its time with many."""
    until = time.monotonic() + 20
    while processes_with(mark):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine at which a program could knock; the fixture's thread answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def answer() -> None:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        yield port
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join()


async def test_a_fork_bomb_is_stopped(sandbox: Any) -> None:
    key = uuid4().hex
    bomb = CodeBlock("python", f"# filename: bomb{key}.py\n{FORK_BOMB}")
    result = await sandbox.endless(bomb, begun=lambda result: result.output[0].isdigit())
    assert "still running" in result.output
    assert gone(key)
    assert (await sandbox.sh("echo usable")).output == "usable\n"


async def test_a_fork_bomb_that_kills_its_keeper_is_stopped(sandbox: Any) -> None:
    key = uuid4().hex
    bomb = f"# filename: rude{key}.py\n{RUDE_FORK_BOMB}"
    await sandbox.executor.execute([CodeBlock("python", bomb)], timeout=1)
    assert gone(key)
    assert (await sandbox.sh("echo usable")).output == "usable\n"


async def test_endless_output_is_cut_and_stopped(sandbox: Any) -> None:
    """Ten gigabytes, were it let."""
    flood = CodeBlock("python", "line = 'x' * 1_000_000\nfor _ in range(10_000): print(line)")
    result = await sandbox.endless(flood, begun=lambda result: "bytes left out" in result.output)
    assert len(result.output) < 101_000


async def test_endless_sleep_is_stopped_on_time(sandbox: Any) -> None:
    mark = f"{uuid4().int % 10**12 + 10**12}"
    started = time.monotonic()
    result = await sandbox.sh(f"sleep {mark}", timeout=0.3)
    assert result.timed_out
    assert time.monotonic() - started < 20
    assert gone(mark)


async def test_a_loop_that_takes_no_signal_is_stopped(sandbox: Any) -> None:
    key = uuid4().hex
    loop = CodeBlock("python", f"# filename: immune{key}.py\n{IMMUNE}")
    await sandbox.endless(loop, begun=lambda result: result.output.startswith("running\n"))
    assert gone(key)


async def test_what_a_block_leaves_in_the_background_ends_with_it(sandbox: Any) -> None:
    """A daemon of its own session, too."""
    mark = f"{uuid4().int % 10**12 + 10**12}"
    result = await sandbox.python(DAEMON.format(mark=mark))
    assert result.exit_code == 0
    assert gone(mark)


async def test_nothing_can_be_written_outside_the_folder(sandbox: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    places = ["/usr/x", "/etc/x", "/x", "/root/x", f"{tmp_path}/x", f"{Path(__file__).parent}/x", "/workspace/../x"]
    for place in places:
        result = await sandbox.sh(f"echo x > {place}")
        assert result.exit_code != 0, place
        assert not Path(place).exists()


async def test_this_machines_files_cannot_be_read(sandbox: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secret").chmod(0o644)
    assert (await sandbox.sh(f"cat {tmp_path}/secret")).exit_code == 1
    assert (await sandbox.sh("cat /etc/shadow")).exit_code == 1


async def test_there_is_no_network(sandbox: Any, listener: int) -> None:
    result = await sandbox.python(f"import socket\nsocket.create_connection(('127.0.0.1', {listener}), 2)")
    assert result.exit_code == 1
    assert "ConnectionRefusedError" in result.output
    outside = await sandbox.python("import socket\nsocket.create_connection(('192.0.2.1', 80), 2)")
    assert "Network is unreachable" in outside.output
    interfaces = await sandbox.sh("cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '")
    assert interfaces.output.split() == ["lo"]


async def test_the_code_is_not_root_and_has_no_rights(sandbox: Any) -> None:
    result = await sandbox.sh("id -u; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status | tr -d '\\t'")
    assert result.output.split() == [str(sandbox.work_dir.stat().st_uid), "CapEff:" + "0" * 16, "CapBnd:" + "0" * 16, "NoNewPrivs:1"]
    assert sandbox.work_dir.stat().st_uid != 0


async def test_a_file_that_grows_too_large_is_stopped(sandbox: Any) -> None:
    result = await sandbox.sh("exec 3> big; head -c 1 /dev/zero >&3; python3 -c 'import os; os.truncate(\"big\", 1 << 40)'")
    assert result.exit_code != 0
    assert (sandbox.work_dir / "big").stat().st_size == 1


async def test_a_memory_hog_fails_in_bubblewrap(tmp_path: Path) -> None:
    async with BubblewrapCodeExecutor(work_dir=tmp_path / "work", memory=128 << 20) as executor:
        result = await executor.execute([CodeBlock("python", "hog = []\nwhile True: hog.append(bytearray(1 << 20))")])
    assert result.exit_code == 1
    assert "MemoryError" in result.output


async def test_a_memory_hog_is_killed_in_a_container_and_reported(tmp_path: Path) -> None:
    async with DockerCommandLineCodeExecutor(work_dir=tmp_path / "work", memory=64 << 20) as executor:
        result = await executor.execute([CodeBlock("python", "hog = []\nwhile True: hog.append(bytearray(1 << 20))")])
        assert (result.exit_code, result.oom, result.timed_out) == (137, True, False)
        assert "more memory than it may" in result.output
        after = await executor.execute([CodeBlock("sh", "echo usable; exit 3")])
        assert (after.output, after.exit_code, after.oom) == ("usable\n", 3, False)


async def test_tmp_is_small(sandbox: Any) -> None:
    result = await sandbox.sh("head -c 200000000 /dev/zero > /tmp/fill")
    assert result.exit_code != 0
    assert (await sandbox.sh("rm -f /tmp/fill; echo x > /tmp/ok && cat /tmp/ok")).output == "x\n"


async def test_nothing_is_left_when_an_executor_closes(tmp_path: Path) -> None:
    """No container, no process, no folder."""
    executor = DockerCommandLineCodeExecutor()
    await executor.open()
    folder = executor.work_dir
    mark = f"{uuid4().int % 10**12 + 10**12}"
    await executor.execute([CodeBlock("sh", f"sleep {mark}")], timeout=0.2)
    await executor.close()
    client = docker.from_env()
    left = client.containers.list(all=True, filters={"volume": str(folder)}, ignore_removed=True)
    client.close()
    assert left == []
    assert not folder.exists()
    assert processes_with(mark) == []
