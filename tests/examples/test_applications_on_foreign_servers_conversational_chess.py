"""Conversational chess against servers that nobody here wrote: aimock plays the models' lines, and llama.cpp can only babble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from tests.examples.chat_examples import ChatExample
from tests.examples.test_chats_on_foreign_servers import said
from tests.examples.test_examples_on_foreign_servers import LLAMA, LLAMA_SERVER, aimock, running, said_by

NAME = "conversational_chess"


def test_the_game_is_played_on_aimock_as_on_our_own(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = served(NAME)
    game = ChatExample(found.module, found.server)
    expected = game.have(silent=True)
    fixtures = [each for colour, lines in game.module.LINES.items() for each in said_by(f"You play {colour}", lines)]
    with aimock(fixtures, tmp_path) as url, open_store(":memory:") as store:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        results = game.have(store=store, silent=True)
        replayed = game.graph.replay(results[0].run_id, store=store)

    assert said(results) == said(expected)
    assert replayed.usage == results[0].usage


@pytest.mark.parametrize(("white", "black", "moves"), [("model", "model", 0), ("engine", "model", 1)])
def test_a_real_model_that_only_babbles_forfeits_its_game(
    white: str, black: str, moves: int, served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever meets the babbler, the game is over after three refusals, and what was said replays without the server."""
    game = served(NAME).module
    with open_store(":memory:") as store:
        with running([str(LLAMA), str(LLAMA_SERVER), str(tmp_path)]) as url:
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            result = game.chat(white, black, store=store, run_id="game", silent=True)
        replayed = game.game(white, black).replay("game", store=store)

    assert (result.status, result.stop_reason) == ("finished", "forfeit")
    assert len(result.state.moves) == moves
    assert result.usage.calls == game.TRIES
    assert "tiny is no move that can be made here: 3 in a row" in result.summary
    assert replayed.messages == result.messages
