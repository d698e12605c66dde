"""The shop whose tools others wrote really asks its servers, really puts things aside, and keeps its token to itself."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from tests.examples.chat_examples import FOLDER, ChatExample

TOKEN = "demo-token-of-the-shop"


@pytest.fixture
def shop(served: Any) -> ChatExample:
    example = served("foreign_tools")
    return ChatExample(example.module, example.server)


def put_aside(stock: Path) -> list[Any]:
    with closing(sqlite3.connect(stock)) as warehouse:
        return warehouse.execute("SELECT * FROM reservations").fetchall()


def test_what_is_offered_is_what_the_servers_say_and_is_put_aside_once(shop: ChatExample, tmp_path: Path) -> None:
    stock = tmp_path / "stock.db"
    [first] = shop.have(stock=stock, store="runs.db")
    [again] = shop.have(stock=stock, store="runs.db")

    assert first.summary == again.summary
    assert first.summary.startswith("12 x gasket M8, delivered within 2 days: 57.98 EUR gross. 12 of G-M8 are put aside for order 4711.")
    assert put_aside(stock) == [("4711", "G-M8", 12)]


def test_the_token_reaches_the_carrier_and_nothing_that_is_kept(shop: ChatExample, tmp_path: Path) -> None:
    with open_store("runs.db") as store:
        [result] = shop.have(store=store)
        kept = b"".join(path.read_bytes() for path in tmp_path.glob("runs.db*"))
    sent = str(shop.server.log)

    quoted = next(message for message in result.messages if message.name == "carrier_quote")
    assert '"billed_to": "spare-parts shop", "authorization": "Bearer [secret token]"' in quoted.text
    assert TOKEN.encode() not in kept
    assert TOKEN not in sent
    assert TOKEN not in shop.graph.to_yaml()


def test_without_consent_nothing_is_put_aside(shop: ChatExample, tmp_path: Path) -> None:
    """Asked, the run waits without a process; refused, the clerk is told so, and the stock stays as it is."""
    stock = tmp_path / "stock.db"
    with open_store("runs.db") as store:
        [waiting] = shop.have(stock=stock, store=store, human="park", run_id="r")
        assert waiting.status == "waiting"
        assert put_aside(stock) == []
        answers = {waiting.questions[0].id: {"refuse": "she has not paid"}}
        [result] = shop.have(stock=stock, store=store, human="park", run_id="r", answers=answers)

    assert result.status == "finished"
    assert "A person refused this call: she has not paid" in result.summary
    assert put_aside(stock) == []


def test_a_token_that_the_carrier_does_not_know_is_told_without_being_said(
    shop: ChatExample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CARRIER_TOKEN", "token-of-another-shop")
    with open_store("runs.db") as store:
        [result] = shop.have(store=store)
        kept = b"".join(path.read_bytes() for path in tmp_path.glob("runs.db*"))

    assert "Error: ToolFailed: Error executing tool quote: nobody is known by 'Bearer [secret token]'" in result.summary
    assert b"token-of-another-shop" not in kept


def test_without_langchain_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['langchain_core'] = None; import foreign_tools"
    path = [str(FOLDER / "foreign_tools")]
    died = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path}; {program}"], check=False, capture_output=True, text=True
    )

    assert died.returncode == 1
    assert died.stderr.strip().endswith("this example has a tool of LangChain's: pip install langchain-core")
