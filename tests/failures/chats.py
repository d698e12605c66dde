"""Chats that open chats in every way there is. What leaves the conversation is noted in the evidence, under a label that it gives back.

So what the journal knows to be finished can be told from outside: its result holds the label. What the plain code of a tool
does by itself (outside any effect of its own) is noted as `plain`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from convgraph import (
    END,
    AfterWork,
    AssistantAgent,
    ChatResult,
    Context,
    ConversableAgent,
    ConversationGraph,
    GroupChat,
    GroupChatManager,
    OnCondition,
    ScriptedModel,
    SwarmResult,
    UserProxyAgent,
    a_initiate_chats,
    initiate_chats,
    initiate_swarm_chat,
)
from convgraph.errors import NodeFailed
from convgraph.journal.events import Question
from convgraph.messages import ToolCall, Usage
from convgraph.protocols import ModelReply, ModelRequest
from tests.failures.evidence import Evidence

Have: TypeAlias = Callable[..., Any]
"""Has the chat, or goes on with it: takes `store`, `run_id`, `answers` and `human`."""

COST = Usage(calls=1, input_tokens=7, output_tokens=3, usd=0.01)


def label(name: str, *about: Any) -> str:
    """The label of a call: its name, and what it is about in short."""
    return f"[{name} {zlib.crc32(repr(about).encode()):08x}]"


def answers_of(evidence: Evidence) -> Callable[[Question], str]:
    """A person who gives every question an answer that tells of it."""

    def answer(question: Question) -> str:
        said = label("person", question.id)
        evidence.call(said)
        return said

    return answer


def model(evidence: Evidence, name: str, calls: Sequence[tuple[str, str]] = ()) -> ScriptedModel:
    """A model that says its label; in its first answer it makes these calls of tools."""

    def say(request: ModelRequest) -> ModelReply:
        said = label(name, [message.text for message in request.messages])
        evidence.call(said)
        if calls and not any(message.role == "tool" for message in request.messages):
            made = tuple(ToolCall(f"call-{number}", tool, arguments) for number, (tool, arguments) in enumerate(calls))
            return ModelReply(said, made, COST)
        return ModelReply(said, (), COST)

    return ScriptedModel(say, name=f"{name}-model")


def assistant(evidence: Evidence, name: str, **options: Any) -> AssistantAgent:
    """An agent with a model."""
    return AssistantAgent(name, f"You are {name}.", model=model(evidence, name), **options)


def asker(name: str = "user", **options: Any) -> UserProxyAgent:
    """Somebody who opens chats and has nothing more to say."""
    return UserProxyAgent(name, human_input_mode="NEVER", code_execution_config=False, default_auto_reply="go on", **options)


def chatting(opener: ConversableAgent, recipient: ConversableAgent, message: Any, **options: Any) -> Have:
    """A chat as it is had, and gone on with."""

    def have(**how: Any) -> ChatResult:
        return opener.initiate_chat(recipient, message=message, silent=True, **options, **how)

    return have


def nested(evidence: Evidence) -> Have:
    """An agent that has two chats of its own before it replies; the second one's message is a function's."""
    writer, critic, checker = (assistant(evidence, name) for name in ("writer", "critic", "checker"))

    def about(recipient: Any, messages: Sequence[Mapping[str, Any]], sender: Any, config: Any) -> str:
        said = label("about", messages[-1]["content"])
        evidence.call(said)
        return said

    chats = [
        {"recipient": critic, "max_turns": 2, "summary_method": "last_msg"},
        {"recipient": checker, "message": about, "max_turns": 1, "summary_method": "reflection_with_llm"},
    ]
    writer.register_nested_chats(chats, trigger=lambda sender: sender.name == "user")
    return chatting(asker(), writer, "Write.", max_turns=2)


def _consult(evidence: Evidence, question: str) -> tuple[ConversableAgent, ConversableAgent, dict[str, Any]]:
    return asker("clerk"), assistant(evidence, "expert"), {"message": question, "max_turns": 2, "silent": True}


def sync_tool(evidence: Evidence) -> Have:
    """A model calls a plain tool that has a chat, twice at the same time; the tool goes on with something of its own afterwards."""

    def consult(question: str) -> str:
        """Ask an expert."""
        clerk, expert, options = _consult(evidence, question)
        said = clerk.initiate_chat(expert, **options).summary
        evidence.call(f"plain {question}")
        return f"{said} {label('consult', question)}"

    calls = [("consult", '{"question": "one?"}'), ("consult", '{"question": "two?"}')]
    boss = AssistantAgent("boss", "You are boss.", model=model(evidence, "boss", calls), tools=[consult])
    return chatting(asker(), boss, "Find out.", max_turns=1)


def async_tool(evidence: Evidence) -> Have:
    """A model calls an asynchronous tool that has two chats one after another, the second about the first."""

    async def consult(question: str) -> str:
        """Ask an expert."""
        clerk, expert, options = _consult(evidence, question)
        first = await clerk.a_initiate_chat(expert, **options)
        second = await clerk.a_initiate_chat(expert, **{**options, "message": first.summary})
        evidence.call(f"plain {question}")
        return second.summary

    boss = AssistantAgent("boss", "You are boss.", model=model(evidence, "boss", [("consult", '{"question": "how?"}')]), tools=[consult])
    return chatting(asker(), boss, "Find out.", max_turns=1)


def reply_function(evidence: Evidence) -> Have:
    """A reply function of a user's own, which has a reply of another agent made, and a chat."""
    front, adviser, critic = ConversableAgent("front"), assistant(evidence, "adviser"), assistant(evidence, "critic")

    def think(recipient: Any, messages: Any = None, sender: Any = None, config: Any = None) -> tuple[bool, str]:
        advice = adviser.generate_reply([{"role": "user", "content": messages[-1]["content"]}], sender=recipient)
        chat = recipient.initiate_chat(critic, message=advice, max_turns=2, silent=True)
        evidence.call(f"plain {messages[-1]['content']}")
        return True, f"{chat.summary} {label('think', messages[-1]['content'])}"

    front.register_reply("user", think)  # not in the chat that it opens itself
    return chatting(asker(), front, "Think.", max_turns=2)


