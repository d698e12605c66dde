"""A cable between a worker and the database: it passes everything on, or nothing (a black hole), or is cut."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType


class Cable:
    """A TCP proxy from a port of its own to `port` of this host, in a thread of its own."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = 0
        self._to = port
        self._loop = asyncio.new_event_loop()
        self._passes = asyncio.Event()
        self._is_cut = False
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cable", daemon=True)

    def __enter__(self) -> Cable:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def black_hole(self) -> None:
        """From now on nothing arrives, and nobody is told. What is sent meanwhile arrives when it is healed."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def cut(self) -> None:
        """Reset all connections, and refuse new ones."""
        self._loop.call_soon_threadsafe(self._cut)

    def heal(self) -> None:
        """Pass everything on again."""
        self._loop.call_soon_threadsafe(self._heal)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, self.host, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._passes.set()
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        for end in self._ends:
            end.transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        ends = {writer}
        self._ends |= ends
        try:
            await self._passes.wait()
            if self._is_cut:
                return
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
            ends.add(back)
            self._ends |= ends
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except (OSError, asyncio.CancelledError):
            pass  # one of the two has gone, the database is down, or the cable is taken away: both ends are closed
        finally:
            self._tasks.discard(task)
            for end in ends:
                end.transport.abort()
            self._ends -= ends

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._passes.wait()
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    def _cut(self) -> None:
        self._is_cut = True
        for end in self._ends:
            end.transport.abort()

    def _heal(self) -> None:
        self._is_cut = False
        self._passes.set()
