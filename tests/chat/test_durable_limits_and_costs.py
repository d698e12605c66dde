"""A run's limits hold inside the chats that its turns open, and what all of it has cost is counted once, to the token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convgraph import AssistantAgent, ChatResult, Limits, OpenAIChatModel, UserProxyAgent, open_store
from convgraph.journal.events import EffectFinished
from convgraph.journal.store import Store
from convgraph.messages import NO_USAGE, Usage
from convgraph.testing import Answer, ScriptedServer
from tests.failures.chats import CHATS, answers_of
from tests.failures.evidence import Evidence

MODELS = "writer critic checker boss expert adviser one two three reporter anna ben chooser editor planner".split()
LIMITS = {"turns": Limits(turns=3), "tokens": Limits(tokens=25), "usd": Limits(usd=0.025)}


def spent(store: Store) -> Usage:
    """What the journal says that model calls have cost, each once."""
    events = [recorded.event for recorded in store.events("RUN")]
    return sum((event.usage for event in events if isinstance(event, EffectFinished)), NO_USAGE)


def outcomes(result: Any) -> list[Any]:
    return result if isinstance(result, list) else [result]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("chat", ["nested", "sync_tool", "async_tool", "reply_function", "sequential", "at_once", "selecting", "summing"])
def test_a_limit_holds_inside_and_the_chat_goes_on_with_more(chat: str, limit: str, tmp_path: Path) -> None:
    """It stops the run where it is reached, at any depth; with room again, the chat ends as if there had been no limit."""
    evidence, other = Evidence(tmp_path / "log"), Evidence(tmp_path / "other")
    with open_store(":memory:") as unlimited, open_store(":memory:") as store:
        whole = CHATS[chat](other)(store=unlimited, run_id="RUN", human=answers_of(other))
        have = CHATS[chat](evidence)
        stopped = have(store=store, run_id="RUN", human="park", limits=LIMITS[limit])
        info = store.runs()[0]
        reached = spent(store)
        if info.status == "finished":  # the last call went beyond it, when nothing more was to be done
            assert (limit, chat) == ("tokens", "summing")
            return
        assert info.status == "limited"
        assert limit in info.reason
        assert reached.tokens <= (25 + 10 * (2 if chat in ("sync_tool", "at_once") else 1) if limit == "tokens" else 60)
        assert outcomes(stopped)[-1].status == "limited"

        rest = outcomes(have(store=store, run_id="RUN", human="park", limits=Limits(turns=90, tokens=9_000, usd=9.0)))
        assert [one.messages for one in rest] == [one.messages for one in outcomes(whole)]
        assert spent(store) == spent(unlimited)
        assert evidence.counted() == other.counted()


@pytest.mark.parametrize("chat", CHATS)
def test_what_is_spent_inside_is_counted_once(chat: str, tmp_path: Path) -> None:
    """The run's usage is the sum of its model calls, wherever they were made."""
    evidence = Evidence(tmp_path / "log")
    with open_store(":memory:") as store:
        result = CHATS[chat](evidence)(store=store, run_id="RUN", human=answers_of(evidence))
        found = sum((one.usage for one in outcomes(result)), NO_USAGE)
        calls = sum(1 for call in evidence.calls() if any(f"[{name} " in call for name in MODELS))
        assert found.calls == calls
        assert (found.tokens, round(found.usd, 9)) == (10 * calls, round(0.01 * calls, 9))
        assert found._replace(usd=0) == spent(store)._replace(usd=0)


def test_the_cost_is_what_the_endpoint_has_counted() -> None:
    """A tool that has a chat, a reflection on it, and the chat around it: to the token, and the same after a resume."""
    script = [
        Answer("", tool_calls=[{"name": "consult", "arguments": {"question": "why?"}}]),
        "because",
        "it said because",
        "so it is",
    ]
    with ScriptedServer(script) as server, open_store(":memory:") as store:
        result = have(server, store)
        assert len(server.log) == 4
        assert result.usage.calls == server.usage.calls == 4
        assert result.usage.input_tokens == sum(exchange.input_tokens for exchange in server.log)
        assert result.usage.output_tokens == sum(exchange.output_tokens for exchange in server.log)
        [of_the_model] = [entry for name, entry in result.cost["usage_including_cached_inference"].items() if name != "total_cost"]
        assert of_the_model["total_tokens"] == result.usage.tokens == server.usage.tokens
        again = have(server, store)
        assert (again.usage, again.cost, len(server.log)) == (result.usage, result.cost, 4)


def have(server: ScriptedServer, store: Store) -> ChatResult:
    def agent(name: str, **options: Any) -> AssistantAgent:
        return AssistantAgent(name, model=OpenAIChatModel("scripted", base_url=server.base_url, api_key="none"), **options)

    async def consult(question: str) -> str:
        """Ask an expert."""
        clerk = UserProxyAgent("clerk", human_input_mode="NEVER", code_execution_config=False)
        chat = await clerk.a_initiate_chat(
            agent("expert"), message=question, max_turns=1, summary_method="reflection_with_llm", silent=True
        )
        return chat.summary

    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    boss = agent("boss", tools=[consult])
    return user.initiate_chat(boss, message="Find out.", max_turns=1, store=store, run_id="RUN", silent=True)