def sequential(evidence: Evidence) -> Have:
    """Chats one after another: a function's message, a reflection, a function's summary."""
    user, one, two, three = asker(), assistant(evidence, "one"), assistant(evidence, "two"), assistant(evidence, "three")

    def opening(sender: Any, recipient: Any, context: Mapping[str, Any]) -> str:
        said = label("opening", context["carryover"])
        evidence.call(said)
        return said

    def sum_up(sender: Any, recipient: Any, args: Mapping[str, Any]) -> str:
        said = label("sum-up", recipient.last_message(sender)["content"])
        evidence.call(said)
        return said

    queue = [
        {"sender": user, "recipient": one, "message": "One.", "max_turns": 2, "summary_method": "reflection_with_llm", "silent": True},
        {"sender": user, "recipient": two, "message": opening, "max_turns": 1, "summary_method": sum_up, "silent": True},
        {"sender": two, "recipient": three, "message": "Three.", "max_turns": 1, "silent": True, "carryover": "and this"},
    ]
    return lambda **how: initiate_chats(queue, **how)


def at_once(evidence: Evidence) -> Have:
    """Chats by their prerequisites: two at the same time, then one that waits for both."""
    user = asker()
    experts = [assistant(evidence, name) for name in ("one", "two", "three")]
    queue = [
        {
            "chat_id": number,
            "sender": user,
            "recipient": expert,
            "message": f"Number {number}.",
            "max_turns": 2,
            "summary_method": "reflection_with_llm",
            "prerequisites": [1, 2] if number == 3 else [],
            "silent": True,
        }
        for number, expert in enumerate(experts, 1)
    ]

    def have(**how: Any) -> list[ChatResult]:
        import asyncio

        return list(asyncio.run(a_initiate_chats(queue, **how)).values())

    return have


def asking_tool(evidence: Evidence) -> Have:
    """Tools that ask a person: by themselves, and in a chat whose other side is a person."""

    def ask(question: str, ctx: Context) -> str:
        """Ask a person."""
        return ctx.sync.ask(question)

    async def interview(subject: str) -> str:
        """Interview a person."""
        guest = UserProxyAgent("guest", human_input_mode="ALWAYS", code_execution_config=False)
        chat = await assistant(evidence, "reporter").a_initiate_chat(guest, message=subject, max_turns=2, silent=True)
        return chat.summary

    calls = [("ask", '{"question": "Why?"}'), ("interview", '{"subject": "Life."}')]
    boss = AssistantAgent("boss", "You are boss.", model=model(evidence, "boss", calls), tools=[ask, interview])
    return chatting(asker(), boss, "Find out.", max_turns=1)


def selecting(evidence: Evidence) -> Have:
    """A group whose next speaker a function chooses, which has an agent's reply made for that."""
    members, chooser = [assistant(evidence, name) for name in ("anna", "ben")], assistant(evidence, "chooser")

    def choose(last: Any, group: GroupChat) -> Any:
        said = chooser.generate_reply([{"role": "user", "content": f"after {last.name}: {len(group.messages)}"}])
        return members[len(said) % 2 if last.name == "user" else (members.index(last) + 1) % 2]

    manager = GroupChatManager(GroupChat(members, max_round=5, speaker_selection_method=choose))
    return chatting(asker(), manager, "Talk.")


