"""The figure and its critic: the picture that is judged is the one that the code has drawn, and the graph decides how often it is drawn."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
import yaml

import convgraph as autogen
from convgraph import open_store
from tests.examples.chat_examples import FOLDER, ChatExample

CRITIC = "You judge a figure"


@pytest.fixture
def figure(served: Any) -> ChatExample:
    example = served("figure_critic")
    return ChatExample(example.module, example.server)


def pictures_in(request: dict[str, Any]) -> list[bytes]:
    """The pictures of a request, decoded from their data URIs."""
    contents = [message["content"] for message in request["messages"] if isinstance(message["content"], list)]
    addresses = [part["image_url"]["url"] for parts in contents for part in parts if part["type"] == "image_url"]
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    return [base64.b64decode(address.partition(",")[2], validate=True) for address in addresses]


def drawn_here(program: str, folder: Path) -> bytes:
    """What the program draws when it is run without any of this."""
    folder.mkdir()
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, timeout=60)
    return (folder / "figure.png").read_bytes()


def test_the_critic_is_sent_what_the_code_has_drawn_byte_for_byte(figure: ChatExample, tmp_path: Path) -> None:
    """Each look is at one PNG, over HTTP, and it is the figure that the same program draws anywhere else."""
    [result] = figure.have()
    looks = [request for request in figure.server.requests if request["messages"][0]["content"].startswith(CRITIC)]
    [poor], [good] = map(pictures_in, looks)

    assert poor == drawn_here(figure.module.POOR, tmp_path / "poor")
    assert good == drawn_here(figure.module.PROGRAM, tmp_path / "good")
    assert matplotlib.image.imread(io.BytesIO(good), format="png").shape == (320, 480, 4)
    assert figure.module.figures(result.messages) == [poor, good]


def test_it_fails_is_sent_back_and_is_approved(figure: ChatExample) -> None:
    [result] = figure.have()

    assert [message.sender for message in result.messages] == [
        *("user", "coder", "commander", "coder", "commander", "critic"),
        *("coder", "commander", "critic", "deliver"),
    ]
    assert "NameError: name 'lisbon' is not defined" in result.messages[2].text
    assert result.messages[5].data == {"approved": False, "faults": [figure.module.NO_TITLE, figure.module.ONE_COLOUR]}
    assert result.messages[8].data == {"approved": True, "faults": []}
    assert result.summary == "The figure is approved; it took 3 programs."


def test_a_critic_who_is_never_content_is_not_asked_for_ever(figure: ChatExample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(figure.module.PARTS, CRITIC, [{"approved": False, "faults": ["It could be nicer."]}])
    [result] = figure.have()

    assert [message.sender for message in result.messages].count("critic") == figure.module.FIGURES
    assert result.summary.endswith("What is still wrong: It could be nicer.")


def test_without_the_edge_back_nothing_is_drawn_again(figure: ChatExample) -> None:
    """The loop is an edge of the graph: in a definition that lacks it, the first verdict is the last."""
    document = yaml.safe_load(figure.graph.to_yaml())
    document["edges"] = [edge for edge in document["edges"] if edge.get("label") != "faults"]
    speakers = {name: figure.graph.program().speakers[name] for name in ("coder", "commander", "critic", "deliver")}
    cut = autogen.ConversationGraph.from_yaml(json.dumps(document), allow=["convgraph.chat.state", "figure_critic"], speakers=speakers)
    result = cut.run(figure.module.ORDER, human="park")

    assert [message.sender for message in result.messages].count("critic") == 1
    assert result.messages[-1].text.startswith("Here it ends")


def test_pictures_are_stored_where_they_are_made_and_said_and_shown_nowhere_else(figure: ChatExample, tmp_path: Path) -> None:
    """In the record a picture is twice: as what the code gave and as what was said. No step after that repeats it."""
    [result] = figure.have(store="runs.db")
    with open_store("runs.db") as store:
        stored = "".join(json.dumps(event, default=repr) for event in recorded_documents(store, result.run_id))
        sequence = Path(str(figure.graph.draw_sequence(result.run_id, tmp_path / "sequence.svg", store=store))).read_text(encoding="utf-8")
        explained = repr(figure.graph.explain(result.run_id, store=store, step=5))
    figures = [base64.b64encode(picture).decode() for picture in figure.module.figures(result.messages)]
    shown, shown_as_json = (told(["show", result.run_id, "--store", "runs.db", *options]) for options in ([], ["--json"]))

    assert [stored.count(picture) for picture in figures] == [2, 2]
    assert "<image png, " in shown
    assert "data:image/png;… (" in shown_as_json
    assert all(picture[:200] not in shown + shown_as_json + sequence + explained for picture in figures)


def told(words: list[str]) -> str:
    """What the command line prints."""
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    return subprocess.run([sys.executable, "-m", "convgraph", *words], capture_output=True, text=True, check=True, env=environment).stdout


def recorded_documents(store: Any, run_id: str) -> list[Any]:
    from convgraph.journal.codec import encode_event

    return [encode_event(recorded.event) for recorded in store.events(run_id)]
