"""How an agent runs code: with which executor, and in which messages it looks for code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from convgraph.content_parts import Content, Part, image
from convgraph.errors import DefinitionError, InputError
from convgraph.runtime.approval import refusal
from convgraph.runtime.context import Context

if TYPE_CHECKING:
    from convgraph.coding import CodeBlock, CodeExecutor

MOST_PICTURES = 4
"""How many of the pictures that code makes are shown."""
LARGEST_PICTURE = 5_000_000
"""Bytes of the largest of these."""
_KINDS = (".png", ".jpg", ".jpeg", ".gif", ".webp")


@dataclass(frozen=True, slots=True)
class CodeExecution:
    """An executor, and how many of the last messages are looked at: a number, or `auto`: those since the agent last spoke.

    The executor is a definition. Each run opens a session of its own at the first code, and closes it when it stops. With `pictures`,
    the pictures that code saves in its work folder are shown with what it printed. With `approve`, a person has to allow each run.
    """

    executor: CodeExecutor
    last_n_messages: int | Literal["auto"] = "auto"
    pictures: bool = False
    approve: bool = False

    async def run(self, ctx: Context, blocks: Sequence[CodeBlock]) -> Content:
        """Run the blocks, once, as an effect of the turn. Returns AutoGen's words for what came of it, and the pictures.

        Where a person has to allow it and does not, it is said that nothing was run.
        """
        reason = await self._refusal(ctx, blocks) if self.approve else None
        if reason is not None:
            return f"The code was not run: a person refused it{f': {reason}' if reason else '.'}"

        async def execute(_blocks: Any, idempotency_key: str) -> dict[str, Any]:
            session = await ctx.hold(("code", id(self.executor)), self.executor.session)
            place = idempotency_key.partition(":")[2]  # without the run: file names stand in tracebacks, and runs alike are to say the same
            result = await session.execute(blocks, key=f"{place} {code}")
            found = {"exit_code": result.exit_code, "output": result.output}
            shown = shown_of(session, result.files) if self.pictures and result.exit_code == 0 else []
            return {**found, "pictures": shown} if shown else found

        code = [[block.language, block.code] for block in blocks]
        result = await ctx.effect("execute_code", execute, code, kind="code")
        said = said_of(result["exit_code"], result["output"])
        return [{"type": "text", "text": said}, *result["pictures"]] if "pictures" in result else said

    async def _refusal(self, ctx: Context, blocks: Sequence[CodeBlock]) -> str | None:
        """Ask a person about the code: None where it may be run, else why not."""
        shown = "\n".join(f"--- {block.language or 'code'} ---\n{block.code.rstrip()}" for block in blocks)
        subject = {
            "executor": getattr(self.executor, "name", ""),
            "isolation": getattr(self.executor, "isolation", ""),
            "code": [{"language": block.language, "code": block.code} for block in blocks],
        }
        prompt = f"May {ctx.node} run this code?\n{shown}\n---"
        return await refusal(ctx, prompt, id=f"approve-code-{ctx.turn}", kind="code", subject=subject)

    def describe(self) -> Mapping[str, Any]:
        """Its definition as plain JSON."""
        described = {**self.executor.describe(), "last_n_messages": self.last_n_messages}
        chosen = {"pictures": self.pictures, "approve": self.approve}
        return {**described, **{name: True for name, wanted in chosen.items() if wanted}}


def said_of(exit_code: int, output: str) -> str:
    """What the agent says of code that it has run, in AutoGen's words."""
    outcome = "execution succeeded" if exit_code == 0 else "execution failed"
    return f"exitcode: {exit_code} ({outcome})\nCode output: {output}"


def shown_of(session: Any, files: Sequence[str]) -> list[Part]:
    """The pictures among these files of the session's work folder, each after its name; of one that cannot be shown, why."""
    read: Any = getattr(session, "read_file", None)
    if read is None:  # an executor of a user's own may keep no files
        return []
    named = [name for name in files if name.lower().endswith(_KINDS)]
    parts: list[Part] = []
    for name in named[:MOST_PICTURES]:
        try:
            parts += [{"type": "text", "text": f"{name}:"}, image(read(name, LARGEST_PICTURE))]
        except InputError as error:
            parts.append({"type": "text", "text": f"{name} cannot be shown: {error}"})
    if named[MOST_PICTURES:]:
        parts.append({"type": "text", "text": f"Not shown: {', '.join(named[MOST_PICTURES:])}"})
    return parts


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
    pictures = _yes_or_no(config, "pictures", "whether pictures that code makes are shown", agent)
    approve = _yes_or_no(config, "approve", "whether a person has to allow code before it runs", agent)
    try:
        executor = executor_from_config(config)  # pyright: ignore[reportUnknownArgumentType]
    except DefinitionError as error:
        raise DefinitionError(f"agent {agent!r}: {error}") from error
    return None if executor is None else CodeExecution(executor, number, pictures, approve)


def _yes_or_no(config: Any, key: str, meaning: str, agent: str) -> bool:
    said: Any = config.get(key, False)
    if not isinstance(said, bool):
        raise DefinitionError(f"agent {agent!r}: {key} says {meaning}: True or False, not {said!r:.80}")
    return said