def by_model(evidence: Evidence) -> Have:
    """A group whose next speaker a model chooses, with a group of its own for a member; a reflection sums it up."""

    def choose(request: ModelRequest) -> ModelReply:
        names = request.schema["properties"]["next"]["enum"] if request.schema else []
        answered = [message for message in request.messages if message.sender == "(observer)"]
        return ModelReply(names[len(request.messages) % len(names)] if answered else "somebody", (), COST)

    inner = GroupChat([assistant(evidence, name) for name in ("cleo", "dora")], max_round=3, speaker_selection_method="round_robin")
    members = [assistant(evidence, "anna"), GroupChatManager(inner, name="inner"), assistant(evidence, "ben")]
    outer = GroupChat(members, max_round=6, allow_repeat_speaker=False)
    manager = GroupChatManager(outer, model=ScriptedModel(choose, name="chooser"))
    return chatting(asker(), manager, "Talk.")


def swarm(evidence: Evidence) -> Have:
    """Agents that hand over to each other, with a variable that one of them changes."""

    def note() -> Any:
        """Make a note."""
        evidence.call("plain note")
        return SwarmResult(label("note"), context_variables={"noted": True})

    last = assistant(evidence, "last")
    middle = AssistantAgent("middle", "You are middle.", model=model(evidence, "middle", [("note", "{}")]), tools=[note])
    first = AssistantAgent("first", "You are first.", model=model(evidence, "first", [("transfer_to_middle", "{}")]))
    first.register_hand_off(OnCondition(middle, "at once"))
    middle.register_hand_off(AfterWork(last))
    return lambda **how: initiate_swarm_chat(first, "Talk.", [first, middle, last], silent=True, **how)[0]


def node(evidence: Evidence) -> Have:
    """A plain function as a node of a graph, which has a chat."""

    def research(ctx: Context) -> str:
        chat = asker("clerk").initiate_chat(
            assistant(evidence, "expert"), message=ctx.last.text if ctx.last else "", max_turns=2, silent=True
        )
        return chat.summary

    graph = ConversationGraph("node")
    graph.add_node(assistant(evidence, "planner"))
    graph.add_node(research)
    graph.add_edge("planner", "research")
    graph.add_edge("research", END)
    graph.set_start("planner")

    def have(*, run_id: str, store: Any, answers: Any = None, **how: Any) -> Any:
        if any(run.run_id == run_id for run in store.runs()):
            return graph.resume(run_id, store=store, answers=answers, **how)
        return graph.run("Plan.", run_id=run_id, store=store, **how)

    return have


def summing(evidence: Evidence) -> Have:
    """A chat whose summary a function makes, which has an agent's reply made for that."""
    expert, editor = assistant(evidence, "expert"), assistant(evidence, "editor")

    def sum_up(sender: Any, recipient: Any, args: Mapping[str, Any]) -> str:
        said = editor.generate_reply([recipient.last_message(sender)], sender=sender)
        evidence.call("plain sum-up")
        return f"{said} {label('summary', said)}"

    return chatting(asker(), expert, "Go.", max_turns=2, summary_method=sum_up)


def failing(evidence: Evidence) -> Have:
    """A tool whose first chat fails, and which has another one then."""

    def stumble(request: ModelRequest) -> ModelReply:
        said = label("stumble", [message.text for message in request.messages])
        evidence.call(said)
        raise ValueError(said)

    async def consult(question: str) -> str:
        """Ask an expert, and another one."""
        clerk, expert, options = _consult(evidence, question)
        try:
            chat = await clerk.a_initiate_chat(AssistantAgent("nobody", model=ScriptedModel(stumble, name="nobody-model")), **options)
        except NodeFailed:
            chat = await clerk.a_initiate_chat(expert, **options)
        return chat.summary

    boss = AssistantAgent("boss", "You are boss.", model=model(evidence, "boss", [("consult", '{"question": "how?"}')]), tools=[consult])
    return chatting(asker(), boss, "Find out.", max_turns=1)


def agent_tool(evidence: Evidence) -> Have:
    """A model calls two other agents as tools, at the same time; one of them has a nested chat before it replies."""
    expert, critic, second = (assistant(evidence, name) for name in ("expert", "critic", "adviser"))
    critic.register_nested_chats([{"recipient": second, "max_turns": 1}], trigger=lambda sender: sender is None)
    calls = [("expert", '{"message": "Why?"}'), ("critic", '{"message": "How?"}')]
    tools = [expert.as_tool(), critic.as_tool(description="Judges.")]
    boss = AssistantAgent("boss", "You are boss.", model=model(evidence, "boss", calls), tools=tools)
    return chatting(asker(), boss, "Find out.", max_turns=1)


CHATS: dict[str, Callable[[Evidence], Have]] = {
    chat.__name__: chat
    for chat in (
        nested,
        sync_tool,
        async_tool,
        reply_function,
        sequential,
        at_once,
        asking_tool,
        selecting,
        node,
        summing,
        failing,
        agent_tool,
    )
}
