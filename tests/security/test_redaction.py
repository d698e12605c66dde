"""What a graph's `redact=` takes out of texts is in no file of its store, and a run and its replay see the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from convgraph import (
    END,
    AssistantAgent,
    Context,
    ConversationGraph,
    Message,
    Parallel,
    ScriptedModel,
    ToolCall,
    UserProxyAgent,
    initiate_chats,
    open_store,
)
from convgraph.errors import DefinitionError, InputError
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.tools import tool
from tests.security.encrypted_stores import files_of

CARD = "4111 1111 1111 1111"
CARDS = {"card": r"\b(?:\d[ -]?){15}\d\b"}


def of_digits(text: str) -> str:
    """A function of somebody's own."""
    return re.sub(r"\b(?:\d[ -]?){15}\d\b", "•", text)


def one_node(speaker: Any, **options: Any) -> ConversationGraph:
    graph = ConversationGraph("shop", **options)
    name = graph.add_node(speaker)
    graph.add_edge(name, END)
    graph.set_start(name)
    return graph


def had(graph: ConversationGraph, folder: Path, said: Any = "hello", **options: Any) -> list[Message]:
    """The messages of a run, the same from its replay, with no card in the store's files."""
    with open_store(folder / "runs.db") as store:
        result = graph.run(said, store=store, run_id="r", **options)
        assert result.status == "finished", result.stop_reason
        assert graph.replay("r", store=store).messages == result.messages
        found = files_of(folder / "runs.db")
    assert b"1111" not in found + files_of(folder / "runs.db")
    return list(result.messages)


@pytest.mark.parametrize("redact", [CARDS, of_digits])
def test_cards_in_tools_arguments_and_results_reach_no_journal(tmp_path: Path, redact: Any) -> None:
    """The model names a card, the tool gives it back: neither is recorded, and neither does the tool or the model see it again."""
    charged: list[str] = []
    told: list[str] = []

    @tool
    def charge(card: str, cents: int) -> dict[str, Any]:
        """Charge a card."""
        charged.append(card)
        return {"receipt": f"charged {CARD}", "number": int(CARD.replace(" ", "")), "cents": cents}

    def answer(request: ModelRequest) -> Any:
        told.extend(message.text for message in request.messages)
        if any(message.role == "tool" for message in request.messages):
            return f"done with {CARD}"
        return ModelReply(tool_calls=(ToolCall("a", "charge", json.dumps({"card": CARD, "cents": 1234})),))

    clerk = AssistantAgent("clerk", "You sell.", model=ScriptedModel(answer), tools=[charge])
    *_, last = had(one_node(clerk, redact=redact), tmp_path, f"charge {CARD} please")

    mark = "[redacted card]" if redact is CARDS else "•"
    assert charged == [mark]
    assert last.text == f"done with {mark}"
    assert told
    assert not any("1111" in text for text in told)
    assert any('"cents":1234' in text.replace(" ", "") for text in told), "other numbers stay"


def test_what_effects_people_errors_and_states_say_is_searched_too(tmp_path: Path) -> None:
    async def busy(ctx: Context) -> str:
        looked = await ctx.effect("look", lambda: {"cards": [CARD], CARD: b"raw " + CARD.encode()})
        answered = await ctx.ask(f"is {CARD} yours?")
        try:
            await ctx.effect("fail", refuse)
        except Exception as error:  # noqa: BLE001  # its message is what is looked at
            return f"{looked} {answered} {error}"
        return "never"

    def refuse() -> None:
        raise ValueError(f"{CARD} was refused")

    *_, last = had(one_node(busy, redact=CARDS), tmp_path, human=lambda _: f"yes, {CARD}")
    assert last.text.count("[redacted card]") == 5


