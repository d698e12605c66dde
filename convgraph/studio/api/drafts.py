"""Graphs that are being written: checked as they are typed, saved into the studio's folder, made of what the palette lists."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from convgraph.journal.values import digest_text
from convgraph.studio import drafts
from convgraph.studio.api.graphs import row_of
from convgraph.studio.model_trial import try_model
from convgraph.studio.palette import palette
from convgraph.studio.schemas.base import Problem
from convgraph.studio.schemas.drafts import Draft, DraftOut, PaletteOut, Save, SavedOut, TriedOut, TryModel
from convgraph.studio.studio import InStudio

router = APIRouter(prefix="/api", tags=["drafts"])


@router.post("/drafts/check")
async def check(studio: InStudio, draft: Draft) -> DraftOut:
    """What can be told of a draft as it stands: its findings and picture, or why it is no graph yet. Nothing is written."""
    return await asyncio.to_thread(drafts.checked, draft.yaml, draft.document, studio.catalog.allow, draft.collapse)


@router.put("/drafts/{name}", response_model=SavedOut, responses={409: {"model": Problem}})
async def save(studio: InStudio, name: Annotated[str, Path(max_length=100)], draft: Save) -> SavedOut | JSONResponse:
    """Save a draft as a file of the studio's folder. 409 with the difference where the file is not what it was when it was opened."""
    try:
        path = await asyncio.to_thread(drafts.save, studio.catalog.folder, name, draft.yaml, draft.base, studio.catalog.allow)
    except drafts.Stale as error:
        details = [{"difference": error.difference}]
        return JSONResponse(Problem(error="Stale", message=str(error), details=details).model_dump(), 409)
    return SavedOut(graph=row_of(studio.catalog.at(path)), base=digest_text(path.read_text(encoding="utf-8")))


@router.get("/palette")
async def words(studio: InStudio) -> PaletteOut:
    """What documents are made of: kinds of nodes, agents and models, the words of guards, and what may be imported."""
    return await asyncio.to_thread(palette, studio.catalog.allow)


@router.post("/models/test")
async def test_model(model: TryModel) -> TriedOut:
    """Ask a model one short question, to see whether it can be reached. The key comes from the environment, and is never told."""
    return await try_model(model.model, model.question)
