"""A run that holds chats is replayed without a call, forked at every step, explained, and refused where its chats have changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from convgraph import AssistantAgent, ChatResult, ConversationGraph, ScriptedModel, UserProxyAgent, open_store
from convgraph.errors import ReplayDivergence
from convgraph.journal.store import Store
from tests.failures.chats import CHATS, answers_of
from tests.failures.evidence import Evidence


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[ConversationGraph]:
    """The graphs that chats have made and run: what a user has who keeps `agent.chat_graph(…)`."""
    seen: list[ConversationGraph] = []
    run = ConversationGraph.arun

    async def noted(self: ConversationGraph, *args: Any, **options: Any) -> Any:
        seen.append(self)
        return await run(self, *args, **options)

    monkeypatch.setattr(ConversationGraph, "arun", noted)
    return seen


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store(":memory:") as opened:
        yield opened


@pytest.mark.parametrize("chat", CHATS)
def test_a_replay_makes_no_call_and_is_the_same(chat: str, graphs: list[ConversationGraph], store: Store, tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / "log")
    CHATS[chat](evidence)(store=store, run_id="RUN", human=answers_of(evidence))
    calls, events = evidence.calls(), store.events("RUN")
    replayed = graphs[0].replay("RUN", store=store)

    assert replayed.status == "finished"
    assert [message.text for message in replayed.messages] == [message.text for message in graphs[0].resume("RUN", store=store).messages]
    assert (evidence.calls(), store.events("RUN")) == (calls, events)


@pytest.mark.parametrize("edit", [{}, {"message": "edited"}], ids=["as it was", "edited"])
@pytest.mark.parametrize("chat", CHATS)
def test_a_fork_at_every_step_ends_and_replays(
    chat: str, edit: dict[str, Any], graphs: list[ConversationGraph], store: Store, tmp_path: Path
) -> None:
    """What was done inside the steps that it shares is not done again."""
    evidence = Evidence(tmp_path / "log")
    CHATS[chat](evidence)(store=store, run_id="RUN", human=answers_of(evidence))
    graph, calls = graphs[0], evidence.counted()
    for step in range(1, graph.replay("RUN", store=store).steps + 1):
        fork = graph.fork("RUN", store=store, at=step, **edit)
        resumed = graph.resume(fork, store=store, human=answers_of(evidence))
        assert resumed.status == "finished"
        assert graph.replay(fork, store=store).messages == resumed.messages
        assert f"step {step}" in str(graph.explain("RUN", store=store, step=step))
        if not edit:
            assert set(evidence.counted()) == set(calls)
        assert evidence.counted()[evidence.calls()[0]] == 1, "what comes before the first step's end was done once"


def consulting(prompt: str = "Answer.", *, twice: bool = False) -> tuple[ConversationGraph, UserProxyAgent, AssistantAgent]:
    """A chat with an agent that has a chat of its own first. `prompt` opens that one."""
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    boss = AssistantAgent("boss", model=ScriptedModel(["mine"]))
    expert = AssistantAgent("expert", model=ScriptedModel(["known", "well known"]))
    queue: list[dict[str, Any]] = [{"recipient": expert, "message": prompt, "max_turns": 1}]
    boss.register_nested_chats(queue * 2 if twice else queue, trigger="user")
    return boss.chat_graph(user), user, boss


def had(store: Store) -> ChatResult:
    _, user, boss = consulting()
    return user.initiate_chat(boss, message="hi", max_turns=1, store=store, run_id="RUN", silent=True)


@pytest.mark.parametrize(
    ("changed", "place"),
    [({"prompt": "Answer at once."}, "1/@conversation:boss-nested.0/1"), ({"twice": True}, "1")],
    ids=["another prompt", "another queue"],
)
def test_a_changed_nested_chat_diverges_and_the_place_is_named(store: Store, changed: dict[str, Any], place: str) -> None:
    had(store)
    consulting()[0].replay("RUN", store=store)
    with pytest.raises(ReplayDivergence) as divergence:
        consulting(**changed)[0].replay("RUN", store=store)
    assert f"turn {place}" in str(divergence.value)
    assert "twice" not in changed or '+      "name": "chat_2"' in divergence.value.diff


def test_a_changed_function_inside_a_tool_is_not_looked_into(store: Store) -> None:
    """A finished tool is read back as a whole: what its code does now is not asked for, as no effect of the turn has changed."""

    def have(question: str, lines: Sequence[Any]) -> ConversationGraph:
        async def consult(about: str) -> str:
            """Ask."""
            clerk = UserProxyAgent("clerk", human_input_mode="NEVER", code_execution_config=False)
            chat = await clerk.a_initiate_chat(AssistantAgent("expert", model=ScriptedModel(["known"])), message=question, max_turns=1)
            return chat.summary

        from convgraph.messages import ToolCall
        from convgraph.protocols import ModelReply

        call = ModelReply("", (ToolCall("1", "consult", '{"about": "it"}'),))
        boss = AssistantAgent("boss", model=ScriptedModel([call, "done"] if lines else []), tools=[consult])
        user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
        if lines:
            user.initiate_chat(boss, message="hi", max_turns=1, store=store, run_id="RUN", silent=True)
        return boss.chat_graph(user)

    have("why?", ["run"])
    assert have("why not?", []).replay("RUN", store=store).last is not None
