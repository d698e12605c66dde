"""An agent whose model cannot see is told in words what pictures show: once for each picture, as part of the turn."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import BaseModel

from convgraph import (
    END,
    ConversableAgent,
    ConversationGraph,
    GroupChat,
    GroupChatManager,
    MultimodalConversableAgent,
    ScriptedModel,
    UserProxyAgent,
    VisionCapability,
    image,
    open_store,
)
from convgraph.content_parts import part_text
from convgraph.errors import DefinitionError
from convgraph.messages import Message
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.testing import ScriptedServer


def picture(colour: str) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), colour).save(buffer, format="PNG")
    return image(buffer.getvalue())


class Seeing:
    """A model's script that keeps what it was shown."""

    def __init__(self, *lines: str) -> None:
        self.shown: list[ModelRequest] = []
        self.lines = lines

    def __call__(self, request: ModelRequest) -> ModelReply:
        self.shown.append(request)
        return ModelReply(self.lines[min(len(self.shown), len(self.lines)) - 1])


def blind(*lines: str, eyes: Any = None, **options: Any) -> tuple[ConversableAgent, Seeing]:
    """An agent whose model only reads, and what that model was shown."""
    read = Seeing(*lines)
    agent = ConversableAgent("writer", "Write.", model=ScriptedModel(read), human_input_mode="NEVER", **options)
    VisionCapability(model=ScriptedModel(eyes or Seeing("a red square", "a blue square"))).add_to_agent(agent)
    return agent, read


def user() -> UserProxyAgent:
    return UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False, default_auto_reply="Go on.")


def test_in_place_of_a_picture_its_model_reads_what_it_shows() -> None:
    agent, read = blind("Thank you.")
    user().initiate_chat(agent, message={"content": [{"type": "text", "text": "Look:"}, picture("red")]}, max_turns=1)
    [request] = read.shown

    assert [message.content for message in request.messages] == [f"Look:\n{part_text(picture('red'))}, which shows: a red square"]


def test_the_one_who_sees_is_shown_the_picture_and_asked_to_describe_it() -> None:
    eyes = Seeing("a red square")
    agent, _ = blind("Thank you.", eyes=eyes)
    user().initiate_chat(agent, message={"content": [picture("red")]}, max_turns=1)
    [request] = eyes.shown

    assert request.system.startswith("Describe the picture")
    assert picture("red") in list(request.messages[0].content)


def test_a_picture_is_described_once_in_a_chat() -> None:
    """Its caption is kept in the chat's state: the turns after that cost nothing for it, nor does the same picture again."""
    eyes = Seeing("a red square", "a blue square")
    agent, read = blind("One.", "Two.", "Three.", eyes=eyes)
    other = user()
    with open_store(":memory:") as store:
        first = other.initiate_chat(agent, message={"content": [picture("red")]}, max_turns=2, store=store)
        more = {"content": [picture("red"), picture("blue")]}
        second = other.initiate_chat(agent, message=more, max_turns=1, store=store, clear_history=False)
        replayed = agent.chat_graph(other).replay(first.run_id, store=store)

    assert len(eyes.shown) == 2
    assert [text.count("which shows") for text in (str(request.messages) for request in read.shown)] == [1, 1, 3]
    assert sorted(second.state.captions.values()) == ["a blue square", "a red square"]
    assert replayed.usage.calls == 5


def test_it_is_not_described_anew_in_another_process() -> None:
    """A chat that was parked goes on with its captions; what was described in a turn cut short is read back."""
    eyes = Seeing("a red square", "something else")
    agent, read = blind("One.", "Two.", eyes=eyes)
    person = UserProxyAgent("person", code_execution_config=False)
    with open_store(":memory:") as store:
        parked = person.initiate_chat(agent, message={"content": [picture("red")]}, max_turns=2, store=store, human="park")
        result = agent.chat_graph(person).resume(parked.run_id, store=store, answers={parked.questions[0].id: "And?"})

    assert result.status == "finished"
    assert len(eyes.shown) == 1
    assert "a red square" in str(read.shown[1].messages)


def test_in_a_group_each_member_has_its_own_eyes() -> None:
    """Who sees is sent the picture, who does not is told; one member's caption is not another's."""
    sees, eyes = Seeing("I see red."), Seeing("a red square")
    agent, read = blind("I read of it.", eyes=eyes)
    looker = MultimodalConversableAgent("looker", model=ScriptedModel(sees), human_input_mode="NEVER")
    group = GroupChat([looker, agent], [], max_round=5, speaker_selection_method="round_robin")
    user().initiate_chat(GroupChatManager(group), message={"content": [picture("red")]})

    assert len(eyes.shown) == 1
    assert all(picture("red") in list(request.messages[0].content) for request in sees.shown)
    assert all("base64" not in str(request.messages) for request in read.shown)
    assert len(read.shown) == len(sees.shown) == 2


