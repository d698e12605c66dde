"""What the studio is made of, and its application: a store, the graphs that it knows, and the runs that go on in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp

from convgraph.errors import (
    AnswerError,
    ConvgraphError,
    GraphChanged,
    InputError,
    InternalError,
    MissingDependency,
    ModelError,
    RunBusy,
    RunError,
    RunExists,
    RunNotFound,
    StoreError,
)
from convgraph.journal.store import Store
from convgraph.studio.access import Access, Guard
from convgraph.studio.catalog import Catalog
from convgraph.studio.changes import Changes
from convgraph.studio.live import Live
from convgraph.studio.problems import problem
from convgraph.studio.schemas.base import Problem
from convgraph.studio.slashes import Slashes, with_slashes
from convgraph.studio.timelines import Timelines

STATIC = Path(__file__).parent / "static"
GALLERY = Path(__file__).parent / "gallery"
LARGEST_BODY = 50_000_000
"""Bytes: a run that is imported may hold pictures."""

_CODES: Sequence[tuple[type[ConvgraphError], int]] = (
    (RunNotFound, 404),
    (RunExists, 409),
    (AnswerError, 409),
    (RunBusy, 409),
    (GraphChanged, 409),
    (RunError, 409),
    (StoreError, 503),
    (ModelError, 502),
    (MissingDependency, 501),
    (InternalError, 500),
    (InputError, 422),
)


@dataclass(frozen=True, slots=True)
class Studio:
    """All that the studio works on.

    `access` is who may use it, `timelines` the runs that are looked at, `changes` what pages with lists are told.
    """

    store: Store
    catalog: Catalog
    live: Live
    access: Access
    timelines: Timelines
    changes: Changes


def studio_of(request: Request) -> Studio:
    """The studio that a request is for."""
    return request.app.state.studio


InStudio = Annotated[Studio, Depends(studio_of)]
"""What a handler asks for to get the studio."""


def application(studio: Studio) -> ASGIApp:
    """The studio over HTTP: the page, its files, the API under `/api` and `/v1`, guarded."""
    return Guard(bare_application(studio), studio.access)


def bare_application(studio: Studio) -> FastAPI:
    """The same for whoever guards it otherwise: nobody is asked for a token."""
    from convgraph.studio.api import routers

    app = FastAPI(
        title="convgraph studio",
        version=_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        max_body_size=LARGEST_BODY,
        dependencies=[Depends(with_slashes)],
        responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    )
    app.add_middleware(Slashes)
    app.state.studio = studio
    app.add_exception_handler(ConvgraphError, _refused)
    app.add_exception_handler(RequestValidationError, _misfit)
    app.add_exception_handler(HTTPException, _not_served)
    for router in routers():
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_api_route("/", _page, include_in_schema=False)
    app.add_api_route("/healthz", _health, include_in_schema=False)
    return app


async def _page() -> Response:
    return FileResponse(STATIC / "index.html")


async def _health() -> dict[str, str]:
    return {"status": "ok"}


async def _refused(request: Request, error: Exception) -> Response:
    """An error as an answer that says what is wrong, in the words of the error."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), 422)
    return _problem(request, code, type(error).__name__, str(error))


async def _misfit(request: Request, error: Exception) -> Response:
    faults: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else ()
    places = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
    details = [{"place": list(fault["loc"]), "message": fault["msg"]} for fault in faults]
    return _problem(request, 422, "InputError", f"the request does not fit: {places}", details)


async def _not_served(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    kind = "NotFound" if error.status_code == 404 else "Refused"
    return _problem(request, error.status_code, kind, str(error.detail), headers=error.headers)


def _problem(
    request: Request, code: int, error: str, message: str, details: Sequence[dict[str, Any]] = (), headers: Any = None
) -> Response:
    path = request.url.path
    again = {"x-should-retry": "false"} if path.startswith("/v1/") else {}  # OpenAI's clients would ask again, and begin another run
    return JSONResponse(problem(path, code, error, message, details), code, {**(headers or {}), **again})


def _version() -> str:
    from importlib.metadata import version

    return version("convgraph")
