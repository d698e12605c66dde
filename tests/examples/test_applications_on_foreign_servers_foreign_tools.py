"""The shop with foreign tools has its model at a server that nobody here wrote, too: then nothing but the shop itself is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from tests.examples.chat_examples import ChatExample
from tests.examples.test_chats_on_foreign_servers import response, said
from tests.examples.test_examples_on_foreign_servers import aimock


def test_the_shop_works_with_its_model_on_aimock(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = served("foreign_tools")
    shop = ChatExample(example.module, example.server)
    [expected] = shop.have()
    [phrase] = shop.module.PARTS
    lines = [line for line in expected.messages if line.sender == "clerk"]
    fixtures = [{"match": {"systemMessage": phrase, "turnIndex": turn}, "response": response(line)} for turn, line in enumerate(lines)]
    with aimock(fixtures, tmp_path) as url, open_store(":memory:") as store:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        [result] = shop.have(store=store)
        replayed = shop.graph.replay(result.run_id, store=store)

    assert said([result]) == said([expected])
    assert replayed.usage == result.usage
