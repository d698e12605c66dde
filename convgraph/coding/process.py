"""A program run as a process group of its own: watched, cut off at its timeout, ended whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from convgraph.coding.executor import TIMED_OUT, Ended
from convgraph.coding.output import BoundedOutput
from convgraph.journal.keyring import VARIABLE

_CHUNK = 1 << 16
_LAST_WORDS = 0.5
"""Seconds to wait for the rest of the output, when something outside the group still holds the pipe."""


async def run_process(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None, seconds: float, output: BoundedOutput
) -> Ended:
    """Run `command` in `folder`, its output and errors in one stream. Its process group is gone when this returns or raises.

    Without an `environment` it has this process's. The keys of stores are in neither.
    """
    variables = {name: value for name, value in (os.environ if environment is None else environment).items() if name != VARIABLE}
    reading, writing = os.pipe()
    reader = asyncio.create_task(_read(reading, output))
    process = None
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                cwd=folder,
                env=variables,
                start_new_session=True,
            )
        finally:
            os.close(writing)
        async with asyncio.timeout(max(seconds, 0)):
            code = await process.wait()
        ended = Ended(code if code >= 0 else 128 - code)
    except TimeoutError:
        ended = Ended(TIMED_OUT, timed_out=True)
    finally:
        if process is not None:
            # The group may outlive its leader, and a leader that was not waited for keeps its number.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        await asyncio.wait([reader], timeout=_LAST_WORDS)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    return ended


def limited(command: Sequence[str], *, memory: int | None, processes: int | None, file_size: int | None) -> list[str]:
    """`command` under limits of its own, by `prlimit` where that is there (Linux): bytes, count, bytes. No core dumps."""
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        return list(command)
    limits = {"--as": memory, "--nproc": processes, "--fsize": file_size, "--core": 0}
    return [prlimit, *(f"{option}={value}" for option, value in limits.items() if value is not None), "--", *command]


async def _read(descriptor: int, output: BoundedOutput) -> None:
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader(limit=_CHUNK)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    try:
        while data := await stream.read(_CHUNK):
            output.add(data)
    finally:
        transport.close()
