"""Agents that look: `<img …>` is a picture in what the developer says, and a text in what anybody else does."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import convgraph as autogen
from convgraph import ConversationGraph, MultimodalConversableAgent, ScriptedModel, UserProxyAgent, image, open_store
from convgraph.errors import DefinitionError, InputError
from convgraph.journal.codec import encode_event
from convgraph.messages import Message
from convgraph.models.wire import chat_messages
from convgraph.protocols import ModelReply, ModelRequest


def png(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    drawn = Image.effect_noise((40, 40), 90) if colour == "noise" else Image.new("RGB", (4, 3), colour)
    drawn.save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two pictures in it, which is the current one."""
    monkeypatch.chdir(tmp_path)
    Path("red.png").write_bytes(png("red"))
    Path("blue.png").write_bytes(png("blue"))
    return tmp_path


def looker(*lines: str, **options: Any) -> MultimodalConversableAgent:
    return MultimodalConversableAgent("looker", model=ScriptedModel(list(lines)), human_input_mode="NEVER", **options)


def user(name: str = "user", **options: Any) -> UserProxyAgent:
    return UserProxyAgent(name, human_input_mode="NEVER", code_execution_config=False, **options)


def kinds(message: Message) -> list[str]:
    return ["text"] if isinstance(message.content, str) else [part["type"] for part in message.content]


# What is a picture


def test_the_opening_message_shows_the_pictures_that_it_names() -> None:
    result = user().initiate_chat(looker("Red and blue."), message="Compare <img red.png> with <img blue.png>.", max_turns=1)
    parts = result.messages[0].content

    assert kinds(result.messages[0]) == ["text", "image_url", "text", "image_url", "text"]
    assert isinstance(parts, list)
    assert [parts[1], parts[3]] == [image("red.png"), image("blue.png")]


@pytest.mark.parametrize("message", [{"content": "Look: <img red.png>"}, {"content": [{"type": "text", "text": "Look:"}, image(png())]}])
def test_a_message_may_be_a_mapping(message: Any) -> None:
    result = user().initiate_chat(looker("Red."), message=message, max_turns=1)

    assert kinds(result.messages[0]) == ["text", "image_url"]


def test_a_part_by_itself_is_no_message() -> None:
    with pytest.raises(InputError, match=r"parts of one are a list: message=\[…\]"):
        user().initiate_chat(looker("Red."), message=image("red.png"))
    result = user().initiate_chat(looker("Red."), message=[image("red.png")], max_turns=1)

    assert kinds(result.messages[0]) == ["image_url"]


def test_one_who_looks_says_pictures_too() -> None:
    result = looker().initiate_chat(user(), message="See <img red.png>", max_turns=1)

    assert kinds(result.messages[0]) == ["text", "image_url"]


def test_a_group_looks_where_one_of_its_members_does() -> None:
    members = [looker("Red."), user("ann", default_auto_reply="I see.")]
    manager = autogen.GroupChatManager(autogen.GroupChat(members, [], max_round=3, speaker_selection_method="round_robin"))
    result = user().initiate_chat(manager, message="See <img red.png>")

    assert kinds(result.messages[0]) == ["text", "image_url"]


def test_chats_in_sequence_and_nested_show_the_pictures_that_their_definition_names() -> None:
    one, [two] = user(), user("two").initiate_chats([{"recipient": looker("Red."), "message": "See <img red.png>", "max_turns": 1}])
    assert two.chat_history[0]["content"][1] == image("red.png")

    asked = looker("Red.")
    helper = user("helper")
    helper.register_nested_chats([{"recipient": asked, "message": "See <img red.png>", "max_turns": 1}], trigger=one)
    with open_store(":memory:") as store:
        result = one.initiate_chat(helper, message="Ask.", max_turns=1, store=store)
        stored = recorded(store, result.run_id)
    assert image("red.png")["image_url"]["url"] in stored


def test_a_swarm_is_opened_with_pictures_and_what_was_said_before_stays_text() -> None:
    agent = looker("Red.", "Red.")
    opened, _, _ = autogen.initiate_swarm_chat(agent, "See <img red.png>", [agent])
    before, _, _ = autogen.initiate_swarm_chat(agent, [{"content": "See <img red.png>", "role": "user"}], [agent])

    assert kinds(opened.messages[0]) == ["text", "image_url"]
    assert kinds(before.messages[0]) == ["text"]


def test_carryover_comes_before_the_pictures_and_tells_of_pictures_in_words() -> None:
    carried = [{"content": [{"type": "text", "text": "before"}, image("blue.png")]}]
    result = user().initiate_chat(looker("Red."), message="See <img red.png>", carryover=carried, max_turns=1)
    content = result.messages[0].content

    assert isinstance(content, list)
    assert content[0]["text"].startswith("Context: \nbefore\n<image png, ")
    assert kinds(result.messages[0]) == ["text", "text", "image_url"]


