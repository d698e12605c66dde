"""`convgraph worker --http`: where it is served, and which token opens it."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from convgraph.errors import InputError

if TYPE_CHECKING:
    from convgraph.cli.output import Output
    from convgraph.engines.engine import Engine
    from convgraph.engines.worker import Worker
    from convgraph.journal.store import Store

TOKEN = "CONVGRAPH_TOKEN"  # noqa: S105  # the variable's name
LOOPBACK = "127.0.0.1"


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `--http`: `HOST:PORT`, `[::1]:PORT`, or a port on the loopback interface. Raises `InputError`."""
    host, _, number = text.rpartition(":")
    if not number.isdecimal() or int(number) > 65_535:
        raise InputError(f"--http {text}: write HOST:PORT or PORT; 0 is any free port")
    host = host.removeprefix("[").removesuffix("]") or LOOPBACK
    if not is_loopback(host) and not os.environ.get(TOKEN):
        raise InputError(
            f"--http {text}: others than this host could reach it, so it wants a token of yours in {TOKEN} "
            "(and, since it is plain HTTP, a proxy with TLS before it)"
        )
    return host, int(number)


def is_loopback(host: str) -> bool:
    """Whether only this host can reach it there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@asynccontextmanager
async def http_served(
    address: tuple[str, int] | None, worker: Worker, engine: Engine, store: Store, output: Output, draining: Callable[[], bool]
) -> AsyncGenerator[None]:
    """Have the worker served over HTTP as long as the block goes on, if it is to be. A token that nobody has given is made, and printed."""
    if address is None:
        yield
        return
    from convgraph.engines.http import WorkerSite, served
    from convgraph.runtime.observing import observe, observe_no_more
    from convgraph.telemetry.prometheus import Tallies

    given = os.environ.get(TOKEN)
    token, tallies = given or secrets.token_urlsafe(24), Tallies()
    site = WorkerSite(worker, engine, store, tallies, token=token, draining=draining)
    observe(tallies)
    try:
        async with served(site, *address) as url:
            output.line(f"HTTP at {url}, token {f'from {TOKEN}' if given else token}")
            yield
    finally:
        observe_no_more(tallies)
