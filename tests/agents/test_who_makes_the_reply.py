"""Which of an agent's reply functions makes its reply: triggers, order, finality, and what may be taken out of the chain."""

from __future__ import annotations

from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import DefinitionError, InputError

pytestmark = pytest.mark.anyio


def silent_partner(name: str, **options: Any) -> autogen.ConversableAgent:
    """An agent with nothing but a few replies of its own: the empty text, by default."""
    return autogen.ConversableAgent(name, human_input_mode="NEVER", max_consecutive_auto_reply=3, **options)


def says(text: Any) -> Any:
    """A reply function that settles the reply."""

    def reply(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, Any]:  # the documented signature
        return True, text

    return reply


def passes(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, Any]:
    """A reply function that leaves the reply to others, whatever it says beside."""
    return False, "not to be said"


BOB = silent_partner("bob")


class Special(autogen.ConversableAgent):
    """A kind of agents of a user's own."""


@pytest.mark.parametrize(
    ("trigger", "fits", "does_not"),
    [
        (BOB, BOB, silent_partner("carol")),
        ("bob", BOB, silent_partner("carol")),
        (Special, Special("s", human_input_mode="NEVER"), BOB),
        (lambda sender: sender.name.startswith("b"), BOB, silent_partner("carol")),
        ([Special, "bob"], BOB, silent_partner("carol")),
        ([[lambda sender: False, BOB]], BOB, silent_partner("carol")),
        (None, None, BOB),
        ([autogen.Agent, None], None, "nobody"),
    ],
)
def test_a_trigger_says_for_which_senders_a_function_is_there(trigger: Any, fits: Any, does_not: Any) -> None:
    agent = silent_partner("alice")
    agent.register_reply(trigger, says("triggered"))
    assert agent.generate_reply([{"content": "hi"}], sender=fits) == "triggered"
    if does_not != "nobody":
        assert agent.generate_reply([{"content": "hi"}], sender=does_not) == ""


def test_a_trigger_that_answers_neither_true_nor_false_is_an_error() -> None:
    agent = silent_partner("alice")
    agent.register_reply(lambda sender: sender.name, says("x"))
    with pytest.raises(Exception, match="True or False"):
        agent.generate_reply([{"content": "hi"}], sender=BOB)


@pytest.mark.parametrize("trigger", [1, {"a": 1}, [3.5], b"bob"])
def test_what_cannot_be_a_trigger_is_refused_when_it_is_registered(trigger: Any) -> None:
    with pytest.raises(DefinitionError, match="trigger"):
        silent_partner("alice").register_reply(trigger, says("x"))


def test_an_async_function_replies_in_both_kinds_of_chats() -> None:
    async def reply(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, Any]:
        return True, f"async to {sender.name}"

    agent, other = silent_partner("alice"), silent_partner("bob")
    agent.register_reply([autogen.Agent, None], reply)
    chat = other.initiate_chat(agent, message="hi", max_turns=1, silent=True)
    assert chat.summary == "async to bob"


async def test_a_plain_function_replies_in_async_chats() -> None:
    agent = silent_partner("alice")
    agent.register_reply(autogen.Agent, says("plain"))
    chat = await silent_partner("bob").a_initiate_chat(agent, message="hi", max_turns=1, silent=True)
    assert chat.summary == "plain"


def test_a_function_is_told_who_asks_and_what_was_said_and_its_config() -> None:
    told: list[Any] = []

    def reply(recipient: Any, messages: Any = None, sender: Any = None, config: Any = None) -> tuple[bool, Any]:
        told.append((recipient, messages, sender, config))
        return True, "ok"

    agent, other = silent_partner("alice"), silent_partner("bob")
    agent.register_reply("bob", reply, config={"depth": 2})
    other.initiate_chat(agent, message="hi", max_turns=1, silent=True)
    recipient, messages, sender, config = told[0]
    assert (recipient, sender, config) == (agent, other, {"depth": 2})
    assert messages == [{"content": "hi", "role": "user", "name": "bob"}]


