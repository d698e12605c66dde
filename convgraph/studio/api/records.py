"""Runs as files: exported, to be kept, sent or opened without a studio, and imported."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from convgraph.errors import InputError
from convgraph.journal.records import aexport_run, aimport_run
from convgraph.studio.player_page import player_page
from convgraph.studio.rows import run_row
from convgraph.studio.schemas.runs import RunRow
from convgraph.studio.studio import InStudio

router = APIRouter(prefix="/api/runs", tags=["runs"])

_RECORD = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
_FILES = {"content": {"application/json": {"schema": {"type": "object"}}, "text/html": {"schema": {"type": "string"}}}}


@router.get("/{run_id}/export", responses={200: _FILES}, response_class=Response)
async def export(
    studio: InStudio, run_id: str, format: Annotated[Literal["html", "json"], Query(description="a page that plays it, or its record")]
) -> Response:
    """A run as a file: a page that plays it without a server, or its record, which can be imported elsewhere."""
    if format == "html":
        page = await player_page(studio.store, run_id, studio.catalog)
        return Response(page, media_type="text/html", headers=_attached(f"{run_id}.html"))
    text = await aexport_run(run_id, store=studio.store)
    return Response(text, media_type="application/json", headers=_attached(f"{run_id}.json"))


@router.post("/import", status_code=201, openapi_extra={"requestBody": _RECORD})
async def import_record(studio: InStudio, request: Request) -> RunRow:
    """Put a record that was exported into the store, as a run of its own. One whose id is taken is refused."""
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"the record is no text in UTF-8: {error}") from error
    info = await aimport_run(text, store=studio.store)
    return await run_row(studio, info.run_id)


def _attached(name: str) -> dict[str, str]:
    """Headers that make a browser save what is sent under this name, whatever characters it has."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in name)
    return {"content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"}
