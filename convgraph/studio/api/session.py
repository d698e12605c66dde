"""What the page has to know of the studio it belongs to."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter

from convgraph.models.openai_model import default_model_name
from convgraph.studio.schemas.base import Session
from convgraph.studio.studio import InStudio

router = APIRouter(prefix="/api", tags=["studio"])


@router.get("/session")
async def session(studio: InStudio) -> Session:
    """The version, the store, and where graphs are saved."""
    folder = studio.catalog.folder
    return Session(
        version=version("convgraph"),
        store=studio.store.url,
        folder=str(folder) if folder is not None else None,
        default_model=default_model_name(),
    )