def test_the_one_registered_last_is_asked_first() -> None:
    agent = silent_partner("alice")
    agent.register_reply([autogen.Agent, None], says("first registered"))
    agent.register_reply([autogen.Agent, None], says("last registered"))
    assert agent.generate_reply([{"content": "hi"}]) == "last registered"


def test_a_reply_that_is_not_final_is_left_to_the_next_function() -> None:
    agent = silent_partner("alice", default_auto_reply="by default")
    agent.register_reply([autogen.Agent, None], passes)
    assert agent.generate_reply([{"content": "hi"}]) == "by default"


@pytest.mark.parametrize(("position", "said"), [(0, "registered"), (1, "registered"), (2, "human"), (-1, "human")])
def test_position_places_a_function_in_the_chain(position: int, said: str) -> None:
    """The first two places are those of termination and the person, in AutoGen's counting with its async twins."""

    class Asking(autogen.ConversableAgent):
        def get_human_input(self, prompt: str) -> str:
            return "human"

    agent = Asking("alice", human_input_mode="ALWAYS", llm_config=False)
    agent.register_reply([autogen.Agent, None], says("registered"), position=position)
    reply = agent.generate_reply([{"content": "hi"}], sender=BOB)
    assert (reply if isinstance(reply, str) else reply["content"]) == said


def test_final_none_means_that_nothing_is_said_and_the_chat_ends() -> None:
    agent = silent_partner("alice")
    agent.register_reply(autogen.Agent, says(None))
    assert agent.generate_reply([{"content": "hi"}], sender=BOB) is None
    chat = silent_partner("bob").initiate_chat(agent, message="hi", silent=True)
    assert [message["content"] for message in chat.chat_history] == ["hi"]
    assert chat.stop_reason == "alice has no reply"


def test_the_empty_text_is_said() -> None:
    agent = silent_partner("alice")
    agent.register_reply(autogen.Agent, says(""))
    chat = silent_partner("bob").initiate_chat(agent, message="hi", max_turns=1, silent=True)
    assert [message["content"] for message in chat.chat_history] == ["hi", ""]


@pytest.mark.parametrize(
    ("reply", "content"),
    [
        ("text", "text"),
        ({"content": "mapping"}, "mapping"),
        ({"content": [{"type": "text", "text": "part"}]}, [{"type": "text", "text": "part"}]),
    ],
)
def test_a_reply_is_a_text_or_a_mapping(reply: Any, content: Any) -> None:
    agent = silent_partner("alice")
    agent.register_reply(autogen.Agent, says(reply))
    chat = silent_partner("bob").initiate_chat(agent, message="hi", max_turns=1, silent=True)
    assert chat.chat_history[-1]["content"] == content


@pytest.mark.parametrize("answer", ["no tuple", None, (True,), (True, "a", "b")])
def test_what_is_no_pair_of_final_and_reply_is_an_error_that_names_the_function(answer: Any) -> None:
    def broken(recipient: Any, messages: Any, sender: Any, config: Any) -> Any:
        return answer

    agent = silent_partner("alice")
    agent.register_reply([autogen.Agent, None], broken)
    with pytest.raises(Exception, match=r"broken.*\(final, reply\)"):
        agent.generate_reply([{"content": "hi"}])


def test_excluded_functions_are_not_asked_in_that_call() -> None:
    agent = silent_partner("alice", default_auto_reply="by default", model=autogen.ScriptedModel(["by model"], repeat=True))
    loud = says("loud")
    agent.register_reply([autogen.Agent, None], loud)
    assert agent.generate_reply([{"content": "hi"}]) == "loud"
    assert agent.generate_reply([{"content": "hi"}], exclude=[loud]) == "by model"
    assert agent.generate_reply([{"content": "hi"}], exclude=[loud, autogen.ConversableAgent.generate_oai_reply]) == "by default"
    assert agent.generate_reply([{"content": "hi"}]) == "loud"


