"""The context as a tool is given it: the conversation can be read, but there are no effects inside an effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NoReturn, TypeVar

from convgraph.errors import DefinitionError
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.runtime.context import Context, SyncEffects

T = TypeVar("T")


class ToolContext(Context):
    """A turn's context without its effects. A call's result is recorded as a whole, so that nothing inside it can be read back."""

    __slots__ = ()

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx._run, ctx._turning, ctx._node, ctx._state, ctx.messages, ctx.item)

    @property
    def sync(self) -> SyncEffects:
        """Refused, like the effects it gives."""
        self._refuse("sync")

    async def effect(
        self,
        name: str,
        fn: Callable[..., Any],  # noqa: ARG002
        *args: Any,  # noqa: ARG002
        idempotent: bool = False,  # noqa: ARG002
        kind: Literal["tool", "code"] = "tool",  # noqa: ARG002
    ) -> Any:
        """Refused."""
        self._refuse(f"effect({name!r}, …)")

    async def ask(self, prompt: str, *, id: str | None = None, schema: Any = str) -> Any:  # noqa: ARG002
        """Refused: `tool(approval=…)` asks a person before a call."""
        self._refuse(f"ask({prompt!r:.50})")

    async def call_model(self, model: Model, request: ModelRequest) -> ModelReply:  # noqa: ARG002
        """Refused."""
        self._refuse(f"call_model({model.name!r}, …)")

    def _instant(self, kind: Literal["clock", "random"], name: str, make: Callable[[], T]) -> T:  # noqa: ARG002
        self._refuse(f"{name}()")

    def _refuse(self, what: str) -> NoReturn:
        raise DefinitionError(
            f"node {self.node!r}: a tool called ctx.{what}; the tool's call is an effect itself and is recorded as a whole. "
            "Inside it use the real thing (the clock, a client), or let the node do what has to be recorded by itself"
        )
