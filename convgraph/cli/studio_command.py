"""The command that opens the studio."""

from __future__ import annotations

import asyncio
import os
import signal
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convgraph.cli import options as o
from convgraph.cli.exit_codes import ExitCode
from convgraph.cli.output import Output
from convgraph.errors import MissingDependency

if TYPE_CHECKING:
    from convgraph.studio.serving import Settings


def studio(
    targets: Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", help="Graphs to look at, run and change.")] = None,
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="Where it is served; other machines reach it only if it is not loopback.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes a free one.")] = 0,
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help="Where graphs are saved as YAML.")] = Path(),
    allow: o.Allow = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    as_json: o.AsJson = False,
) -> int:
    """Open a web page on graphs and their runs: look, follow, wind back, answer, change.

    Whoever has the printed address may use it: it carries a token, a new one each time unless CONVGRAPH_STUDIO_TOKEN holds one.
    """
    token = os.environ.get("CONVGRAPH_STUDIO_TOKEN") or None
    try:
        from convgraph.studio.serving import Settings
    except ModuleNotFoundError as error:
        raise MissingDependency(f"the studio needs {error.name}: pip install 'convgraph[studio]'") from error
    settings = Settings(tuple(targets or ()), folder, tuple(allow or ()), host, port, token)
    asyncio.run(_serve(store, settings, Output(as_json=as_json), no_browser))
    return ExitCode.DONE


async def _serve(store: str, settings: Settings, output: Output, no_browser: bool) -> None:
    from convgraph.studio.serving import served

    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    async with served(store, settings) as studio:
        output.line(f"The studio is at {studio.access.url}")
        output.result({"url": studio.access.url})
        if not no_browser:
            await asyncio.to_thread(webbrowser.open, studio.access.url)
        await stop.wait()