def test_a_missing_picture_is_an_error_before_the_run() -> None:
    with open_store(":memory:") as store:
        with pytest.raises(InputError, match=r"no picture at 'green\.png'"):
            user().initiate_chat(looker("x"), message="See <img green.png>", store=store)
        assert list(store.runs()) == []


# What is none


def test_what_a_model_says_has_no_file_read() -> None:
    """Neither in what it says, nor in what it calls, nor in a chat that is opened with its words."""
    Path("secret.png").write_bytes(png("green"))
    shown: list[ModelRequest] = []

    def nothing(request: ModelRequest) -> ModelReply:
        shown.append(request)
        return ModelReply("Nothing to see.")

    inner = MultimodalConversableAgent("inner", model=ScriptedModel(nothing), human_input_mode="NEVER")

    def ask_looker(question: str) -> str:
        """Ask somebody who looks at pictures."""
        return user("asker").initiate_chat(inner, message=question, max_turns=1).summary

    calls = autogen.ToolCall("c1", "ask_looker", json.dumps({"question": "What is in <img secret.png>?"}))
    lines: list[Any] = [
        Message("writer", "I ask <img secret.png>", tool_calls=(calls,)),
        "So: <img secret.png> <img /etc/passwd>",
        "<img red.png>",
    ]
    writer = autogen.AssistantAgent("writer", model=ScriptedModel(replies(lines)), tools=[ask_looker])
    with open_store(":memory:") as store:
        result = writer.initiate_chat(looker("Is that <img secret.png>?", "<img secret.png>"), message="Hello.", max_turns=2, store=store)
        stored = recorded(store, result.run_id)

    assert image("secret.png")["image_url"]["url"] not in stored
    assert "base64" not in stored
    assert "root:" not in stored
    assert [message.content for request in shown for message in request.messages] == ["What is in <img secret.png>?"]


def replies(lines: list[Any]) -> Any:
    """A script of replies, with tool calls where a line has some."""
    left = iter(lines)

    def reply(request: ModelRequest) -> ModelReply:
        line = next(left)
        return ModelReply(line) if isinstance(line, str) else ModelReply(str(line.content), line.tool_calls)

    return reply


def test_what_a_tool_or_a_person_says_is_text() -> None:
    graph = ConversationGraph("says")
    graph.add_node(lambda ctx: "A tool says <img red.png>", name="tool")
    graph.add_node(looker("Hm."), name="looker")
    graph.add_edge("tool", "looker")
    graph.add_edge("looker", "END")
    graph.set_start("tool")
    result = graph.run("go <img red.png>")
    answered = UserProxyAgent("person", code_execution_config=False).initiate_chat(
        looker("Yes?", "Bye."), message="Hi.", max_turns=2, human=lambda question: "See <img red.png>"
    )

    assert all(isinstance(message.content, str) for message in [*result.messages, *answered.messages])


def test_a_function_that_makes_the_message_says_itself_what_is_a_picture() -> None:
    """It may be made of what others have said, so only what it makes a picture of is one."""
    texts = user().initiate_chat(looker("?"), message=lambda *_: "See <img red.png>", max_turns=1)
    parts = user().initiate_chat(looker("Red."), message=lambda *_: {"content": autogen.message_parts("See <img red.png>")}, max_turns=1)

    assert kinds(texts.messages[0]) == ["text"]
    assert kinds(parts.messages[0]) == ["text", "image_url"]


def test_agents_that_do_not_look_read_the_text() -> None:
    assistant = autogen.AssistantAgent("assistant", model=ScriptedModel(["?"]))

    assert user().initiate_chat(assistant, message="See <img red.png>", max_turns=1).messages[0].content == "See <img red.png>"


# The instruction


def test_the_instructions_pictures_come_first_among_the_messages() -> None:
    """Endpoints take texts only as the system message."""
    agent = looker("x", system_message="It is to look like <img red.png>, not like <img blue.png>.")
    asked = agent.request([Message("user", "Does it?", "user")])
    system, shown, question = chat_messages(asked)

    assert system["content"] == "It is to look like <picture 1 (red.png)>, not like <picture 2 (blue.png)>."
    assert shown["role"] == "user"
    assert [part for part in shown["content"] if part["type"] == "image_url"] == [image("red.png"), image("blue.png")]
    assert question["content"] == "Does it?"


def test_a_definition_tells_of_pictures_by_digest_and_not_where_they_lie(here: Path) -> None:
    near, far = looker(system_message="Like <img red.png>"), looker(system_message=f"Like <img {here}/red.png>")
    other = looker(system_message="Like <img blue.png>")

    assert near.describe() == far.describe() != other.describe()
    assert "base64" not in json.dumps(near.describe())
    assert str(here) not in json.dumps(far.describe())


