"""`convgraph studio` says what is wrong before it serves anything, and ends in good order."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx2
import pytest

from tests.command_line import done_here
from tests.studio.conftest import studio_at

UNFINISHED = "version: 1\nname: letters\nnodes:\n- {name: writer, kind: agent}\nedges:\n- {from: writer, to: nobody}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.py:graph"], "no file"),
        (["convgraph.messages:Message"], "Message"),
        (["nothing.yaml"], "no file"),
        (["--host", "256.1.1.1"], "256.1.1.1"),
        (["--folder", "nowhere"], "no folder"),
        (["--store", "nowhere/runs.db"], "no folder"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    done = done_here("studio", "--no-browser", *words)
    assert done.code != 0
    assert said in done.err
    assert not list(tmp_path.glob("**/*.db"))


def test_a_token_that_is_guessed_too_easily_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVGRAPH_STUDIO_TOKEN", "short")
    done = done_here("studio", "--no-browser")
    assert (done.code, "16 letters" in done.err) == (2, True)


def test_a_document_with_errors_is_listed_with_them_to_be_mended(tmp_path: Path) -> None:
    (tmp_path / "letters.yaml").write_text(UNFINISHED)
    with studio_at(tmp_path / "runs.db", "letters.yaml", cwd=tmp_path) as studio:
        [row] = [row for row in studio.api.get("/api/graphs").json() if row["name"] == "letters"]
        assert row["problem"] or row["errors"]


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_studio_that_is_stopped_ends_with_0_while_pages_listen(tmp_path: Path, asked: signal.Signals) -> None:
    with studio_at(tmp_path / "runs.db", cwd=tmp_path) as studio, studio.api.stream("GET", "/api/changes") as listening:
        assert listening.status_code == 200
        studio.process.send_signal(asked)
        assert studio.process.wait(10) == 0
        with pytest.raises(httpx2.TransportError):
            studio.api.get("/healthz")
