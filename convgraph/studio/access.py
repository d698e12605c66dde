"""Who may use the studio: those who have its token, from its own page, at an address that it is served under.

A page of another site can make a browser send requests here, with its cookies, and a name that somebody else controls can be made to
point to this machine. So the host that is asked for has to be one of ours, what changes something has to come from our own page, and
everything but the page's own files asks for the token: in a cookie that only this page's requests carry, or as a bearer token.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from convgraph.errors import InputError
from convgraph.studio.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SHORTEST_TOKEN = 16
FREE = re.compile(r"/static/[^.][^/]*(?:/[^.][^/]*)*|/healthz")
"""What is no secret: the page's own files."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types convgraph"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Sent with every answer: nothing runs but the page's own scripts, and no text becomes markup."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the studio is served, and the token that it asks for. Raises `InputError` for a token that is guessed too easily."""

    host: str
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def __post_init__(self) -> None:
        if len(self.token) < SHORTEST_TOKEN or not re.fullmatch(r"[A-Za-z0-9_-]+", self.token):
            raise InputError(f"the studio's token has {SHORTEST_TOKEN} letters, digits, - or _, or more")

    @property
    def cookie(self) -> str:
        """The cookie's name. Cookies are shared between the ports of a host, so it says which."""
        return f"convgraph-{self.port}"

    @property
    def origin(self) -> str:
        """The address of the page, as a browser names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address to open: whoever has it may use the studio."""
        return f"{self.origin}/?token={self.token}"

    def is_ours(self, host: str) -> bool:
        """Whether a request's `Host` is an address that the studio is served under."""
        if self.host in ("0.0.0.0", "::"):  # noqa: S104  # whoever serves on all addresses has many names; the token is what guards it
            return re.fullmatch(rf"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):{self.port}", host) is not None
        own = {f"{name}:{self.port}" for name in LOOPBACK} if self.is_loopback else {self.origin.removeprefix("http://")}
        return host.lower() in own

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return self.host in ("127.0.0.1", "localhost", "::1")

    def knows(self, token: str) -> bool:
        """Whether this is the token; takes as long for a wrong one as for a nearly right one."""
        return hmac.compare_digest(token.encode(), self.token.encode())


class Guard:
    """ASGI middleware that lets in who may come in, and sends `HEADERS` with everything."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here is served over websockets
            return
        asked = _Asked.of(scope)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                kept = [pair for pair in message.get("headers", ()) if pair[0].decode("latin-1").lower() not in HEADERS]
                message["headers"] = [*kept, *own]
            await send(message)

        refused = self._refusal(asked)
        if refused is not None:
            await _answer(sent, asked.path, *refused)
        elif asked.method == "GET" and asked.path == "/" and "token" in asked.query:
            await self._enter(asked, sent)
        else:
            await self._app(scope, receive, sent)

    def _refusal(self, asked: _Asked) -> tuple[int, str, str] | None:
        """The status, error and message with which a request is refused; None where it is not."""
        access = self._access
        if not access.is_ours(asked.headers.get("host", "")):
            return 421, "WrongHost", f"the studio is served at {access.origin}, and answers under no other name"
        origin = asked.headers.get("origin")
        if origin is not None and origin != f"http://{asked.headers['host']}":
            return 403, "WrongOrigin", "a page of another site has asked; open the studio's own page"
        if asked.headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and asked.path != "/":
            return 403, "WrongOrigin", "a page of another site has asked; open the studio's own page"
        if FREE.fullmatch(asked.path) and ".." not in asked.path:
            return None
        if asked.path == "/" and "token" in asked.query and asked.method == "GET":
            return None
        scheme, _, said = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return None if access.knows(said) else (401, "Unauthorized", "that is not this studio's token")
        if not access.knows(asked.cookies.get(access.cookie, "")):
            return (
                401,
                "Unauthorized",
                "open the studio with the address that it has printed (with ?token=…), or send the token as a bearer token",
            )
        if asked.method not in _SAFE and asked.headers.get("x-convgraph") != "studio":
            return (
                403,
                "WrongOrigin",
                "what changes something is sent by the studio's own page (X-Convgraph: studio), or with a bearer token",
            )
        return None

    async def _enter(self, asked: _Asked, send: Send) -> None:
        """Take the token out of the address, where it could be seen and shared, into a cookie."""
        access = self._access
        if not access.knows(asked.query["token"]):
            message = "that is not this studio's token; the terminal in which it was started shows the address"
            await _answer(send, asked.path, 401, "Unauthorized", message)
            return
        rest = urlencode({key: value for key, value in asked.query.items() if key != "token"})
        cookie = f"{access.cookie}={access.token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"
        headers = [(b"location", (f"/?{rest}" if rest else "/").encode()), (b"set-cookie", cookie.encode())]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request says of itself."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    cookies: dict[str, str]

    @classmethod
    def of(cls, scope: Scope) -> _Asked:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
        try:
            cookies = {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
        except CookieError:
            cookies = {}
        return cls(scope["method"], scope["path"], headers, query, cookies)


async def _answer(send: Send, path: str, status: int, error: str, message: str) -> None:
    body = json.dumps(problem(path, status, error, message)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
