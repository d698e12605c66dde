"""What schemathesis makes of the OpenAPI document, sent to a real studio: nothing fails inside, and every answer is as documented."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from convgraph import open_store
from convgraph.loading import load_target
from tests.studio.conftest import Served, studio_at

GRAPHS = Path(__file__).parent / "graphs/speaking.py"
ENDLESS = {"/api/changes", "/api/runs/{run_id}/events"}
"""Streams, which other tests listen to."""
ELSEWHERE = {"/api/models/test"}
"""What talks to a model of whoever asks."""
load_all_checks()
CHECKED = CHECKS.get_by_names(["not_a_server_error", "response_schema_conformance", "content_type_conformance"])


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("api")
    with open_store(folder / "runs.db") as opened:
        load_target(f"{GRAPHS}:essay").run("go", store=opened, run_id="0")
        load_target(f"{GRAPHS}:counter").run("go", store=opened, run_id="1", human="park")
    (folder / "graphs").mkdir()
    targets = [f"{GRAPHS}:{name}" for name in ("essay", "counter", "wheel")]
    with studio_at(folder / "runs.db", *targets, options=("--folder", str(folder / "graphs"))) as served:
        yield served


@pytest.fixture(scope="module")
def document(studio: Served) -> Any:
    return schemathesis.openapi.from_dict(studio.api.get("/api/openapi.json").json())


def operations(document: Any) -> dict[str, Any]:
    """Every operation of the document but those that are left to others."""
    found = (result.ok() for result in document.get_all_operations())
    return {operation.label: operation for operation in found if operation.path not in ENDLESS | ELSEWHERE}


def test_the_document_names_every_verb(document: Any) -> None:
    paths = {operation.path for operation in operations(document).values()} | ENDLESS | ELSEWHERE
    assert paths >= {"/api/runs", "/api/runs/{run_id}/fork", "/api/runs/{run_id}/answers/{question}", "/v1/chat/completions"}
    assert all(operation.definition.raw.get("description") for operation in operations(document).values())


FEW = settings(
    max_examples=12,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType]
)


@pytest.mark.parametrize("known", [True, False], ids=["runs that there are", "any runs"])
def test_whatever_is_asked_is_answered_as_documented(studio: Served, document: Any, known: bool) -> None:
    for operation in operations(document).values():
        if not (known and operation.method == "delete"):
            ask_anything(studio, operation, known)
    assert studio.api.get("/api/runs").status_code == 200


def ask_anything(studio: Served, operation: Any, known: bool) -> None:
    """Send what fits the document, a few times, and see that the answers do too. `known`: about the two runs that there are."""
    headers = {"authorization": f"Bearer {studio.url.rpartition('=')[2]}"}

    @FEW
    @given(case=operation.as_strategy())
    def answered(case: Any) -> None:
        if known and "run_id" in (case.path_parameters or {}):
            case.path_parameters["run_id"] = str(len(str(case.body)) % 2)
        answer = case.call(base_url=studio.origin, headers=headers, timeout=20)
        case.validate_response(answer, checks=CHECKED)
        assert answer.status_code < 500 or answer.status_code == 501, (operation.label, answer.status_code, answer.text)

    answered()
