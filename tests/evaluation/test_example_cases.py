"""The example's cases run through the command line: with their scripts, and live against an endpoint over HTTP."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convgraph import Case, evaluate, read_cases
from convgraph.testing import ScriptedServer

ROOT = Path(__file__).parents[2]
CASES = ROOT / "examples" / "cases.yaml"


def test_they_pass_from_any_directory_without_a_model(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_BASE_URL": "http://127.0.0.1:9/nobody"}
    command = [sys.executable, "-m", "convgraph", "eval", str(CASES), "--plot", "cases.svg"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "router: 6 of 6 cases passed, score 1.000" in done.stdout
    assert "transitions taken: 10 of 10" in done.stdout
    assert ">not solved<" in (tmp_path / "cases.svg").read_text()


def test_without_scripts_the_graphs_own_models_are_asked_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    module: Any = importlib.import_module("router")
    stage: Any = importlib.import_module("stage")
    live = [Case(case.name, case.input, case.expect) for case in read_cases(CASES).cases if case.name in ("stuck crank", "opening hours")]
    with ScriptedServer(stage.played(module.PARTS)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        evaluation = evaluate(module.graph, live, repeat=2)

    assert evaluation.passed, str(evaluation)
    assert evaluation.usage.calls == len(server.log) == server.usage.calls == 10
    assert evaluation.usage.tokens == server.usage.tokens
