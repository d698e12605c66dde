"""Messages are plain data: they do not change, a pydantic model may hold them, and effects may give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel, ValidationError

from convgraph import END, Context, ConversationGraph, Limits, Message, Reply
from convgraph.messages import ToolCall
from convgraph.plain_data import replaced

SAID = Message("ada", "Look.", tool_calls=(ToolCall("1", "look", '{"at": "it"}'),), data={"n": [1, None]})


class Notes(BaseModel):
    kept: list[Message] = []


@pytest.mark.parametrize("field", ["sender", "content", "data", "unknown"])
def test_nothing_is_changed_in_a_message(field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(SAID, field, "x")


def test_another_message_is_made_of_one() -> None:
    assert replaced(SAID, content="Listen.") == Message("ada", "Listen.", tool_calls=SAID.tool_calls, data=SAID.data)
    assert SAID.content == "Look."
    with pytest.raises(TypeError, match="colour"):
        replaced(SAID, colour="red")


def test_a_model_holds_messages_and_takes_them_from_json() -> None:
    notes = Notes(kept=[SAID, Message("bo", "Where?")])
    assert Notes.model_validate_json(notes.model_dump_json()) == notes
    assert Notes.model_validate(notes.model_dump()) == notes
    with pytest.raises(ValidationError, match="content"):
        Notes.model_validate({"kept": [{"sender": "ada", "content": 3}]})
    assert Notes.model_json_schema()["properties"]["kept"]["items"] == {"type": "object", "title": "Message"}


def noting() -> ConversationGraph:
    graph = ConversationGraph("noting", state=Notes, types=[Message])

    async def note(ctx: Context) -> Reply:
        found = await ctx.effect("find", lambda: replaced(SAID, sender=f"ada {ctx.turn}"))
        assert isinstance(found, Message)
        return Reply(found.sender, update={"kept": [*ctx.state.kept, found]})

    graph.add_node(note)
    graph.add_edge("note", END, when="size(state.kept) == 3")
    graph.add_edge("note", "note")
    graph.set_start("note")
    return graph


def test_a_state_and_effects_hold_messages_over_a_resume_and_a_replay(tmp_path: Path) -> None:
    store = str(tmp_path / "runs.db")
    stopped = noting().run("go", store=store, run_id="r", limits=Limits(turns=2))
    assert stopped.state.kept == [replaced(SAID, sender="ada 1"), replaced(SAID, sender="ada 2")]

    result = noting().resume("r", store=store, limits=Limits(turns=9))
    assert (result.status, result.state.kept) == ("finished", [replaced(SAID, sender=f"ada {turn}") for turn in (1, 2, 3)])
    assert noting().replay("r", store=store).state == result.state


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Whole(int):
    pass


class Part(float):
    pass


def test_what_is_more_than_a_text_or_a_number_is_stored_as_what_it_is_at_bottom(tmp_path: Path) -> None:
    async def speak(ctx: Context) -> Message:
        return Message("speak", Loud("quiet"), data={"whole": Whole(3), "part": [Part(0.5), Loud("é")]})

    graph = ConversationGraph("more")
    graph.add_node(speak)
    graph.add_edge("speak", END)
    graph.set_start("speak")
    store = str(tmp_path / "runs.db")
    run_id = graph.run("go", store=store).run_id

    message = graph.resume(run_id, store=store).messages[-1]
    assert (message.content, message.data) == ("quiet", {"whole": 3, "part": [0.5, "é"]})
    assert [type(each) for each in (message.content, message.data["whole"], *message.data["part"])] == [str, int, float, str]
    assert graph.replay(run_id, store=store).messages[-1] == message


def saying(said: Any) -> ConversationGraph:
    async def speak(ctx: Context) -> Any:
        return said

    graph = ConversationGraph("saying")
    graph.add_node(speak)
    graph.add_edge("speak", END)
    graph.set_start("speak")
    return graph


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Message("speak", "x", cast("Any", "robot")), "role is user, assistant, system or tool, not 'robot'"),
        (Message("speak", "x", tool_calls=(ToolCall("1", "look", cast("Any", {"at": "it"})),)), "each a text, arguments as JSON"),
        (Message("speak", "x", tool_calls=(ToolCall(cast("Any", 1), "look"),)), "each a text, arguments as JSON"),
        (Message("speak", "x", tool_calls=cast("Any", ({"name": "look"},))), "each a text, arguments as JSON"),
        (Message("speak", "x", tool_calls=cast("Any", None)), "each a text, arguments as JSON"),
        (Message("speak", "x", tool_calls=(ToolCall("1", "\ud800"),)), "not valid Unicode"),
        (Reply(None, reason=cast("Any", 3)), "a reply's reason is a text, not 3"),
    ],
)
def test_what_could_not_be_read_back_fails_the_turn_and_nothing_else(said: Any, why: str, tmp_path: Path) -> None:
    store = str(tmp_path / "runs.db")
    failed = saying(said).run("go", store=store)
    assert failed.status == "failed"
    assert why in failed.stop_reason
    assert saying("sorry").resume(failed.run_id, store=store).last == Message("speak", "sorry")


def test_calls_given_as_a_list_are_the_same_message_when_read_back(tmp_path: Path) -> None:
    graph, store = saying(Message("speak", "", tool_calls=cast("Any", [ToolCall("1", "look")]))), str(tmp_path / "runs.db")
    result = graph.run("go", store=store)
    assert result.last == Message("speak", "", tool_calls=(ToolCall("1", "look"),))
    assert graph.resume(result.run_id, store=store).last == graph.replay(result.run_id, store=store).last == result.last