def test_a_nested_graph_redacts_for_the_run_that_it_is_part_of(tmp_path: Path) -> None:
    async def says(ctx: Context) -> str:
        return f"it is {CARD}"

    inner = one_node(says, redact=CARDS)
    assert had(one_node(inner), tmp_path)[-1].text == "it is [redacted card]"
    outer = ConversationGraph("outer")
    outer.add_node(Parallel(inner, says), name="both")
    outer.add_edge("both", END)
    outer.set_start("both")
    (tmp_path / "b").mkdir()
    assert [message.text for message in had(outer, tmp_path / "b")[-2:]] == ["it is [redacted card]"] * 2


def test_a_resumed_run_redacts_without_being_told(tmp_path: Path) -> None:
    """What is to be taken out is the graph's, not a call's: no worker can forget it."""

    async def asks(ctx: Context) -> str:
        return str(await ctx.ask("which card?"))

    graph = one_node(asks, redact=CARDS)
    with open_store(tmp_path / "runs.db") as store:
        graph.run("hello", store=store, run_id="r", human="park")
        result = graph.resume("r", store=store, answers={store.questions("r")[0].id: CARD})
        assert result.messages[-1].text == "[redacted card]"
    assert b"1111" not in files_of(tmp_path / "runs.db")


def test_where_a_function_fails_the_text_is_withheld(tmp_path: Path) -> None:
    def fails(text: str) -> str:
        if "1111" in text:
            raise ValueError(text)
        return text

    async def says(ctx: Context) -> str:
        return CARD

    assert had(one_node(says, redact=fails), tmp_path)[-1].text == "[withheld: redact= failed with ValueError]"
    (tmp_path / "b").mkdir()
    none: Any = lambda text: None if "1111" in text else text  # noqa: E731
    assert had(one_node(says, redact=none), tmp_path / "b")[-1].text == "[withheld: redact= gave NoneType, not str]"


