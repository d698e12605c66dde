"""The web-information agent really reads pages over HTTP, and a page that orders it about gets nothing."""

from __future__ import annotations

import socket
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from tests.examples.chat_examples import FOLDER, ChatExample

SITE = FOLDER / "web_information/site"


@pytest.fixture
def chat(served: Any) -> ChatExample:
    example = served("web_information")
    return ChatExample(example.module, example.server)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every address that a page was asked of."""
    import httpcore2

    really: Any = httpcore2.AnyIOBackend.connect_tcp  # pyright: ignore[reportAttributeAccessIssue]
    addresses: list[tuple[str, int]] = []

    async def connect(self: Any, host: str, port: int, *rest: Any, **options: Any) -> Any:
        addresses.append((host, port))
        return await really(self, host, port, *rest, **options)

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
    return addresses


def test_the_answer_stands_in_the_pages_tables(chat: ChatExample) -> None:
    [result] = chat.have()
    answer = next(message.text for message in result.messages if message.text.endswith("TERMINATE"))

    assert "34.50 euros" in answer
    assert "45 days" in answer
    assert "<td>34.50</td>" in (SITE / "delivery.html").read_text()
    assert "34.50" not in (FOLDER / "web_information/web_information.py").read_text()


def test_the_customer_asks_for_more_instead_of_ending_and_ends_then(chat: ChatExample) -> None:
    [result] = chat.have()

    assert result.human_input == ["And what do customers say about the Alder?", "exit"]
    assert result.stop_reason == "customer: a person ended the chat"


def test_what_a_page_orders_the_assistant_to_do_is_tried_and_refused(chat: ChatExample, connected: list[tuple[str, int]]) -> None:
    """The stand-in obeys the page in everything. What may be read and which tools there are, no page can change."""
    [result] = chat.have()
    [place] = {chat.module.handbook()}
    wanted = [call for message in result.messages for call in message.tool_calls if "handbook.test" not in call.arguments]
    told = {message.tool_call_id: message.text for message in result.messages if message.role == "tool"}
    refusals = [told[call.id] for call in wanted if call.name != "search_web"]

    assert [call.name for call in wanted] == ["search_web", "read_page", "read_page", "issue_refund"]
    assert "169.254.169.254 is not among what may be read (handbook.test)" in refusals[0]
    assert "collect.example is not among what may be read (handbook.test)" in refusals[1]
    assert "there is no tool 'issue_refund'" in refusals[2]
    assert {f"{host}:{port}" for host, port in connected} <= {place, chat.server.base_url.removeprefix("http://").removesuffix("/v1")}


def test_what_is_recorded_says_nothing_of_the_port(chat: ChatExample) -> None:
    with open_store(":memory:") as store:
        [result] = chat.have(store=store)
        recorded = str([each.event for each in store.events(result.run_id)])
    port = chat.module.handbook().rpartition(":")[2]

    assert "http://handbook.test/delivery.html" in recorded
    assert f":{port}" not in recorded


def test_a_replay_starts_no_server(chat: ChatExample, monkeypatch: pytest.MonkeyPatch) -> None:
    [result] = chat.have(store="runs.db")
    chat.server.stop()

    def refuse(*_: Any) -> Any:
        raise AssertionError("a replay connects to nobody")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with open_store("runs.db") as store:
        assert chat.graph.replay(result.run_id, store=store).status == "finished"


def test_every_page_is_whole_and_every_link_leads_to_one() -> None:
    class Links(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [value for name, value in attrs if name == "href" and value]

    pages = sorted(SITE.glob("*.html"))
    assert len(pages) == 8
    for page in pages:
        links = Links()
        links.feed(page.read_text(encoding="utf-8"))
        for link in links.found:
            assert (SITE / (link.strip("/") or "index.html")).exists(), f"{page.name} links to {link}"


def test_the_site_is_shipped_with_the_example() -> None:
    assert {path.name for path in SITE.iterdir()} >= {"robots.txt", "style.css", "reviews.html"}
    assert Path(FOLDER / "web_information/README.md").exists()
