"""`make demo`: killed with -9, resumed, replayed, explained, drawn; and clear about what keeps it from playing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def play(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEMO), str(folder)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_plays_without_a_key_in_half_a_minute(tmp_path: Path) -> None:
    """The steps before and after the kill are those of one run, and no finished model call is made again."""
    began = time.monotonic()
    played = play(tmp_path / "demo")
    seconds = time.monotonic() - began

    assert (played.returncode, played.stderr) == (0, "")
    assert seconds < 30
    assert "stands in for the model" in played.stdout
    assert re.search(r"kill -9 \d+", played.stdout)
    assert re.findall(r"^ ?(\d+) (\w+):", played.stdout, re.MULTILINE) == [
        ("1", "writer"),
        ("2", "fact_checker"),
        ("3", "writer"),
        ("4", "fact_checker"),
        ("5", "critic"),
        ("6", "writer"),
        ("7", "critic"),
        ("8", "editor"),
    ]
    assert "3 model calls had been finished before the kill: none of them was made again." in played.stdout
    assert "saw 9 requests: 1 more than there are answers" in played.stdout
    assert "state and all: identical" in played.stdout
    assert "chosen by 'auto'" in played.stdout
    commands = re.findall(r"^  .*?\bconvgraph (.*)$", played.stdout, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["show", "explain", "simulate", "fork"]
    for command in commands:
        subprocess.run([sys.executable, "-m", "convgraph", *command.split()], capture_output=True, timeout=30, check=True)
    for picture in ("newsroom.svg", "sequence.svg"):
        assert "fact_checker" in (tmp_path / "demo" / picture).read_text(encoding="utf-8")


def test_draws_in_mermaid_where_graphviz_is_missing(tmp_path: Path) -> None:
    played = play(tmp_path / "demo", PATH=str(tmp_path))

    assert played.returncode == 0, played.stderr
    assert "flowchart" in (tmp_path / "demo" / "newsroom.mmd").read_text(encoding="utf-8")
    assert "dot" in played.stdout


@pytest.mark.parametrize(
    ("url", "message"),
    [("http://127.0.0.1:9/v1", "cannot be reached"), ("nonsense", "base_url= is an address like https://host/v1, not 'nonsense'")],
)
def test_says_plainly_that_an_endpoint_is_of_no_use(url: str, message: str, tmp_path: Path) -> None:
    played = play(tmp_path / "demo", OPENAI_BASE_URL=url)

    assert played.returncode == 1
    assert url in played.stdout
    assert message in played.stderr
    assert "Traceback" not in played.stderr
