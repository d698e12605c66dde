"""A real web server on 127.0.0.1 whose pages, good ones and traps, are what a test says."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Reply:
    """What the server answers."""

    body: bytes | str = b""
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Page: TypeAlias = str | bytes | Reply | Callable[[BaseHTTPRequestHandler], None]


@dataclass
class LocalSite:
    """Pages by their paths; a function writes its answer itself. `log` holds the path of each request, `hosts` its Host header."""

    pages: dict[str, Page]
    port: int = 0
    log: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    requests: list[Mapping[str, str]] = field(default_factory=list)

    @property
    def place(self) -> str:
        """What `hosts=` takes."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The site's own address."""
        return f"http://{self.place}"


@contextmanager
def serving(pages: Mapping[str, Page], tls: ssl.SSLContext | None = None) -> Iterator[LocalSite]:
    """The site for as long as the block lasts; with `tls`, by https."""
    site = LocalSite(dict(pages))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            site.log.append(self.path)
            site.hosts.append(self.headers["host"])
            site.requests.append({name.lower(): value for name, value in self.headers.items()})
            page = site.pages.get(self.path, Reply("nothing here", status=404))
            if callable(page):
                page(self)
                return
            reply = page if isinstance(page, Reply) else Reply(page)
            body = reply.body.encode() if isinstance(reply.body, str) else reply.body
            self.send_response(reply.status)
            for name, value in {"content-type": reply.kind, "content-length": str(len(body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up, as it does at a trap, is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def leading_to(url: str, status: int = 302) -> Reply:
    """A redirect."""
    return Reply(status=status, headers={"location": url})
