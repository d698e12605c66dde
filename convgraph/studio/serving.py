"""Serving the studio: from what it is given to an address that is open as long as a block goes on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Collection, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from convgraph.errors import InputError
from convgraph.journal.store_url import StoreLike, as_store
from convgraph.studio.access import Access
from convgraph.studio.catalog import Catalog
from convgraph.studio.changes import Changes
from convgraph.studio.live import Live
from convgraph.studio.studio import GALLERY, Studio, application
from convgraph.studio.timelines import Timelines


@dataclass(frozen=True, slots=True)
class Settings:
    """What a studio is started with.

    `targets` name graphs as the command line does, `folder` is where documents are read and saved, `allow` are the modules from which
    documents may import, `deps` the live objects that runs are given. With port 0 the system picks one; without `token` one is made.
    """

    targets: Sequence[str] = ()
    folder: Path | None = None
    allow: Collection[str] = ()
    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    gallery: bool = True
    deps: Any = None


@asynccontextmanager
async def served(store: StoreLike, settings: Settings) -> AsyncGenerator[Studio]:
    """Serve a studio as long as the block goes on; its `access.url` is where.

    At the end, runs that go on in it are left where they stand: they are resumed by whoever goes on with them. Raises `InputError` where
    the address cannot be had, the folder is none or a target names no graph, and what opening the store raises.
    """
    if settings.folder is not None and not settings.folder.is_dir():
        raise InputError(f"the studio's folder {str(settings.folder)!r} is no folder")
    folder = settings.folder.resolve() if settings.folder is not None else None
    catalog = Catalog(settings.targets, folder=folder, gallery=GALLERY if settings.gallery else None, allow=settings.allow)
    listening = _listening(settings.host, settings.port)
    with listening:
        access = Access(settings.host, listening.getsockname()[1], **({} if settings.token is None else {"token": settings.token}))
        async with as_store(store) as opened:
            live = Live(opened, deps=settings.deps)
            studio = Studio(opened, catalog, live, access, Timelines(opened, catalog, live), Changes(opened))
            server = _Server(uvicorn.Config(application(studio), log_config=None, access_log=False, timeout_graceful_shutdown=1))
            serving = asyncio.create_task(server.serve(sockets=[listening]), name="convgraph-studio")
            try:
                yield studio
            finally:
                server.should_exit = True
                studio.timelines.close()
                await studio.changes.close()
                await studio.live.close()
                await serving


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever started it."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise InputError(f"the studio cannot be served at {host}, port {port}: {error}; --port 0 takes a free one") from error
