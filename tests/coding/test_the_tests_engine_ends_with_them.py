"""`scripts/with-docker` ends the engine that it started, however it ends itself, and the next one finds nothing in its way."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITH_DOCKER = str(ROOT / "scripts/with-docker")
NO_ENGINE = {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1"}
CONTAINER = """
import docker, os, time
from convgraph.coding import build_sandbox_image
client = docker.from_env()
client.containers.run(build_sandbox_image(client), ["sleep", "1000"], detach=True, network_mode="none")
print(os.environ["DOCKER_HOST"], flush=True)
time.sleep(100)
"""


def left_of(folder: Path) -> list[str]:
    """The processes, mounts and control groups of the engine in this folder, and the folder."""
    left = [str(folder)] if folder.exists() else []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "cmdline").read_bytes():
                left.append(process.name)
        except OSError:
            continue
    left += [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line]
    return left + [str(group) for group in Path("/sys/fs/cgroup").glob(f"**/{folder.name}")]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_runner_that_is_ended_leaves_nothing_in_the_way_of_the_next(end: signal.Signals) -> None:
    if os.geteuid() != 0:
        refused = subprocess.run([WITH_DOCKER, "true"], cwd=ROOT, env=NO_ENGINE, capture_output=True, text=True, check=False)
        assert (refused.returncode, "only root can start one" in refused.stderr) == (1, True)
        return
    command = [WITH_DOCKER, ".venv/bin/python", "-c", CONTAINER]
    with subprocess.Popen(command, cwd=ROOT, env=NO_ENGINE, stdout=subprocess.PIPE, text=True, start_new_session=True) as runner:
        assert runner.stdout is not None
        said = [runner.stdout.readline() for _ in range(2)]
        folder = Path(said[1].strip().removeprefix("unix://")).parent
        assert folder.name.startswith("convgraph-docker.")
        if end == signal.SIGKILL:
            os.kill(runner.pid, end)
            runner.wait()
        os.killpg(runner.pid, end)
    again = subprocess.run([WITH_DOCKER, "true"], cwd=ROOT, env=NO_ENGINE, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr) == (0, "")
    until = time.monotonic() + 20
    while left_of(folder):
        assert time.monotonic() < until, left_of(folder)
        time.sleep(0.05)


def test_the_commands_exit_code_is_the_runners() -> None:
    assert subprocess.run([WITH_DOCKER, "sh", "-c", "exit 7"], cwd=ROOT, check=False).returncode == 7
