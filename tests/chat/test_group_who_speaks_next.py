"""Who speaks next in a group chat: by each of the methods, along the transitions that are allowed, and along no other."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import AnswerError, DefinitionError, InputError
from convgraph.protocols import ModelReply
from tests.chat.conftest import Chooser, Member, group, speaker, speakers, talk


def outsider() -> Member:
    return speaker("user")


# The methods


def test_round_robin_goes_around_in_the_order_of_the_list(members: list[Member]) -> None:
    result = talk(members[1], group(members, speaker_selection_method="round_robin", max_round=6))
    assert speakers(result) == ["ben", "cleo", "anna", "ben", "cleo", "anna"]


def test_after_somebody_from_outside_round_robin_begins_at_the_top(members: list[Member]) -> None:
    result = talk(outsider(), group(members, speaker_selection_method="round_robin", max_round=4))
    assert speakers(result) == ["user", "anna", "ben", "cleo"]


def test_a_method_is_read_in_any_case(members: list[Member]) -> None:
    assert speakers(talk(members[0], group(members, speaker_selection_method="Round_Robin", max_round=3))) == ["anna", "ben", "cleo"]


def test_random_draws_from_who_is_allowed_and_is_the_same_in_a_replay(members: list[Member], tmp_path: Any) -> None:
    manager = group(members, speaker_selection_method="random", allow_repeat_speaker=False, max_round=12)
    result = talk(members[0], manager, store=f"{tmp_path}/runs.db")
    said = speakers(result)
    assert len(said) == 12
    assert all(one != next_ for one, next_ in itertools.pairwise(said))
    replayed = manager.chat_graph(members[0], None).replay(result.run_id, store=f"{tmp_path}/runs.db")
    assert [message.sender for message in replayed.messages] == said


def test_a_person_chooses_where_the_method_is_manual(members: list[Member], tmp_path: Any) -> None:
    """The run parks with a question whose answers are the members who may speak; any other answer is refused."""
    store = f"{tmp_path}/runs.db"
    manager = group(members, speaker_selection_method="manual", max_round=3, allow_repeat_speaker=False)
    result = talk(members[0], manager, store=store, run_id="chat")
    assert result.status == "waiting"
    (question,) = result.questions
    assert question.schema["enum"] == ["ben", "cleo"]
    with pytest.raises(AnswerError):
        talk(members[0], manager, store=store, run_id="chat", answers={question.id: "anna"})
    result = talk(members[0], manager, store=store, run_id="chat", answers={question.id: "cleo"})
    (question,) = result.questions
    result = talk(members[0], manager, store=store, run_id="chat", answers={question.id: "ben"})
    assert speakers(result) == ["anna", "cleo", "ben"]
    assert result.status == "finished"


def test_a_model_chooses_where_the_method_is_auto(members: list[Member]) -> None:
    chooser = Chooser("cleo", '{"next": "ben"}', "ben")
    result = talk(members[0], group(members, chooser.model, max_round=4))
    assert speakers(result) == ["anna", "cleo", "ben", "ben"]


def test_an_unknown_method_is_refused(members: list[Member]) -> None:
    with pytest.raises(DefinitionError, match="speaker_selection_method"):
        autogen.GroupChat(members, speaker_selection_method="by_weight")  # type: ignore[arg-type]


# A function that chooses


def test_a_function_chooses_a_member(members: list[Member]) -> None:
    """It is given who spoke last and the group chat, whose messages are those of the chat."""
    heard: list[tuple[str, list[str]]] = []

    def choose(last: Member, chat: autogen.GroupChat) -> Any:
        heard.append((last.name, [message["content"] for message in chat.messages]))
        return chat.agent_by_name("cleo") if last.name != "cleo" else members[0]

    result = talk(outsider(), group(members, speaker_selection_method=choose, max_round=4))
    assert speakers(result) == ["user", "cleo", "anna", "cleo"]
    assert heard[0] == ("user", ["Hello."])
    assert heard[2] == ("anna", ["Hello.", "I am cleo.", "I am anna."])


def test_a_function_may_ask_who_is_next_in_the_list(members: list[Member]) -> None:
    anna, ben, cleo = members
    chat = autogen.GroupChat(members)
    assert [chat.next_agent(one) for one in members] == [ben, cleo, anna]
    assert (chat.next_agent(anna, [anna, cleo]), chat.next_agent(speaker("user"))) == (cleo, anna)
    manager = group(members, speaker_selection_method=lambda last, chat: chat.next_agent(last), max_round=4)
    assert speakers(talk(ben, manager)) == ["ben", "cleo", "anna", "ben"]
    with pytest.raises(InputError):
        chat.next_agent(anna, [speaker("stranger")])


async def _later(last: Any, chat: autogen.GroupChat) -> Any:
    return chat.agents[1]


def test_the_function_may_be_asynchronous(members: list[Member]) -> None:
    assert speakers(talk(members[0], group(members, speaker_selection_method=_later, max_round=3))) == ["anna", "ben", "ben"]


def test_a_function_that_returns_none_ends_the_chat_and_that_is_the_reason(members: list[Member]) -> None:
    def choose(last: Any, chat: autogen.GroupChat) -> Any:
        return members[1] if len(chat.messages) == 1 else None

    result = talk(members[0], group(members, speaker_selection_method=choose, max_round=9))
    assert (speakers(result), result.stop_reason) == (["anna", "ben"], "the selector chose nobody")


@pytest.mark.parametrize("method", ["round_robin", "random", "auto"])
def test_a_function_may_leave_the_choice_to_another_method(members: list[Member], method: str) -> None:
    chooser = Chooser("ben")
    result = talk(members[0], group(members, chooser.model, speaker_selection_method=lambda last, chat: method, max_round=4))
    assert len(result.messages) == 4
    assert result.stop_reason == "max_round", "a method does not end the chat"


def test_a_function_that_answers_outside_the_graph_is_refused(members: list[Member]) -> None:
    """It chooses among the transitions as everybody else does: nobody speaks out of turn, and the reason names what was returned."""
    anna, ben, cleo = members
    manager = group(
        members,
        speaker_selection_method=lambda last, chat: cleo,
        allowed_or_disallowed_speaker_transitions={anna: [ben], ben: [cleo], cleo: [anna]},
        speaker_transitions_type="allowed",
    )
    result = talk(anna, manager)
    assert (result.status, speakers(result)) == ("failed", ["anna"])
    assert "cleo" in result.stop_reason
    assert "'ben'" in result.stop_reason


@pytest.mark.parametrize("returned", ["somebody", 7, speaker("stranger")])
def test_a_function_that_returns_no_member_is_refused(members: list[Member], returned: Any) -> None:
    result = talk(members[0], group(members, speaker_selection_method=lambda last, chat: returned))
    assert (result.status, speakers(result)) == ("failed", ["anna"])


def test_a_chat_may_say_that_its_function_overrides_the_graph(members: list[Member]) -> None:
    """Then the graph says so too: it has all edges."""
    anna, ben, cleo = members
    options: dict[str, Any] = {
        "speaker_selection_method": lambda last, chat: cleo,
        "allowed_or_disallowed_speaker_transitions": {anna: [ben], ben: [anna], cleo: []},
        "speaker_transitions_type": "allowed",
        "selection_overrides_graph": True,
        "max_round": 3,
    }
    manager = group(members, **options)
    assert speakers(talk(anna, manager)) == ["anna", "cleo", "cleo"]
    assert {(edge.source, edge.target) for edge in manager.groupchat.to_graph().definition.edges} >= {
        (one.name, other.name) for one in members for other in members
    }


# Who may follow whom


def test_all_may_follow_all_unless_something_is_said(members: list[Member]) -> None:
    assert followers(autogen.GroupChat(members)) == {
        "anna": ["ben", "cleo", "anna"],
        "ben": ["cleo", "anna", "ben"],
        "cleo": ["anna", "ben", "cleo"],
    }


def test_nobody_follows_itself_where_repeating_is_off(members: list[Member]) -> None:
    chat = autogen.GroupChat(members, allow_repeat_speaker=False)
    assert followers(chat) == {"anna": ["ben", "cleo"], "ben": ["cleo", "anna"], "cleo": ["anna", "ben"]}


def test_only_those_listed_may_repeat(members: list[Member]) -> None:
    chat = autogen.GroupChat(members, allow_repeat_speaker=[members[1]])
    assert followers(chat) == {"anna": ["ben", "cleo"], "ben": ["cleo", "anna", "ben"], "cleo": ["anna", "ben"]}


def test_allowed_transitions_are_the_edges_and_no_others(members: list[Member]) -> None:
    anna, ben, cleo = members
    assert followers(allowed(members, {anna: [ben, anna], ben: [cleo], cleo: [anna]})) == {
        "anna": ["ben", "anna"],
        "ben": ["cleo"],
        "cleo": ["anna"],
    }


def test_disallowed_transitions_leave_the_others_a_member_after_itself_included(members: list[Member]) -> None:
    anna, ben, _ = members
    chat = autogen.GroupChat(
        members, allowed_or_disallowed_speaker_transitions={anna: [ben], ben: [ben]}, speaker_transitions_type="disallowed"
    )
    assert followers(chat) == {"anna": ["cleo", "anna"], "ben": ["cleo", "anna"], "cleo": ["anna", "ben", "cleo"]}


@pytest.mark.parametrize("listed", [True, False], ids=["empty list", "missing key"])
@pytest.mark.parametrize("method", ["round_robin", "random", "manual", "auto"])
def test_a_member_that_nobody_may_follow_ends_the_chat(members: list[Member], listed: bool, method: str) -> None:
    anna, ben, _ = members
    transitions: dict[Any, list[Any]] = {anna: [ben], ben: []} if listed else {anna: [ben]}
    result = talk(anna, group_of(members, transitions, method=method))
    assert (result.status, speakers(result), result.stop_reason) == ("finished", ["anna", "ben"], "nobody follows")


def test_a_member_that_opens_is_followed_by_those_who_may_follow_it(members: list[Member]) -> None:
    anna, ben, cleo = members
    manager = group_of(members, {anna: [cleo], ben: [anna], cleo: [ben]}, max_round=4)
    assert speakers(talk(anna, manager)) == ["anna", "cleo", "ben", "anna"]
    assert speakers(talk(outsider(), manager, message="Hello.")) == ["user", "anna", "cleo", "ben"]


def test_taking_a_transition_away_changes_the_chat(members: list[Member]) -> None:
    """The graph decides, not the order in the list."""
    anna, ben, cleo = members
    whole: dict[Any, list[Any]] = {anna: [ben, cleo], ben: [cleo], cleo: [anna]}
    less: dict[Any, list[Any]] = {**whole, anna: [cleo]}
    assert speakers(talk(anna, group_of(members, whole, max_round=4))) == ["anna", "ben", "cleo", "anna"]
    assert speakers(talk(anna, group_of(members, less, max_round=4))) == ["anna", "cleo", "anna", "cleo"]


def test_where_one_may_follow_no_model_is_asked(members: list[Member]) -> None:
    anna, ben, cleo = members
    chooser = Chooser("nobody is asked")
    manager = group_of(members, {anna: [ben], ben: [cleo], cleo: [anna]}, method="auto", model=chooser.model, max_round=6)
    assert len(talk(anna, manager).messages) == 6
    assert chooser.requests == []


def test_two_members_who_may_not_repeat_take_turns_without_being_chosen() -> None:
    chooser = Chooser("nobody is asked")
    pair = [speaker("anna"), speaker("ben")]
    result = talk(pair[0], group(pair, chooser.model, allow_repeat_speaker=False, max_round=4))
    assert speakers(result) == ["anna", "ben", "anna", "ben"]
    assert chooser.requests == []


# What is refused when a group is made


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"allowed_or_disallowed_speaker_transitions": {}}, "together"),
        ({"speaker_transitions_type": "allowed"}, "together"),
        ({"allowed_or_disallowed_speaker_transitions": {}, "speaker_transitions_type": "permitted"}, "'allowed' or 'disallowed'"),
        (
            {"allowed_or_disallowed_speaker_transitions": {}, "speaker_transitions_type": "allowed", "allow_repeat_speaker": False},
            "allow_repeat_speaker",
        ),
        ({"allowed_or_disallowed_speaker_transitions": [], "speaker_transitions_type": "allowed"}, "mapping"),
        ({"enable_clear_history": True}, "enable_clear_history"),
        ({"allow_repeat_speaker": [speaker("stranger")]}, "allow_repeat_speaker"),
        ({"allow_repeat_speaker": "anna"}, "list of agents"),
        ({"max_retries_for_selecting_speaker": -1}, "max_retries"),
        ({"role_for_select_speaker_messages": "bot"}, "role_for_select_speaker_messages"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(members: list[Member], options: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        autogen.GroupChat(members, **options)


@pytest.mark.parametrize(
    "transitions",
    [
        lambda anna, ben: {anna: ben},
        lambda anna, ben: {anna: "ben"},
        lambda anna, ben: {anna: [speaker("stranger")]},
        lambda anna, ben: {speaker("stranger"): [anna]},
        lambda anna, ben: {anna: ["ben"]},
        lambda anna, ben: {anna: [None]},
    ],
    ids=["no list", "a text", "to a stranger", "from a stranger", "a name", "none"],
)
@pytest.mark.parametrize("kind", ["allowed", "disallowed"])
def test_transitions_between_what_is_no_member_are_refused(
    members: list[Member], kind: Any, transitions: Callable[..., dict[Any, Any]]
) -> None:
    with pytest.raises(DefinitionError, match=r"speaker transitions|list of agents"):
        autogen.GroupChat(
            members, allowed_or_disallowed_speaker_transitions=transitions(members[0], members[1]), speaker_transitions_type=kind
        )


@pytest.mark.parametrize("agents", [[], ["anna"], [None]])
def test_members_are_agents_and_there_is_one_at_least(agents: list[Any]) -> None:
    with pytest.raises(DefinitionError):
        autogen.GroupChat(agents)


def test_two_members_of_one_name_are_refused() -> None:
    with pytest.raises(DefinitionError, match="'anna'"):
        autogen.GroupChat([speaker("anna"), speaker("anna")])


def test_a_manager_has_no_tools(members: list[Member]) -> None:
    with pytest.raises(DefinitionError, match="no tools"):
        autogen.GroupChatManager(autogen.GroupChat(members), llm_config={"model": "m", "tools": [{"function": {"name": "f"}}]})


# Tools


def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "add", "arguments": '{"a": 2, "b": 3}'}}]}


def calculating(*names: str) -> tuple[Member, list[Member]]:
    """Somebody who asks for a sum, and these members; those with `add` in their name can carry it out."""
    asker = autogen.ConversableAgent("asker", human_input_mode="NEVER", default_auto_reply="asked")
    asker.register_reply([None, autogen.Agent], lambda recipient, messages, sender, config: (True, CALL), 0)
    helpers = [speaker(name, **({"function_map": {"add": add}} if "add" in name else {})) for name in names]
    return asker, helpers


def test_a_call_goes_to_the_member_that_can_carry_it_out() -> None:
    asker, helpers = calculating("ben", "adder", "cleo")
    result = talk(speaker("user"), group([asker, *helpers], speaker_selection_method="round_robin", max_round=3))
    assert speakers(result) == ["user", "asker", "adder"]
    assert result.messages[-1].text == "5"


def test_without_the_filter_a_call_changes_nothing() -> None:
    asker, helpers = calculating("ben", "adder")
    result = talk(speaker("user"), group([asker, *helpers], speaker_selection_method="round_robin", max_round=3, func_call_filter=False))
    assert speakers(result) == ["user", "asker", "ben"]


def test_of_several_that_can_carry_it_out_the_method_chooses() -> None:
    asker, helpers = calculating("ben", "adder", "adder2")
    chooser = Chooser("asker", "adder2")
    result = talk(speaker("user"), group([asker, *helpers], chooser.model, max_round=3))
    assert speakers(result) == ["user", "asker", "adder2"]
    assert "ben" not in str(chooser.requests[-1].system), "who cannot is no choice"


def test_a_call_goes_along_the_transitions_and_nowhere_else() -> None:
    """Who can carry it out but may not follow, does not."""
    asker, (ben, adder) = calculating("ben", "adder")
    manager = group_of([asker, ben, adder], {asker: [ben], ben: [asker], adder: [asker]}, max_round=3)
    assert speakers(talk(speaker("user"), manager)) == ["user", "asker", "ben"]


def test_a_call_whose_choice_is_left_to_a_method_goes_to_who_can_carry_it_out() -> None:
    asker, helpers = calculating("ben", "adder")
    manager = group([asker, *helpers], speaker_selection_method=lambda last, chat: "round_robin", max_round=3)
    assert speakers(talk(speaker("user"), manager)) == ["user", "asker", "adder"]


def test_a_tool_hands_over_along_the_transitions_and_the_rounds_hold() -> None:
    """`Handoff` names who is next; the chat ends after its rounds all the same."""

    def pass_on() -> autogen.Handoff:
        """Let Ben speak."""
        return autogen.Handoff("ben")

    def pass_back() -> autogen.Handoff:
        """Let Anna speak."""
        return autogen.Handoff("anna")

    anna = autogen.ConversableAgent("anna", human_input_mode="NEVER", model=calling("pass_on"), tools=[pass_on])
    ben = autogen.ConversableAgent("ben", human_input_mode="NEVER", model=calling("pass_back"), tools=[pass_back])
    result = talk(speaker("user"), group([anna, speaker("cleo"), ben], speaker_selection_method="round_robin", max_round=4))
    assert [message.sender for message in result.messages if message.role != "tool"] == ["user", "anna", "ben", "anna"]
    assert result.stop_reason == "max_round"


def calling(tool: str) -> autogen.ScriptedModel:
    """A model that calls this tool whenever it is asked."""
    return autogen.ScriptedModel(lambda request: ModelReply("", (autogen.ToolCall("1", tool, "{}"),)), name=tool)


# Teams of teams


def test_a_manager_is_a_member_whose_group_talks_about_the_last_message() -> None:
    inner = group([speaker("dora"), speaker("emil")], speaker_selection_method="round_robin", max_round=3)
    outer = autogen.GroupChat([speaker("anna"), inner, speaker("ben")], speaker_selection_method="round_robin", max_round=4)
    result = talk(speaker("user"), autogen.GroupChatManager(outer, name="outer"))
    assert [(message.sender, message.text) for message in result.messages[1:]] == [
        ("anna", "I am anna."),
        ("chat_manager", "I am emil."),
        ("ben", "I am ben."),
    ]
    assert outer.to_graph().definition.nodes["chat_manager"].kind == "graph", "the inner group is drawn, checked and recorded"


def test_members_of_members_are_found_by_name() -> None:
    dora = speaker("dora")
    inner = group([dora, speaker("anna")])
    outer = autogen.GroupChat([speaker("anna"), inner])
    assert outer.agent_names == ["anna", "chat_manager"]
    assert outer.agent_by_name("dora") is None
    assert outer.agent_by_name("dora", recursive=True) is dora
    assert [agent.name for agent in outer.nested_agents()] == ["anna", "chat_manager", "dora", "anna"]
    with pytest.raises(DefinitionError, match="'anna'"):
        outer.agent_by_name("anna", recursive=True, raise_on_name_conflict=True)


def test_a_member_that_is_added_takes_part(members: list[Member]) -> None:
    chat = autogen.GroupChat(members[:2], speaker_selection_method="round_robin", max_round=4)
    chat.agents = members
    assert speakers(talk(members[0], autogen.GroupChatManager(chat))) == ["anna", "ben", "cleo", "anna"]


def followers(chat: autogen.GroupChat) -> dict[str, list[str]]:
    """Who may follow whom by the graph."""
    graph = chat.to_graph().definition
    return {
        name: [edge.target for edge in graph.out(name, "reply") if edge.guard is None and edge.target in graph.nodes]
        for name in graph.nodes
    }


def allowed(members: list[Member], transitions: dict[Any, list[Any]], **options: Any) -> autogen.GroupChat:
    return autogen.GroupChat(members, allowed_or_disallowed_speaker_transitions=transitions, speaker_transitions_type="allowed", **options)


def group_of(
    members: list[Member], transitions: dict[Any, list[Any]], method: Any = "round_robin", model: Any = None, max_round: int = 8
) -> autogen.GroupChatManager:
    return autogen.GroupChatManager(allowed(members, transitions, speaker_selection_method=method, max_round=max_round), model=model)
