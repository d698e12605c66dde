"""The command line is traced where OpenTelemetry's variables ask for it, and only there; what is missing stops no run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A run on the command line with these variables."""
    command = [sys.executable, "-m", "convgraph", "run", "tests.telemetry.reviewing:review", "go"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | variables
    options = ["--store", str(tmp_path / "runs.db"), "--no-input", "--json"]
    return subprocess.run([*command, *options], capture_output=True, text=True, cwd=ROOT, env=environment, check=False)


def test_an_exporter_that_is_asked_for_is_given_the_runs_spans_and_metrics(tmp_path: Path) -> None:
    """With the console as exporter they stand on standard output, before the command's own last line."""
    done = run(tmp_path, OTEL_TRACES_EXPORTER="console", OTEL_METRICS_EXPORTER="console", OTEL_SERVICE_NAME="desk")
    assert '"name": "invoke_workflow review"' in done.stdout
    assert '"service.name": "desk"' in done.stdout
    assert '"name": "gen_ai.client.token.usage"' in done.stdout
    assert "A draft." not in done.stdout.rsplit("\n{", 1)[0]
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "waiting"


def test_nothing_is_traced_where_nothing_is_asked_for_or_the_sdk_is_disabled(tmp_path: Path) -> None:
    """Variables that name no exporter are none that ask for one."""
    plain = run(tmp_path, OTEL_SERVICE_NAME="desk")
    disabled = run(tmp_path, OTEL_TRACES_EXPORTER="console", OTEL_SDK_DISABLED="true")
    none = run(tmp_path, OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="none")
    for done in (plain, disabled, none):
        assert "invoke_workflow" not in done.stdout
        assert done.stderr == ""


def test_what_is_not_installed_is_said_and_the_run_goes_on(tmp_path: Path) -> None:
    """An endpoint that a host sets for all of its processes is no reason for a run to fail."""
    done = run(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318")
    assert "not traced: OTEL_… asks for the exporter 'otlp_proto_http', which is not installed" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "waiting"
