# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""The tools of an MCP server, as tools of an agent.

A server is asked once what it offers, when the agent is defined; what it says is part of the definition from then on. A run connects
when it makes the first call, and holds the connection while it is executed: a replay connects to nothing, a resume connects anew.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from convgraph.errors import DefinitionError, ToolUnavailable
from convgraph.runtime.context import current_turn
from convgraph.sync import run_sync
from convgraph.tools.bare_schema import schema_parameters
from convgraph.tools.definition import Approval, Tool, check_name, check_options
from convgraph.tools.mcp_connection import Connection, connection_to, pin_of
from convgraph.tools.mcp_results import Told
from convgraph.tools.mcp_server import McpServer

if TYPE_CHECKING:
    from mcp_types import Tool as Offered

T = TypeVar("T")

Chosen: TypeAlias = bool | Collection[str] | Callable[[Mapping[str, Any]], bool] | None
"""Which calls a person has to approve: all, those of the tools named, or those of whose arguments the function says so."""


def mcp_tools(server: McpServer, **options: Any) -> list[Tool]:
    """The tools that a server offers now, for `ConversableAgent(tools=…)`. See `amcp_tools` for the options."""
    return run_sync(amcp_tools(server, **options))


async def amcp_tools(
    server: McpServer,
    *,
    include: Collection[str] | None = None,
    exclude: Collection[str] = (),
    prefix: str = "",
    approval: Chosen = None,
    idempotent: Collection[str] = (),
    trust_annotations: bool = False,
    timeout: float | None = 60,  # noqa: ASYNC109  # each call's
    resources: bool = False,
    deps: Any = None,
) -> list[Tool]:
    """The tools that a server offers now, for `ConversableAgent(tools=…)`. It is connected to, asked, and left again.

    `include` and `exclude` are names of the server's; `prefix` is put before each, where two servers have tools of one name.
    `approval`: True, the names of tools, or a function of a call's arguments. `idempotent`: names of tools that may be called
    again after a crash that left a call in doubt; with `trust_annotations`, those of which the server says so as well.
    `timeout`: seconds for a call (and for this listing). `resources`: also a tool that reads the server's resources.
    `deps`: what `env`, `headers` and `url` are made of, where they are functions; a run has its own.

    Raises `ToolUnavailable` for a server that cannot be reached, `DefinitionError` for names that it does not have.
    """
    if not isinstance(server, McpServer):
        raise DefinitionError(f"mcp_tools(server): it is an McpServer, made with McpServer.stdio or McpServer.http, not {server!r:.100}")
    check_options(timeout, None if isinstance(approval, Collection) else approval, server.label)
    own_name, offered, readable = await _offers(server, timeout, resources, deps)
    known = {each.name for each in offered}
    for option, given in (("include", include or ()), ("exclude", exclude), ("idempotent", idempotent)):
        _check_names(server, option, given, known)
    if isinstance(approval, Collection):
        _check_names(server, "approval", approval, known)
    source = f"MCP server {server.name or own_name or 'without a name'!r}"

    def made(one: Offered) -> Tool:
        name = f"{prefix}{re.sub(r'[^a-zA-Z0-9_-]', '_', one.name)}"
        where = f"tool {one.name!r} of {server.label}"
        check_name(name, where)
        again = one.name in idempotent or (trust_annotations and _says_idempotent(one))
        parameters = schema_parameters(one.input_schema, where)
        call = _Call(server, one.name, pin_of(one))
        told = one.description or one.title or one.name
        return Tool(call, name, told, parameters, again, timeout, _approval_of(one.name, approval), server.label, source)

    tools = [made(one) for one in offered if (include is None or one.name in include) and one.name not in exclude]
    return [*tools, _reader(server, readable, f"{prefix}read_resource", timeout, source)] if readable else tools


@dataclass(frozen=True, eq=False, slots=True)
class _Call:
    """Calls one tool of a server. `pin` is what was told of it when it was listed."""

    server: McpServer
    name: str
    pin: str

    async def __call__(self, /, **arguments: Any) -> Told:
        return await _over_connection(self.server, lambda connection: connection.call(self.name, arguments, self.pin))


@dataclass(frozen=True, eq=False, slots=True)
class _Read:
    """Reads one resource of a server."""

    server: McpServer

    async def __call__(self, uri: str) -> str:
        return await _over_connection(self.server, lambda connection: connection.read(uri))


async def _over_connection(server: McpServer, ask: Callable[[Connection], Awaitable[T]]) -> T:
    """Ask over the connection that the run holds; outside of a run, over one for this."""
    ctx = current_turn()
    if ctx is None:
        async with connection_to(server, None) as connection:
            return await ask(connection)
    return await ask(await ctx.hold(("mcp", id(server)), lambda: connection_to(server, ctx.deps)))


async def _offers(server: McpServer, seconds: float | None, resources: bool, deps: Any) -> tuple[str, list[Offered], list[Any]]:
    try:
        async with asyncio.timeout(seconds), connection_to(server, deps) as connection:
            name, tools = await connection.tools()
            return name, tools, await connection.resources() if resources else []
    except TimeoutError:
        raise ToolUnavailable(f"{server.label} has not told its tools within {seconds:g} s") from None


def _reader(server: McpServer, readable: Iterable[Any], name: str, seconds: float | None, source: str) -> Tool:
    listed = {str(each.uri): each.description or each.title or each.name for each in readable}
    told = "\n".join(f"- {uri}: {what}" for uri, what in listed.items())
    schema = {
        "type": "object",
        "properties": {"uri": {"type": "string", "enum": list(listed)}},
        "required": ["uri"],
        "additionalProperties": False,
    }
    check_name(name, server.label)
    parameters = schema_parameters(schema, server.label)
    return Tool(_Read(server), name, f"Read one of these resources:\n{told}", parameters, True, seconds, None, server.label, source)


def _says_idempotent(one: Offered) -> bool:
    said = one.annotations
    return said is not None and bool(said.idempotent_hint or said.read_only_hint)


def _approval_of(name: str, approval: Any) -> Approval:
    """Whether a person has to approve calls of the tool: by its name, or as for every tool."""
    if isinstance(approval, Collection):
        return True if name in approval else None
    return approval


def _check_names(server: McpServer, option: str, given: Any, known: Collection[str]) -> None:
    if isinstance(given, str) or not isinstance(given, Collection):
        raise DefinitionError(f"{server.label}: {option}= takes a list of names of its tools, not {given!r:.100}")
    missing = [name for name in cast("Collection[Any]", given) if name not in known]
    if missing:
        raise DefinitionError(f"{server.label}: {option}= names {missing}, which it does not have; it has {sorted(known)}")
