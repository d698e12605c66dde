"""How an agent runs code: with which executor, and in which messages it looks for code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from convgraph.errors import DefinitionError
from convgraph.runtime.context import Context

if TYPE_CHECKING:
    from convgraph.coding import CodeBlock, CodeExecutor


@dataclass(frozen=True, slots=True)
class CodeExecution:
    """An executor, and how many of the last messages are looked at: a number, or `auto`: those since the agent last spoke.

    The executor is a definition. Each run opens a session of its own at the first code, and closes it when it stops.
    """

    executor: CodeExecutor
    last_n_messages: int | Literal["auto"] = "auto"

    async def run(self, ctx: Context, blocks: Sequence[CodeBlock]) -> str:
        """Run the blocks, once, as an effect of the turn. Returns AutoGen's words for what came of it."""

        async def execute(_blocks: Any, idempotency_key: str) -> dict[str, Any]:
            session = await ctx.hold(("code", id(self.executor)), self.executor.session)
            place = idempotency_key.partition(":")[2]  # without the run: file names stand in tracebacks, and runs alike are to say the same
            result = await session.execute(blocks, key=f"{place} {code}")
            return {"exit_code": result.exit_code, "output": result.output}

        code = [[block.language, block.code] for block in blocks]
        result = await ctx.effect("execute_code", execute, code, kind="code")
        return said_of(result["exit_code"], result["output"])

    def describe(self) -> Mapping[str, Any]:
        """Its definition as plain JSON."""
        return {**self.executor.describe(), "last_n_messages": self.last_n_messages}


def said_of(exit_code: int, output: str) -> str:
    """What the agent says of code that it has run, in AutoGen's words."""
    outcome = "execution succeeded" if exit_code == 0 else "execution failed"
    return f"exitcode: {exit_code} ({outcome})\nCode output: {output}"


def code_execution_from(config: Any, agent: str) -> CodeExecution | None:
    """What AutoGen's `code_execution_config` asks for; None where no code is run. Raises `DefinitionError`."""
    if config is False or config is None:
        return None
    from convgraph.coding.choice import executor_from_config

    if not isinstance(config, Mapping):
        raise DefinitionError(f"agent {agent!r}: code_execution_config= is a mapping, or False for no code; not {config!r:.100}")
    number: Any = config.get("last_n_messages", "auto")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if number != "auto" and (isinstance(number, bool) or not isinstance(number, int) or number < 0):
        raise DefinitionError(f"agent {agent!r}: last_n_messages is a whole number or 'auto', not {number!r}")
    try:
        executor = executor_from_config(config)  # pyright: ignore[reportUnknownArgumentType]
    except DefinitionError as error:
        raise DefinitionError(f"agent {agent!r}: {error}") from error
    return None if executor is None else CodeExecution(executor, number)