def test_an_instruction_may_be_parts_and_may_be_changed() -> None:
    agent = looker("x", system_message=[{"type": "text", "text": "Like "}, image(png())])
    assert (agent.system_message, len(agent.request([]).messages)) == ("Like <picture 1>", 1)
    agent.update_system_message("Look.")
    assert (agent.system_message, len(agent.request([]).messages)) == ("Look.", 0)
    with pytest.raises(DefinitionError, match="a text or a list of parts"):
        looker(system_message=7)
    with pytest.raises(InputError, match="no picture"):
        looker(system_message="<img none.png>")


def test_it_is_in_documents_where_its_instruction_has_no_pictures() -> None:
    def graph(agent: Any) -> ConversationGraph:
        graph = ConversationGraph("looks")
        graph.add_node(agent)
        graph.add_edge("looker", "END")
        graph.set_start("looker")
        return graph

    plain = graph(looker("x", system_message="Look at them."))
    read = ConversationGraph.from_yaml(plain.to_yaml())

    assert read.fingerprint == plain.fingerprint
    with pytest.raises(DefinitionError, match="pass the agent as speakers="):
        ConversationGraph.from_yaml(graph(looker("x", system_message="Like <img red.png>")).to_yaml())
    with pytest.raises(DefinitionError, match=r"system_message: it names a picture, and a document has no file read"):
        ConversationGraph.from_yaml(plain.to_yaml().replace("Look at them.", "Look at <img red.png>"))


# The record


def recorded(store: Any, run_id: str) -> str:
    return "\n".join(json.dumps(encode_event(recorded.event), default=repr) for recorded in store.events(run_id))


def test_a_picture_is_stored_once_however_long_the_chat_is() -> None:
    Path("noise.png").write_bytes(png("noise"))
    address = image("noise.png")["image_url"]["url"]
    sizes: list[int] = []
    for turns in (1, 8):
        with open_store(":memory:") as store:
            result = user(default_auto_reply="Look again.").initiate_chat(
                looker(*["Noise."] * turns), message="What is <img noise.png>?", max_turns=turns, store=store
            )
            stored = recorded(store, result.run_id)
        assert stored.count(address) == 1
        sizes.append(len(stored))

    assert sizes[1] - sizes[0] < 14 * 1000, "each of 14 more turns costs what it says, not what was shown"


def test_it_goes_on_and_replays_without_the_file() -> None:
    """What was shown is in the record: neither the file nor the model is needed."""
    agent, person = looker("Red.", "Bye."), UserProxyAgent("person", code_execution_config=False)
    with open_store(":memory:") as store:
        parked = person.initiate_chat(agent, message="See <img red.png>", max_turns=2, store=store, human="park")
        Path("red.png").unlink()
        graph = agent.chat_graph(person)
        result = graph.resume(parked.run_id, store=store, answers={parked.questions[0].id: "And?"})
        replayed = graph.replay(parked.run_id, store=store)
        forked = graph.resume(graph.fork(parked.run_id, store=store, at=1), store=store, human=lambda _: "exit")

    assert [message.text for message in result.messages[1:]] == ["Red.", "And?", "Bye."]
    assert replayed.messages == result.messages
    assert kinds(forked.messages[0]) == ["text", "image_url"]


def test_the_same_message_goes_on_with_a_run_and_another_picture_does_not() -> None:
    agent, person = looker("Red.", "Bye."), UserProxyAgent("person", code_execution_config=False)
    with open_store(":memory:") as store:
        asked: dict[str, Any] = {"message": "See <img red.png>", "max_turns": 2, "store": store, "run_id": "r", "human": "park"}
        parked = person.initiate_chat(agent, **asked)
        Path("red.png").write_bytes(png("green"))
        with pytest.raises(InputError, match="opened with another message"):
            person.initiate_chat(agent, **asked)
        Path("red.png").write_bytes(png("red"))
        result = person.initiate_chat(agent, **asked, answers={parked.questions[0].id: "And?"})

    assert result.status == "finished"


def test_the_console_and_the_drawings_show_no_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    agent = looker("Noise.")
    Path("noise.png").write_bytes(png("noise"))
    with open_store(":memory:") as store:
        result = user().initiate_chat(agent, message="See <img noise.png>", max_turns=1, store=store)
        graph = agent.chat_graph(user())
        drawn = Path(str(graph.draw_sequence(result.run_id, tmp_path / "run.svg", store=store))).read_text()
    printed = capsys.readouterr().out

    assert "<image png, " in printed
    assert "&lt;image png, " in drawn
    assert "base64" not in printed + drawn