class Kept(BaseModel):
    captions: dict[str, str] = {}


@pytest.mark.parametrize(("state", "calls"), [(Kept, 1), (None, 2)])
def test_a_graph_keeps_captions_where_its_state_has_a_place_for_them(state: Any, calls: int) -> None:
    eyes = Seeing("a red square")
    agent, _ = blind("One.", "Two.", eyes=eyes)
    graph = ConversationGraph("twice", state=state)
    graph.add_node(agent)
    graph.add_edge("writer", "writer", when="turn < 2")
    graph.add_edge("writer", END)
    graph.set_start("writer")
    graph.run([Message("user", [picture("red")], "user")])

    assert len(eyes.shown) == calls


def test_a_function_may_describe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given the bytes of a picture that is at hand, and called once: what it says is recorded."""
    monkeypatch.chdir(tmp_path)
    Path("red.png").write_bytes(b"\x89PNG\r\n\x1a\n...")
    seen: list[Any] = []

    def caption(image_url: str, image_data: bytes | None, lmm_client: Any) -> str:
        seen.append((image_url[:22], image_data, lmm_client))
        return "red"

    read = Seeing("Thank you.")
    agent = ConversableAgent("writer", model=ScriptedModel(read), human_input_mode="NEVER")
    VisionCapability(custom_caption_func=caption).add_to_agent(agent)
    with open_store(":memory:") as store:
        result = user().initiate_chat(agent, message="See <img red.png> and <img https://example.org/cat.png>", max_turns=1, store=store)
        agent.chat_graph(user()).replay(result.run_id, store=store)

    assert seen == [("data:image/png;base64,", b"\x89PNG\r\n\x1a\n...", None), ("https://example.org/ca", None, None)]
    assert str(read.shown[0].messages).count("which shows: red") == 2


def test_it_is_part_of_the_definition_and_of_the_cost() -> None:
    agent, _ = blind("x")
    described = agent.describe()["vision"]

    assert described["description_prompt"].startswith("Describe the picture")
    assert len(agent.models) == 2
    assert agent.describe() != ConversableAgent("writer", "Write.", model=agent.model, human_input_mode="NEVER").describe()
    graph = ConversationGraph("reads")
    graph.add_node(agent)
    graph.add_edge("writer", END)
    graph.set_start("writer")
    with pytest.raises(DefinitionError, match="pass the agent as speakers="):
        ConversationGraph.from_yaml(graph.to_yaml())


def test_over_http_with_autogens_words() -> None:
    """The endpoint that sees is sent the PNG, the one that reads is sent words."""
    with ScriptedServer(["a red square"]) as sees, ScriptedServer(["Thank you."]) as reads:

        def config(server: ScriptedServer) -> Any:
            return {"config_list": [{"model": "gpt-4o", "base_url": server.base_url, "api_key": "none"}]}

        agent = ConversableAgent("writer", llm_config=config(reads), human_input_mode="NEVER")
        VisionCapability(lmm_config=config(sees)).add_to_agent(agent)
        user().initiate_chat(agent, message={"content": [picture("red")]}, max_turns=1)

    assert picture("red")["image_url"]["url"] in json.dumps(sees.requests[0])
    assert "base64" not in json.dumps(reads.requests[0])
    assert "a red square" in reads.requests[0]["messages"][-1]["content"]


def test_what_cannot_describe_is_refused() -> None:
    agent, _ = blind("x")
    with pytest.raises(DefinitionError, match="somebody who sees"):
        VisionCapability()
    with pytest.raises(DefinitionError, match="image_url, image_data, lmm_client"):
        VisionCapability(custom_caption_func=lambda url: "red")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(DefinitionError, match="is told already"):
        VisionCapability(model=ScriptedModel(["x"])).add_to_agent(agent)


class Misused(BaseModel):
    captions: list[str] = []


def test_a_state_whose_captions_are_something_else_is_named() -> None:
    agent, _ = blind("One.")
    graph = ConversationGraph("misused", state=Misused)
    graph.add_node(agent)
    graph.add_edge("writer", END)
    graph.set_start("writer")
    result = graph.run([Message("user", [picture("red")], "user")])

    assert result.status == "failed"
    assert "the state's field 'captions', which is no mapping" in result.stop_reason