def test_a_function_can_be_replaced_where_it_stands() -> None:
    agent = silent_partner("alice", model=autogen.ScriptedModel(["by model"], repeat=True))
    agent.replace_reply_func(autogen.ConversableAgent.generate_oai_reply, says("instead of the model"))
    assert agent.generate_reply([{"content": "TERMINATE"}]) is None  # what comes before it still does
    assert agent.generate_reply([{"content": "hi"}]) == "instead of the model"
    with pytest.raises(DefinitionError, match="none of its reply functions"):
        agent.replace_reply_func(says("never registered"), says("x"))


def test_the_others_can_be_taken_out_for_one() -> None:
    agent = silent_partner("alice", default_auto_reply="by default", model=autogen.ScriptedModel(["by model"], repeat=True))
    agent.register_reply([autogen.Agent, None], passes, remove_other_reply_funcs=True)
    assert agent.generate_reply([{"content": "TERMINATE"}]) == "by default"


def test_a_function_may_be_any_callable() -> None:
    class Counting:
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, str]:
            self.calls += 1
            return True, f"call {self.calls}"

    agent, counting = silent_partner("alice"), Counting()
    agent.register_reply([autogen.Agent, None], counting)
    assert agent.generate_reply([{"content": "hi"}]) == "call 1"
    with pytest.raises(DefinitionError, match="reply function"):
        agent.register_reply(autogen.Agent, "no function")  # type: ignore[arg-type]


def test_the_default_reply_is_the_last_resort() -> None:
    assert silent_partner("a").generate_reply([{"content": "hi"}]) == ""
    assert silent_partner("a", default_auto_reply="Go on.").generate_reply([{"content": "hi"}]) == "Go on."
    assert silent_partner("a", default_auto_reply=None).generate_reply([{"content": "hi"}]) is None


def test_a_reply_needs_messages_or_a_sender() -> None:
    with pytest.raises(InputError, match="messages=, or the sender="):
        silent_partner("alice").generate_reply()


def test_without_messages_the_latest_chat_with_the_sender_is_replied_to() -> None:
    agent, other = silent_partner("alice", model=autogen.ScriptedModel(lambda r: f"heard {len(r.messages)}")), silent_partner("bob")
    other.initiate_chat(agent, message="hi", max_turns=1, silent=True)
    other_view = other.chat_messages[agent]
    assert [message["content"] for message in other_view] == ["hi", "heard 1"]
    agent.clear_history(other, nr_messages_to_preserve=None)
    with pytest.raises(InputError):
        agent.last_message(other)


async def test_the_one_reply_is_the_same_sync_and_async() -> None:
    def make() -> autogen.ConversableAgent:
        agent = silent_partner("alice", model=autogen.ScriptedModel(["by model"], repeat=True))
        agent.register_reply("bob", says({"content": "to bob"}))
        return agent

    assert await make().a_generate_reply([{"content": "hi"}], sender=BOB) == make().generate_reply([{"content": "hi"}], sender=BOB)
    assert await make().a_generate_reply([{"content": "hi"}]) == make().generate_reply([{"content": "hi"}]) == "by model"


def test_the_agents_own_functions_can_be_asked_one_by_one() -> None:
    agent = silent_partner("alice", model=autogen.ScriptedModel(["by model"], repeat=True))
    assert agent.generate_oai_reply([{"content": "hi"}]) == (True, "by model")
    assert agent.generate_tool_calls_reply([{"content": "hi"}]) == (False, None)
    assert agent.check_termination_and_human_reply([{"content": "TERMINATE"}], sender=BOB) == (True, None)
    assert agent.check_termination_and_human_reply([{"content": "hi"}], sender=BOB) == (False, None)
    assert silent_partner("carol").generate_oai_reply([{"content": "hi"}]) == (False, None)
    assert agent.generate_code_execution_reply([{"content": "```python\nprint(1)\n```"}]) == (False, None)
