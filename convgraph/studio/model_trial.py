"""A model that a document describes is asked one short question: so that somebody sees at once whether key, address and name are right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, cast

from convgraph.errors import ConvgraphError, InputError
from convgraph.graph.documents.secrets import secrets_in
from convgraph.loading.models import SETTINGS, model_of
from convgraph.messages import Message
from convgraph.protocols import ModelRequest
from convgraph.studio.schemas.drafts import TriedOut

PATIENCE: Final = 30.0
"""Seconds after which whoever waits in front of a page has waited enough."""


async def try_model(described: Any, question: str) -> TriedOut:
    """Ask the model once, without retries. What goes wrong is told in words that never hold the key.

    Raises `InputError` for a description with a secret in it: a page is not where secrets are written.
    """
    for path in secrets_in(described, "model"):
        raise InputError(f"{path}: a secret has no place here; set the key in the environment of the studio (OPENAI_API_KEY)")
    began = time.perf_counter()
    try:
        model = model_of(_impatient(described), "model")
        async with asyncio.timeout(PATIENCE):
            reply = await model.respond(ModelRequest((Message("user", question),), speaker="studio"))
    except TimeoutError:
        return TriedOut(ok=False, seconds=time.perf_counter() - began, problem=f"the model has not answered within {PATIENCE:.0f} seconds")
    except ConvgraphError as error:
        return TriedOut(ok=False, seconds=time.perf_counter() - began, problem=str(error).removeprefix("model: "))
    return TriedOut(ok=True, seconds=time.perf_counter() - began, reply=reply.content[:2_000], model=reply.model or model.name)


def _impatient(described: Any) -> Any:
    """The description of a model that is tried once: whoever tests a connection wants to see the first error."""
    if isinstance(described, str):
        described = {"model": described}
    if not isinstance(described, Mapping):
        return described
    settings = dict(cast("Mapping[str, Any]", described))
    keys = SETTINGS.get(str(settings.get("type", "openai_chat")), ())
    if isinstance(settings.get("models"), list):
        settings["models"] = [_impatient(one) for one in cast(list[Any], settings["models"])]
    elif isinstance(settings.get("model"), Mapping):
        settings["model"] = _impatient(settings["model"])
    return settings | ({"max_retries": 0} if "max_retries" in keys else {}) | ({"timeout": PATIENCE} if "timeout" in keys else {})
