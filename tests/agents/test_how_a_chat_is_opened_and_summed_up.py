"""How a chat between two begins (message, carryover), how long it is (`max_turns`), and what it amounts to (its summary)."""

from __future__ import annotations

from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import ConvgraphError, DefinitionError, InputError


def two(**options: Any) -> tuple[autogen.ConversableAgent, autogen.ConversableAgent]:
    asks = autogen.ConversableAgent("asks", human_input_mode="NEVER", default_auto_reply="go on")
    knows = autogen.ConversableAgent("knows", human_input_mode="NEVER", **{"default_auto_reply": "so be it", **options})
    return asks, knows


def opening(**chat: Any) -> Any:
    asks, knows = two()
    return asks.initiate_chat(knows, max_turns=1, silent=True, **chat).chat_history[0]


# The opening message


def test_a_text_or_a_mapping_opens_the_chat() -> None:
    assert opening(message="hi") == {"content": "hi", "role": "assistant", "name": "asks"}
    assert opening(message={"content": "hi"})["content"] == "hi"


def test_a_function_makes_the_opening_from_what_it_is_given() -> None:
    told: list[Any] = []

    def message(sender: Any, recipient: Any, context: dict[str, Any]) -> Any:
        told.append((sender.name, recipient.name, context))
        return f"About {context['topic']}, after {context.get('carryover')}"

    assert opening(message=message, topic="graphs", carryover="yesterday")["content"] == "About graphs, after yesterday"
    assert told == [("asks", "knows", {"topic": "graphs", "carryover": "yesterday"})]


def test_a_function_may_give_a_mapping_and_may_be_async() -> None:
    async def message(sender: Any, recipient: Any, context: dict[str, Any]) -> Any:
        return {"content": f"{sender.name} to {recipient.name} about {context['topic']}"}

    assert opening(message=message, topic="x")["content"] == "asks to knows about x"


@pytest.mark.parametrize("said", [None, ""])
def test_a_function_with_nothing_to_say_opens_no_chat(said: Any) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        opening(message=lambda sender, recipient, context: said)


def test_without_a_message_the_person_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: f"typed at {prompt!r}")
    assert opening(message=None)["content"] == "typed at 'What does asks say to knows? '"


def test_without_a_message_or_a_person_the_error_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    with pytest.raises(InputError, match="message="):
        opening()


# Carryover


@pytest.mark.parametrize(
    ("carryover", "text"),
    [
        ("yesterday", "hi\nContext: \nyesterday"),
        (["one", "two"], "hi\nContext: \none\ntwo"),
        ([{"content": "one", "role": "user"}, "two"], "hi\nContext: \none\ntwo"),
        ("", "hi"),
        ([], "hi"),
        (None, "hi"),
    ],
)
def test_carryover_is_put_under_the_message(carryover: Any, text: str) -> None:
    assert opening(message="hi", carryover=carryover)["content"] == text
    assert opening(message={"content": "hi"}, carryover=carryover)["content"] == text


def test_carryover_of_a_message_in_parts_is_a_part() -> None:
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    content = opening(message={"content": parts}, carryover=["one", "two"])["content"]
    assert content == [{"type": "text", "text": "Context: \none\ntwo"}, *parts]


@pytest.mark.parametrize("carryover", [3, {"content": "x"}, 1.5])
def test_other_carryover_is_refused(carryover: Any) -> None:
    with pytest.raises(InputError, match="carryover"):
        opening(message="hi", carryover=carryover)


# max_turns


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_max_turns_counts_the_recipients_replies(turns: int) -> None:
    asks, knows = two()
    chat = asks.initiate_chat(knows, message="hi", max_turns=turns, silent=True)
    assert (len(chat.chat_history), chat.stop_reason, chat.status) == (2 * turns, "max_turns", "finished")


def test_with_0_turns_nothing_is_said() -> None:
    asks, knows = two()
    chat = asks.initiate_chat(knows, message="hi", max_turns=0, silent=True)
    assert (chat.chat_history, chat.summary, chat.stop_reason) == ([], "", "max_turns")


@pytest.mark.parametrize("turns", [-1, True, 1.5, "2"])
def test_max_turns_is_a_whole_number(turns: Any) -> None:
    asks, knows = two()
    with pytest.raises(InputError, match="max_turns"):
        asks.initiate_chat(knows, message="hi", max_turns=turns, silent=True)


