"""ScriptedModel: a model that does as it was told, and says so when it was told nothing."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from convgraph.errors import ModelConfigError, ModelError, ModelOutputError, ModelUnavailable
from convgraph.messages import Message, Usage
from convgraph.models.scripted import ScriptedModel
from convgraph.protocols import Model, ModelReply, ModelRequest


def said(model: ScriptedModel, text: str = "", speaker: str = "", **asked: Any) -> ModelReply:
    return asyncio.run(model.respond(ModelRequest([Message("user", text, "user")], speaker=speaker, **asked)))


def test_it_is_a_model_that_costs_what_it_says() -> None:
    model = ScriptedModel(["a"], usage=Usage(1, 10, 2, 0.5))

    assert isinstance(model, Model)
    assert model.priced
    assert said(model).usage == Usage(1, 10, 2, 0.5)


def test_a_list_is_said_in_order_and_then_exhausted() -> None:
    model = ScriptedModel(["a", "b"], name="actor")

    assert [said(model).content, said(model).content] == ["a", "b"]
    with pytest.raises(ModelError, match=r"'actor'.*2 replies.*'critic'.*repeat=True"):
        said(model, speaker="critic")
    assert model.calls == 3


def test_the_last_line_may_be_said_for_ever() -> None:
    model = ScriptedModel(["a", "b"], repeat=True)

    assert [said(model).content for _ in range(4)] == ["a", "b", "b", "b"]


def test_a_callable_sees_the_request_and_may_be_async() -> None:
    async def later(request: ModelRequest) -> ModelReply:
        return ModelReply(request.messages[-1].text * 2, usage=Usage(1, 1, 1))

    assert said(ScriptedModel(lambda request: f"for {request.speaker}"), speaker="ada").content == "for ada"
    assert said(ScriptedModel(later), "ha").content == "haha"


def test_a_mapping_goes_by_speaker_first_and_then_by_what_was_said_last() -> None:
    model = ScriptedModel({"ada": "I am Ada", r"\d+ apples": ["counted", "again"], "plum": lambda _: "made up", "": "whatever"})

    assert said(model, "12 apples", speaker="ada").content == "I am Ada"
    assert [said(model, "12 apples").content for _ in range(2)] == ["counted", "again"]
    assert said(model, "a plum").content == "made up"
    assert said(model, "else").content == "whatever"


def test_a_mapping_that_knows_nothing_of_it_says_so() -> None:
    with pytest.raises(ModelError, match="'pear'"):
        said(ScriptedModel({"apple": "x"}), "pear")


def test_an_exception_in_the_script_is_raised() -> None:
    model = ScriptedModel([ModelUnavailable("down"), "up"])

    with pytest.raises(ModelUnavailable, match="down"):
        said(model)
    assert said(model).content == "up"


@pytest.mark.parametrize("replies", ["text", 7, None, b"bytes"])
def test_what_is_no_script_is_refused(replies: Any) -> None:
    with pytest.raises(ModelConfigError, match="a script is"):
        ScriptedModel(replies)


def test_a_key_that_is_no_pattern_is_refused() -> None:
    with pytest.raises(ModelConfigError, match=r"'\(' is not a regular expression"):
        ScriptedModel({"(": "x"})


def test_a_line_that_is_none_is_refused_when_it_comes() -> None:
    with pytest.raises(ModelConfigError, match="line"):
        said(ScriptedModel(lambda _: 7))  # type: ignore[arg-type, return-value]


def test_a_schema_is_kept_as_a_real_model_is_made_to() -> None:
    schema = {"type": "object", "properties": {"next": {"enum": ["a", "b"]}}, "required": ["next"]}
    model = ScriptedModel([{"next": "a"}, '{"next": "b"}', "nonsense", {"next": "c"}])

    assert said(model, schema=schema).data == {"next": "a"}
    assert said(model, schema=schema).data == {"next": "b"}
    for _ in range(2):
        with pytest.raises(ModelOutputError):
            said(model, schema=schema)


def test_a_mapping_without_a_schema_is_said_as_json() -> None:
    assert json.loads(said(ScriptedModel([{"ü": 1}])).content) == {"ü": 1}


@pytest.mark.parametrize("text", ["one two three", " leading", "trailing \n", "", "word", "a\n\n  b"])
def test_it_streams_word_by_word_and_loses_nothing(text: str) -> None:
    heard: list[str] = []
    reply = asyncio.run(ScriptedModel([text]).respond(ModelRequest([]), heard.append))

    assert "".join(heard) == reply.content == text
    assert len(heard) >= len(text.split())


def test_latency_is_waited_for() -> None:
    model = ScriptedModel(["a b", "a b"], latency=0.05)
    for listener in (None, lambda _: None):
        started = time.perf_counter()
        asyncio.run(model.respond(ModelRequest([]), listener))
        assert time.perf_counter() - started >= 0.05


def test_the_conversation_is_never_walked() -> None:
    """Its cost must not grow with the history: only the last message may be looked at."""

    class Unwalkable(Sequence[Message]):
        def __len__(self) -> int:
            return 10**9

        def __getitem__(self, index: Any) -> Any:
            assert index == -1
            return Message("user", "hello", "user")

        def __iter__(self) -> Any:
            raise AssertionError("walked")

    for script in (["a"], {"hello": "a"}, lambda request: "a"):
        assert asyncio.run(ScriptedModel(script).respond(ModelRequest(Unwalkable()))).content == "a"


def test_its_description_is_its_name() -> None:
    assert ScriptedModel(["a"], name="actor").describe() == {"type": "scripted", "name": "actor"}
