"""Executors that are real, and what is looked for after each test: processes, containers and folders that were left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from convgraph.coding import (
    BubblewrapCodeExecutor,
    CodeBlock,
    CodeResult,
    DockerCommandLineCodeExecutor,
    JupyterCodeExecutor,
    LocalCommandLineCodeExecutor,
)

EXECUTORS: dict[str, Callable[..., Any]] = {
    "local": LocalCommandLineCodeExecutor,
    "bubblewrap": BubblewrapCodeExecutor,
    "docker": DockerCommandLineCodeExecutor,
    "jupyter": JupyterCodeExecutor,
}


class Bench:
    """An executor, and a short way to run one block with it."""

    def __init__(self, executor: Any) -> None:
        self.executor = executor

    @property
    def work_dir(self) -> Path:
        return self.executor.work_dir

    async def python(self, code: str, timeout: float = 20) -> CodeResult:
        return await self.executor.execute([CodeBlock("python", code)], timeout=timeout)

    async def endless(self, block: CodeBlock, *, begun: Callable[[CodeResult], bool]) -> CodeResult:
        """Run code that never ends, for so long that it has `begun`: on a loaded machine that takes longer than on an idle one."""
        for timeout in (0.5, 2, 8, 32):
            result = await self.executor.execute([block], timeout=timeout)
            assert (result.exit_code, result.timed_out) == (124, True)
            if begun(result):
                return result
        pytest.fail("the code did not begin in 32 s")

    async def sh(self, code: str, timeout: float = 20) -> CodeResult:
        return await self.executor.execute([CodeBlock("sh", code)], timeout=timeout)


async def _bench(kind: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    executor = EXECUTORS[kind](work_dir=tmp_path_factory.mktemp(kind) / "work")
    async with executor:
        yield Bench(executor)


@pytest.fixture(scope="module", params=EXECUTORS)
async def every(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """Each executor in turn."""
    async for bench in _bench(request.param, tmp_path_factory):
        yield bench


@pytest.fixture(scope="module", params=["bubblewrap", "docker"])
async def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """Each executor that stands between the code and this machine."""
    async for bench in _bench(request.param, tmp_path_factory):
        yield bench


@pytest.fixture(scope="module")
async def jupyter(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async for bench in _bench("jupyter", tmp_path_factory):
        yield bench


@pytest.fixture(scope="module")
async def local(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async for bench in _bench("local", tmp_path_factory):
        yield bench