def test_a_recipient_that_is_no_agent_is_refused() -> None:
    with pytest.raises(ConvgraphError, match="agent"):
        two()[0].initiate_chat("knows", message="hi")  # type: ignore[arg-type]


# Summaries


@pytest.mark.parametrize(
    ("last", "summary"),
    [
        ("done", "done"),
        ("done\nTERMINATE", "done"),
        ("TERMINATE the plan now", "the plan now"),
        ("say TERMINATE to stop", "say TERMINATE to stop"),
    ],
)
def test_by_default_the_last_message_is_the_summary(last: str, summary: str) -> None:
    """A TERMINATE at its beginning or end is left out, and only that."""
    asks, knows = two(default_auto_reply=last)
    assert asks.initiate_chat(knows, message="hi", max_turns=1, silent=True).summary == summary


def test_a_last_message_in_parts_is_summed_up_by_its_text() -> None:
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    asks, knows = two()
    knows.register_reply(autogen.Agent, lambda recipient, messages, sender, config: (True, {"content": parts}))
    assert asks.initiate_chat(knows, message="hi", max_turns=1, silent=True).summary == "look\n<image png, 1 byte>"


def test_a_model_sums_the_chat_up_when_asked_to() -> None:
    asked: list[Any] = []

    def answer(request: Any) -> str:
        asked.append([(message.role, message.text) for message in request.messages])
        return "reply" if len(asked) == 1 else "the gist"

    asks, knows = two(model=autogen.ScriptedModel(answer))
    chat = asks.initiate_chat(
        knows,
        message="hi",
        max_turns=1,
        silent=True,
        summary_method="reflection_with_llm",
        summary_args={"summary_prompt": "In one word.", "summary_role": "user"},
    )
    assert chat.summary == "the gist"
    assert [text for _, text in asked[1]] == ["hi", "reply", "In one word."]
    assert asked[1][-1][0] == "user"
    assert chat.usage.calls == 2  # the summary is paid for as well
    assert len(chat.chat_history) == 2


def test_a_summary_by_a_model_needs_a_model() -> None:
    asks, knows = two()
    with pytest.raises(DefinitionError, match="llm_config"):
        asks.initiate_chat(knows, message="hi", max_turns=1, silent=True, summary_method="reflection_with_llm")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_function_sums_the_chat_up(asynchronous: bool) -> None:
    def gist(sender: Any, recipient: Any, summary_args: dict[str, Any]) -> str:
        return f"{sender.name}+{recipient.name}: {recipient.last_message(sender)['content']} {summary_args['mark']}"

    async def later(sender: Any, recipient: Any, summary_args: dict[str, Any]) -> str:
        return gist(sender, recipient, summary_args)

    asks, knows = two()
    method: Any = later if asynchronous else gist
    chat = asks.initiate_chat(knows, message="hi", max_turns=1, silent=True, summary_method=method, summary_args={"mark": "!"})
    assert chat.summary == "asks+knows: so be it !"


def test_a_chat_needs_no_summary() -> None:
    asks, knows = two()
    assert asks.initiate_chat(knows, message="hi", max_turns=1, silent=True, summary_method=None).summary == ""


def test_an_unknown_summary_method_is_refused_before_anything_is_said() -> None:
    asks, knows = two(model=autogen.ScriptedModel([]))
    with pytest.raises(DefinitionError, match="summary_method"):
        asks.initiate_chat(knows, message="hi", silent=True, summary_method="shortest")  # type: ignore[arg-type]


# Results


def test_a_result_says_how_and_why_the_chat_stopped() -> None:
    asks, knows = two(is_termination_msg=lambda message: "bye" in message["content"])
    chat = asks.initiate_chat(knows, message="bye", silent=True)
    assert (chat.status, chat.stop_reason, len(chat.chat_history)) == ("finished", "knows: termination message", 1)


def test_a_chat_whose_model_fails_says_so() -> None:
    asks, knows = two(model=autogen.ScriptedModel([ValueError("no")]))
    chat = asks.initiate_chat(knows, message="hi", silent=True)
    assert chat.status == "failed"
    assert "no" in chat.stop_reason
    assert chat.exception is not None


def test_an_agent_does_not_chat_with_itself() -> None:
    asks, _ = two()
    with pytest.raises(DefinitionError, match="itself"):
        asks.initiate_chat(asks, message="hi", silent=True)
