"""The studio over HTTP: one module for each kind of thing, with a `router`."""

from __future__ import annotations

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    """Everything that is served under `/api` and `/v1`."""
    from convgraph.studio.api import changes, chat_completions, drafts, graphs, listing, questions, records, run_verbs, runs, session

    return [
        session.router,
        graphs.router,
        drafts.router,
        listing.router,
        questions.router,
        changes.router,
        records.router,
        runs.router,
        run_verbs.router,
        chat_completions.router,
    ]
