"""A worker over HTTP: is it well, what has it done, what do its runs ask, and what are the answers.

Health and figures are for anybody who can reach the port, as such things are; everything else, which is what conversations say, asks
for the token. Answers go into the store, as from everywhere else: the worker is woken, but any other may go on with the run.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from convgraph.engines.engine import Engine
from convgraph.engines.worker import Worker
from convgraph.errors import AnswerError, ConvgraphError, InputError, MissingDependency, RunNotFound, StoreError
from convgraph.journal.runs import OpenQuestion, RunInfo
from convgraph.journal.store import Store
from convgraph.telemetry.prometheus import CONTENT_TYPE, Tallies

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

LONGEST_ANSWER = 1_000_000
"""Bytes of an answer's JSON."""

PATIENCE = 2.0
"""Seconds in which a store that is there has answered."""


class WorkerSite:
    """What a worker shows and takes over HTTP.

    `token` is what has to be said (`Authorization: Bearer …`) to see runs and to answer questions; `draining` says whether the worker
    is being stopped. Raises `InputError` for a token that is guessed too easily.
    """

    def __init__(
        self, worker: Worker, engine: Engine, store: Store, tallies: Tallies, *, token: str, draining: Callable[[], bool] = lambda: False
    ) -> None:
        if len(token) < 8:
            raise InputError("the token of a worker's HTTP interface has 8 characters or more")
        self._worker = worker
        self._engine = engine
        self._store = store
        self._tallies = tallies
        self._token = token
        self._draining = draining

    def app(self) -> Starlette:
        """The ASGI application. Raises `MissingDependency` without starlette."""
        try:
            from starlette.applications import Starlette
            from starlette.routing import Route
        except ModuleNotFoundError:
            raise _missing() from None
        return Starlette(
            routes=[
                Route("/healthz", self.health),
                Route("/readyz", self.readiness),
                Route("/metrics", self.metrics),
                Route("/questions", self._guarded(self.questions)),
                Route("/runs/{run_id}", self._guarded(self.run)),
                Route("/runs/{run_id}/answers/{question:path}", self._guarded(self.answer), methods=["POST"]),
            ],
        )

    async def health(self, _: Request) -> Response:
        """The process is there, and its loop goes round."""
        return _json({"status": "ok"})

    async def readiness(self, _: Request) -> Response:
        """It takes runs, and the store answers; otherwise 503, with what is wrong."""
        if self._draining():
            return _json({"status": "draining"}, 503)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._store.aruns(limit=1)
        except (StoreError, TimeoutError) as error:
            return _json({"status": "store unavailable", "message": str(error) or f"no answer within {PATIENCE:g} s"}, 503)
        return _json({"status": "ready"})

    async def metrics(self, _: Request) -> Response:
        """What this worker has done, for Prometheus."""
        from starlette.responses import Response

        under_way = "Runs that this worker is going on with.", float(len(self._worker.under_way))
        return Response(self._tallies.text({"convgraph_runs_under_way": under_way}), media_type=CONTENT_TYPE)

    async def questions(self, request: Request) -> Response:
        """What the store's runs ask: all, or those of one person (`to=`) or of one run (`run_id=`); answered ones are not listed."""
        asked = await self._store.aquestions(request.query_params.get("run_id"), to=request.query_params.get("to"))
        return _json({"questions": [_question(question) for question in asked if not question.answered]})

    async def run(self, request: Request) -> Response:
        """How a run stands, and what it asks."""
        run_id = request.path_params["run_id"]
        info = await self._store.info(run_id)
        return _json({**_run(info), "questions": [_question(question) for question in await self._store.aquestions(run_id)]})

    async def answer(self, request: Request) -> Response:
        """Take an answer: the body is its value, in JSON. 404: nobody asks that; 409: it is answered; 422: it does not fit."""
        run_id, question_id = request.path_params["run_id"], request.path_params["question"]
        value = await _body(request)
        await self._store.info(run_id)
        asked = {question.id: question for question in await self._store.aquestions(run_id)}
        try:
            await self._store.aanswer(run_id, question_id, value)
        except AnswerError as error:
            code = 404 if question_id not in asked else 409 if asked[question_id].answered else 422
            return _refused(error, code)
        await self._engine.wake(run_id)
        return _json({"run_id": run_id, "question": question_id, "status": "accepted"}, 202)

    def _guarded(self, handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The handler, for those who say the token; and an error as an answer that says what is wrong."""

        async def guarded(request: Request) -> Response:
            scheme, _, said = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(said.encode(), self._token.encode()):
                return _json(
                    {"error": "Unauthorized", "message": "say the token: Authorization: Bearer …"}, 401, {"www-authenticate": "Bearer"}
                )
            try:
                return await handle(request)
            except RunNotFound as error:
                return _refused(error, 404)
            except StoreError as error:
                return _refused(error, 503)
            except InputError as error:
                return _refused(error, 400)

        return guarded


@asynccontextmanager
async def served(site: WorkerSite, host: str, port: int) -> AsyncGenerator[str]:
    """Serve as long as the block goes on; gives the address (with port 0, the system picks the port).

    Raises `InputError` where that cannot be had, `MissingDependency` without starlette and uvicorn.
    """
    app = site.app()
    try:
        import uvicorn
    except ModuleNotFoundError:
        raise _missing() from None

    class Server(uvicorn.Server):
        """A server that leaves signals to the worker: it is served until the last run is handed over."""

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield

    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InputError(f"HTTP cannot be served at {host}, port {port}: {error}") from error
    with listening:
        server = Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="convgraph-http")
        try:
            yield f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


def _missing() -> MissingDependency:
    return MissingDependency("a worker's HTTP interface needs starlette and uvicorn: pip install 'convgraph[studio]'")


async def _body(request: Request) -> Any:
    """The JSON that was sent. Raises `InputError` for what is none, and for more than an answer can be."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_ANSWER:
            raise InputError(f"an answer has up to {LONGEST_ANSWER:,} bytes")
    try:
        return json.loads(bytes(body), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f'the body is no JSON ({error}); a text stands in quotes: "yes"') from error


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


def _question(question: OpenQuestion) -> dict[str, Any]:
    return {
        "run_id": question.run_id,
        "id": question.id,
        "to": question.node,
        "prompt": question.prompt,
        "schema": dict(question.schema),
        "asked": question.asked,
        "answered": question.answered,
    }


def _run(info: RunInfo) -> dict[str, Any]:
    return {
        "run_id": info.run_id,
        "graph": info.graph,
        "status": info.status,
        "reason": info.reason,
        "fingerprint": info.fingerprint,
        "created": info.created,
        "updated": info.updated,
    }


def _refused(error: ConvgraphError, code: int) -> Response:
    return _json({"error": type(error).__name__, "message": str(error)}, code)


def _json(value: Any, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    from starlette.responses import Response

    return Response(json.dumps(value, ensure_ascii=False), code, headers, "application/json")