@pytest.mark.parametrize(
    ("redact", "said"),
    [
        ({"card": "("}, "'card' is no pattern"),
        ({"card": "x*"}, "fits the empty text"),
        ({"card]": "x"}, "is no name"),
        ({"card": b"x"}, "no pattern|of bytes"),
        ("x", "takes patterns by name, or a function"),
    ],
)
def test_what_cannot_redact_is_refused(redact: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        ConversationGraph("g", redact=redact)


def test_a_graph_or_a_state_that_holds_what_is_to_be_taken_out_is_refused(tmp_path: Path) -> None:
    """They are recorded as they are."""
    clerk = AssistantAgent("clerk", f"The shop's card is {CARD}.", model=ScriptedModel(["hi"]))
    with pytest.raises(InputError, match="redact="):
        one_node(clerk, redact=CARDS).run("hello", store=tmp_path / "runs.db")

    async def greets(ctx: Context) -> str:
        return "hi"

    stateful = one_node(greets, redact=CARDS, state={"card": {"type": "string", "default": ""}})
    with pytest.raises(InputError, match="redact="):
        stateful.run("hello", state={"card": CARD}, store=tmp_path / "runs.db")
    assert not (tmp_path / "runs.db").exists()


def test_a_conversation_that_is_opened_inside_a_turn_cannot_bring_a_redaction_of_its_own() -> None:
    """It would cover less than it says: the turn around it is recorded too."""

    async def says(ctx: Context) -> str:
        return CARD

    inner = one_node(says, redact=CARDS).program()

    async def opens(ctx: Context) -> str:
        return (await ctx.converse(inner, (Message("user", "hello"),))).history[-1].text

    refused = one_node(opens).run("hello")
    assert refused.status == "failed"
    assert "give it to that run's graph" in refused.stop_reason


def test_an_agent_that_is_asked_in_a_chat_is_shown_and_says_nothing_of_it(tmp_path: Path) -> None:
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    clerk = AssistantAgent("clerk", "You sell.", model=ScriptedModel([f"{CARD}? TERMINATE"]))
    graph = ConversationGraph("chat", redact=CARDS)
    for agent in (user, clerk):
        graph.add_node(agent)
    graph.add_edge("clerk", END)
    graph.set_start("clerk")
    assert had(graph, tmp_path, f"my card is {CARD}")[-1].text == "[redacted card]? TERMINATE"


@pytest.mark.parametrize(
    ("redact", "described"),
    [
        ({"api_key": "sk-[a-z]+"}, [{"name": "api_key", "pattern": "sk-[a-z]+"}]),
        ({"card": re.compile("(?i)card .*", re.DOTALL)}, [{"name": "card", "pattern": "(?is)card .*"}]),
        (of_digits, {"type": "function", "call": "tests.security.test_redaction:of_digits"}),
    ],
    ids=["patterns", "compiled", "function"],
)
def test_a_document_says_what_is_not_recorded(redact: Any, described: Any) -> None:
    """Whoever loads a graph from its document gets one that redacts as the graph did that was written down; both are one graph."""
    graph = one_node(AssistantAgent("clerk", model=ScriptedModel([])), redact=redact)
    document = graph.to_yaml()
    loaded = ConversationGraph.from_yaml(document, allow=["tests.security.test_redaction"])

    assert loaded.program().document["detail"]["redact"] == described
    assert loaded.to_yaml() == document
    own, again = graph.program().redact, loaded.program().redact
    assert own is not None
    assert again is not None
    for said in ("my sk-abc", f"CARD {CARD}\nthere", CARD, "nothing"):
        assert own(said) == again(said)
    assert loaded.fingerprint == graph.fingerprint == one_node(AssistantAgent("clerk", model=ScriptedModel([]))).fingerprint


@pytest.mark.parametrize(
    ("redact", "said"),
    [
        ("[{name: card}]", "pattern"),
        ("[{name: card, pattern: '('}]", "no pattern"),
        ("[{name: card, pattern: a}, {name: card, pattern: b}]", "one name"),
        ("{type: function, call: 'os:getcwd'}", "os"),
        ("{call: 5}", "package.module:name"),
        ("yes", "redact"),
    ],
)
def test_a_document_that_cannot_redact_is_refused(redact: str, said: str) -> None:
    """A graph that would record what it was to take out is never made."""
    text = f"version: 1\nname: shop\ndetail: {{redact: {redact}}}\nnodes: [{{name: clerk, kind: function}}]\nstart: clerk\n"
    with pytest.raises(DefinitionError, match=said):
        ConversationGraph.from_yaml(text, speakers={"clerk": lambda _: "hello"})


def test_a_chat_redacts_and_so_does_the_next_that_goes_on_from_it(tmp_path: Path) -> None:
    """`initiate_chat(redact=…)`, and a `send` after it: what the two have said is in their journals without the cards."""
    person = UserProxyAgent("person", human_input_mode="NEVER", code_execution_config=False)
    clerk = AssistantAgent("clerk", model=ScriptedModel(lambda _: f"charged {CARD}"))
    store = str(tmp_path / "runs.db")
    chat = person.initiate_chat(clerk, message=f"charge {CARD}", max_turns=1, store=store, redact=CARDS, silent=True)
    assert [message.text for message in chat.messages] == ["charge [redacted card]", "charged [redacted card]"]
    person.send(f"again {CARD}", clerk, request_reply=True, silent=True)
    [said, *_] = [message.text for message in person.messages_with(clerk)[2:]]
    assert said == "again [redacted card]"

    chats = [{"sender": person, "recipient": clerk, "message": f"charge {CARD}", "max_turns": 1, "silent": True}]
    [result] = initiate_chats(chats, store=store, redact=CARDS)
    assert result.summary == "charged [redacted card]"
    assert b"1111" not in files_of(tmp_path / "runs.db")


def test_a_pattern_that_is_the_word_itself_is_not_recorded_with_its_graph(tmp_path: Path) -> None:
    """The document that a run stores says nothing of what is taken out, in a nested graph neither."""

    async def says(ctx: Context) -> str:
        return f"{CARD} it is"

    inner = one_node(says, redact={"card": CARD})
    assert had(one_node(inner), tmp_path)[-1].text == "[redacted card] it is"
    outer = one_node(inner)
    assert CARD in outer.to_yaml()
    assert CARD not in outer.program().document_text
    [change] = one_node(says).diff(inner)
    assert change.compatible
