"""Executors of AutoGen's protocol (`execute_code_blocks`, `restart`), taken as one of ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, cast

from convgraph.coding.blocks import CodeBlock
from convgraph.coding.executor import CodeExecutor, CodeResult, Isolation
from convgraph.errors import DefinitionError


def executor_of(given: object) -> CodeExecutor:
    """An executor of ours as it is, one of AutoGen's protocol made fit. Raises `DefinitionError` for anything else."""
    if isinstance(given, CodeExecutor):
        return given
    if callable(getattr(given, "execute_code_blocks", None)):
        return AutoGenExecutor(given)
    raise DefinitionError(f"a code executor has `execute`, or AutoGen's `execute_code_blocks`; {given!r:.100} has neither")


class AutoGenExecutor:
    """What runs code by AutoGen's protocol. It belongs to its maker, who ends it; what stands around it is not known."""

    isolation: Isolation = "none"

    def __init__(self, given: object) -> None:
        self._given: Any = given
        self.name = type(given).__name__

    def describe(self) -> Mapping[str, Any]:
        return {"type": self.name}

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncGenerator[AutoGenExecutor]:
        yield self

    async def execute(self, blocks: Sequence[CodeBlock], *, timeout: float | None = None, key: str = "") -> CodeResult:  # noqa: ARG002, ASYNC109  # the protocol has neither
        """Run the blocks in a thread; the executor has its own timeout."""
        result: Any = await asyncio.to_thread(self._given.execute_code_blocks, list(blocks))
        file = cast("object", getattr(result, "code_file", None))
        return CodeResult(int(result.exit_code), str(result.output), code_file=None if file is None else str(file))
