"""Runs of whole applications (tools over MCP, code that was run, documents searched, facts learnt) become tests and cases.

Their servers are gone by then, and nothing is done again: the record and the case's own results are all there is.
"""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any

import pytest

from convgraph import evaluate, open_store, read_cases
from convgraph.evaluation.cases_from_runs import append_case, case_of
from convgraph.testing import ScriptedServer
from convgraph.testing.records import areplay_record, from_text, record_of, to_text
from tests.examples.chat_examples import APPLICATIONS, FOLDER, script_of

QUICK = ("conversational_chess", "teaching", "web_information")


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in APPLICATIONS])
def test_an_applications_run_is_kept(project: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.syspath_prepend(str(script_of(name).parent))
    module, stage = importlib.import_module(name), importlib.import_module("stage")
    options: dict[str, Any] = {"human": module.person} if hasattr(module, "person") else {}
    with open_store("app.db") as store:
        with ScriptedServer(stage.played(module.PARTS)) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            monkeypatch.setenv("OPENAI_API_KEY", "none")
            module.chat(store=store, run_id="r", **options)
        runs = [run.run_id for run in store.runs(graph=module.graph.name)]
        records = [asyncio.run(record_of(store, run_id)) for run_id in runs]

    assert records
    for number, record in enumerate(records):
        result = asyncio.run(areplay_record(module.graph, from_text(to_text(record), "r.json")))
        assert result.status == "finished"
        append_case(project / "cases.yaml", case_of(record, result, module.graph.definition, f"{name}-{number}"), str(script_of(name)))
    evaluation = evaluate(module.graph, read_cases("cases.yaml").cases)
    assert evaluation.passed, str(evaluation)
