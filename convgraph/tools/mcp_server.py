# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""Where an MCP server is, and how one connects to it: a definition, which connects to nothing."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from convgraph.errors import DefinitionError, MissingDependency
from convgraph.runtime.secrets import Secrets

if TYPE_CHECKING:
    from mcp import Client

T = TypeVar("T")

Values: TypeAlias = Mapping[str, str | SecretStr] | Callable[[Any], Mapping[str, str | SecretStr]]
"""An environment, or headers: as they are, or as a function that makes them of what was given to `run(deps=…)`."""


@dataclass(frozen=True, eq=False, slots=True)
class McpServer:
    """An MCP server. Made with `McpServer.stdio` or `McpServer.http`; `mcp_tools(server)` gives its tools.

    Nothing of it but its name is part of a graph's description: no command, no address, no environment, no headers.
    """

    name: str
    """What it is called in descriptions and errors; the server's own name, where it is given none."""
    address: StdioAddress | HttpAddress = field(repr=False)

    @classmethod
    def stdio(
        cls,
        command: str,
        args: Sequence[str | os.PathLike[str]] = (),
        *,
        name: str = "",
        env: Values | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> Self:
        """A server that is a program: started where it is needed, spoken to over its standard input and output, and ended.

        It has the environment that MCP hands on (HOME, PATH and the like) and `env`, which may be a function of the
        run's `deps`. Raises `DefinitionError`.
        """
        if not isinstance(command, str) or not command:
            raise DefinitionError(f"McpServer.stdio(command, args): the command is the name or the path of a program, not {command!r:.100}")
        if isinstance(args, str) or not all(isinstance(each, str | os.PathLike) for each in args):
            raise DefinitionError(f"McpServer.stdio({command!r}, args): args are a list of texts, not {args!r:.100}")
        if env is not None and not callable(env):
            _check_values(env, f"McpServer.stdio({command!r}): env=")
        folder = None if cwd is None else os.fspath(cwd)
        return cls(name, StdioAddress(command, tuple(os.fspath(each) for each in args), env or {}, folder))

    @classmethod
    def http(cls, url: str | Callable[[Any], str], *, name: str = "", headers: Values | None = None) -> Self:
        """A server that runs somewhere, spoken to over streamable HTTP.

        `url` and `headers` may be functions of the run's `deps`. Raises `DefinitionError`.
        """
        if not callable(url) and not _is_url(url):
            raise DefinitionError(f"McpServer.http(url): it is an address like 'https://host/mcp', not {url!r:.100}")
        if not callable(url) and urlsplit(url).username is not None:
            raise DefinitionError("McpServer.http(url): a name or a password in an address ends in logs and errors; pass headers=")
        if callable(url) and not name:
            raise DefinitionError("McpServer.http(url): a server whose address is known to deps alone is given a name=")
        if headers is not None and not callable(headers):
            _check_values(headers, "McpServer.http(…): headers=")
        return cls(name, HttpAddress(url, headers or {}))

    @property
    def label(self) -> str:
        """What it is called in errors."""
        return f"MCP server {self.name or self.address.label!r}"

    def secrets(self) -> Secrets | None:
        """The secrets that it was given as they are. Those of `run(deps=…)` are the run's."""
        values = self.address.values
        if callable(values):
            return None
        texts = {name: value.get_secret_value() for name, value in values.items() if isinstance(value, SecretStr)}
        return Secrets({name: text for name, text in texts.items() if text}) if any(texts.values()) else None

    def texts(self, what: str, values: Values, deps: Any) -> dict[str, str]:
        """An environment, or headers, as they are sent. Raises `DefinitionError`."""
        made = self.made(what, values, deps)
        _check_values(made, f"{self.label}: {what}=")
        return {name: _plain(value) for name, value in made.items()}

    def made(self, what: str, value: T | Callable[[Any], T], deps: Any) -> T:
        """The value, made of `deps` where it is a function of them. Raises `DefinitionError`."""
        if not callable(value):
            return value
        try:
            return cast("Callable[[Any], T]", value)(deps)
        except (AttributeError, LookupError, TypeError) as error:
            raise DefinitionError(
                f"{self.label}: {what}= cannot be made of deps, a {type(deps).__name__}: {type(error).__name__}; "
                "pass them to run(deps=…), and to mcp_tools(deps=…) as well"
            ) from error


@dataclass(frozen=True, eq=False, slots=True)
class StdioAddress:
    """A program, and what it is started with."""

    command: str
    args: tuple[str, ...]
    values: Values
    cwd: str | None

    @property
    def label(self) -> str:
        """The program's name, or that of the script which it runs."""
        script = next((arg for arg in self.args if not arg.startswith("-")), "")
        return Path(script or self.command).name

    @asynccontextmanager
    async def connect(self, server: McpServer, deps: Any, errors: IO[bytes]) -> AsyncGenerator[Client]:
        """A connection to the program, which ends with it. What it writes to standard error goes to `errors`."""
        client = _client_class()
        from mcp import StdioServerParameters
        from mcp.client.stdio import stdio_client

        env = server.texts("env", self.values, deps)
        parameters = StdioServerParameters(command=self.command, args=list(self.args), env=env, cwd=self.cwd)
        async with client(stdio_client(parameters, cast(Any, errors))) as connected:
            yield connected


@dataclass(frozen=True, eq=False, slots=True)
class HttpAddress:
    """An address, and what is sent along with each request to it."""

    url: str | Callable[[Any], str]
    values: Values

    @property
    def label(self) -> str:
        """The host."""
        return "" if callable(self.url) else urlsplit(self.url).hostname or ""

    @asynccontextmanager
    async def connect(self, server: McpServer, deps: Any, errors: IO[bytes]) -> AsyncGenerator[Client]:  # noqa: ARG002  # a program's
        """A connection to the address."""
        client = _client_class()
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        headers = server.texts("headers", self.values, deps)
        url = server.made("url", self.url, deps)
        if not _is_url(url):
            raise DefinitionError(f"{server.label}: url= made a {type(url).__name__} of deps that is no address like 'https://host/mcp'")
        async with (
            httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=300)) as http,
            client(streamable_http_client(url, http_client=http)) as connected,
        ):
            yield connected


def _client_class() -> type[Client]:
    try:
        from mcp import Client
    except ImportError as error:
        raise MissingDependency("MCP servers need the extra mcp: pip install 'convgraph[mcp]'") from error
    return Client


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _is_url(url: Any) -> bool:
    return isinstance(url, str) and urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)


def _check_values(values: Any, where: str) -> None:
    if not isinstance(values, Mapping):
        raise DefinitionError(f"{where} takes a mapping of texts, or a function of deps that makes one, not a {type(values).__name__}")
    for name, value in cast("Mapping[Any, Any]", values).items():
        if not isinstance(name, str) or not isinstance(value, str | SecretStr):
            raise DefinitionError(f"{where} takes texts; {name!r:.100} is a {type(value).__name__}")
