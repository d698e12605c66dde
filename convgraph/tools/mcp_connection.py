"""A connection to an MCP server: made at the first call, kept, and made anew after it was lost."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from convgraph.errors import ConvgraphError, DefinitionError, ToolFailed, ToolUnavailable
from convgraph.journal.values import canonical
from convgraph.tools.mcp_results import Told, text_of_resource, told_of
from convgraph.tools.mcp_server import McpServer

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import Tool as Offered

T = TypeVar("T")

MOST_PAGES = 100
"""How many pages of tools or resources are asked for: a server that never comes to an end is not waited for."""


@asynccontextmanager
async def connection_to(server: McpServer, deps: Any) -> AsyncGenerator[Connection]:
    """A connection for as long as the block lasts. It is made when something is asked for."""
    connection = Connection(server, deps)
    try:
        yield connection
    finally:
        await connection.close()


class Connection:
    """A server as one execution of a run has it."""

    __slots__ = ("_deps", "_link", "_linking", "_offered", "_secrets", "_server")

    def __init__(self, server: McpServer, deps: Any) -> None:
        self._server = server
        self._deps = deps
        self._secrets = server.secrets()
        self._linking = asyncio.Lock()
        self._link: _Link | None = None
        self._offered: dict[str, Offered] = {}

    async def call(self, name: str, arguments: Mapping[str, Any], pin: str) -> Told:
        """Call a tool, if it still is what `pin` says.

        Raises `ToolFailed` for what the server calls an error, `ToolUnavailable` where it cannot be reached or was lost, and
        `DefinitionError` for a tool that is another now.
        """
        link = await self._linked()
        offered = self._offered.get(name)
        if offered is None:
            raise DefinitionError(f"{self._server.label}: the tool {name!r} is not there any more; make the agent anew")
        if pin_of(offered) != pin:
            raise DefinitionError(
                f"{self._server.label}: the tool {name!r} is described in other words, or takes other arguments, than when the agent was "
                "made, so it was not called; look at what it does now, and make the agent anew"
            )
        result = await self._ask(
            link,
            f"during the call of {name!r}; whether it took effect is not known",
            lambda client: client.call_tool(name, dict(arguments)),
        )
        told = told_of(result)
        told = told if self._secrets is None else self._secrets.in_json(told)
        if result.is_error:
            raise ToolFailed(told if isinstance(told, str) else "\n".join(map(str, told)))
        return told

    async def read(self, uri: str) -> str:
        """Read a resource."""
        read = await self._ask(await self._linked(), f"while {uri!r} was read", lambda client: client.read_resource(uri))
        return self._told(text_of_resource(read.contents))

    async def tools(self) -> tuple[str, list[Offered]]:
        """The server's name for itself, and all of its tools."""
        link = await self._linked()
        return link.name, list(self._offered.values())

    async def resources(self) -> list[Any]:
        """All resources that it tells of; none where it knows of no such thing."""
        return await self._ask(await self._linked(), "while it told its resources", _all_resources)

    async def close(self) -> None:
        """End the connection."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _linked(self) -> _Link:
        """What the server is reached by now: the link that there is, or a new one."""
        async with self._linking:
            if self._link is not None and self._link.lost:
                await self.close()
            if self._link is None:
                self._link = await self._new_link()
            return self._link

    async def _new_link(self) -> _Link:
        link = _Link(self._server, self._deps)
        try:
            self._offered = {tool.name: tool for tool in await _all_tools(await link.opened())}
        except BaseException as error:
            await link.close()
            if isinstance(error, ConvgraphError) or not isinstance(error, Exception):
                raise
            why = self._told(f"{link.cause or reason(error)}{link.complaint()}")
            raise ToolUnavailable(f"{self._server.label} cannot be reached: {why}") from error
        return link

    async def _ask(self, link: _Link, when: str, ask: Callable[[Client], Awaitable[T]]) -> T:
        from mcp import MCPError

        try:
            return await ask(await link.opened())
        except MCPError as error:
            if not link.lost and error.code != _CLOSED:
                raise ToolFailed(self._told(f"{self._server.label}: {error.message}")) from error
            link.lost = True
            why = self._told(f"{link.cause or error.message}{link.complaint()}")
            raise ToolUnavailable(f"{self._server.label} was lost {when}: {why}") from error

    def _told(self, text: str) -> str:
        return text if self._secrets is None else self._secrets.in_text(text)


_CLOSED = -32000
"""The code of the error for a request whose connection was closed under it."""


class _Link:
    """One connection, in a task of its own: whoever opens it has to close it, and calls come from many tasks."""

    def __init__(self, server: McpServer, deps: Any) -> None:
        self.name = ""
        self.cause = ""
        self.lost = False
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._done = asyncio.Event()
        self._errors: IO[bytes] | None = None
        self._complaint = ""
        self._task = asyncio.create_task(self._live(server, deps), name=f"convgraph-{server.label}")

    async def opened(self) -> Client:
        """The open connection. Raises what kept it from opening."""
        return await asyncio.shield(self._opened)

    async def close(self) -> None:
        """End it, and wait for its end."""
        self._done.set()
        if not self._opened.done():
            self._task.cancel()
        await asyncio.wait([self._task])
        if self._opened.done() and not self._opened.cancelled():
            self._opened.exception()  # it has been looked at

    def complaint(self) -> str:
        """The last line that the server has written to standard error, in brackets."""
        if self._errors is not None:
            self._errors.seek(0)
            lines = self._errors.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
            self._complaint = f" ({lines[-1].strip():.300})" if lines else ""
        return self._complaint

    async def _live(self, server: McpServer, deps: Any) -> None:
        # A notebook's stderr is no file. What is appended stays in its order, wherever in the file somebody reads.
        self._errors = tempfile.TemporaryFile("a+b")  # noqa: SIM115  # closed below
        try:
            async with server.address.connect(server, deps, self._errors) as client:
                self.name = client.server_info.name if client.server_info is not None else ""
                self._opened.set_result(client)
                await self._done.wait()
        except BaseException as error:
            self.cause = reason(error)
            if not self._opened.done():
                self._opened.set_exception(error if isinstance(error, Exception) else ToolUnavailable(self.cause))
            if not isinstance(error, Exception):
                raise
        finally:
            self.lost = True
            self.complaint()
            self._errors.close()
            self._errors = None


def pin_of(tool: Offered) -> str:
    """What a model was told of a tool, and what of it may not change unseen."""
    return canonical([tool.description, tool.input_schema])


def reason(error: BaseException) -> str:
    """The error in a line; of a group, its first."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return f"{type(error).__name__}: {error}".rstrip(": ")


async def _all_tools(client: Client) -> list[Offered]:
    return await _all("tools", client.list_tools)


async def _all_resources(client: Client) -> list[Any]:
    return [] if client.server_capabilities.resources is None else await _all("resources", client.list_resources)


async def _all(what: str, ask: Callable[..., Awaitable[Any]]) -> list[Any]:
    """What is on all the pages that a server tells."""
    page = await ask()
    found: list[Any] = list(getattr(page, what))
    for _ in range(MOST_PAGES):
        if page.next_cursor is None:
            break
        page = await ask(cursor=page.next_cursor)
        found += getattr(page, what)
    return found
