"""What agents have cost, asked of the agents: read from the runs that they refer to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import DefinitionError, ModelConfigError

ASKED = autogen.Usage(calls=1, input_tokens=10, output_tokens=5, usd=0.25)


def thinking(name: str, model: str, **options: Any) -> autogen.ConversableAgent:
    scripted = autogen.ScriptedModel([f"{name} says"], name=model, usage=ASKED, repeat=True)
    return autogen.ConversableAgent(name, human_input_mode="NEVER", model=scripted, **options)


def document(model: str, calls: int) -> dict[str, Any]:
    amounts = {"cost": 0.25 * calls, "prompt_tokens": 10 * calls, "completion_tokens": 5 * calls, "total_tokens": 15 * calls}
    return {"total_cost": 0.25 * calls, model: amounts}


@pytest.mark.parametrize("store", [None, "runs.db"])
def test_an_agents_usage_is_that_of_its_latest_runs(store: str | None, tmp_path: Path) -> None:
    """It is there as well when the store was opened for the chat only, and is closed by now."""
    one, other = thinking("one", "small"), thinking("other", "big")
    assert one.get_actual_usage() == {"total_cost": 0.0}
    one.initiate_chat(other, message="hi", max_turns=2, silent=True, store=store and tmp_path / store)
    assert one.get_actual_usage() == one.get_total_usage() == document("small", 1)
    assert other.get_actual_usage() == document("big", 2)


def test_a_run_counts_once_for_all_who_took_part() -> None:
    one, other = thinking("one", "same"), thinking("other", "same")
    chat = one.initiate_chat(other, message="hi", max_turns=2, silent=True)
    gathered = autogen.gather_usage_summary([one, other])
    assert gathered == {"usage_including_cached_inference": document("same", 3), "usage_excluding_cached_inference": document("same", 3)}
    assert gathered == chat.cost


def test_what_a_cache_saves_is_told_apart(tmp_path: Path) -> None:
    cache = autogen.Cache.disk(cache_path_root=str(tmp_path))
    asks, knows = autogen.ConversableAgent("asks", human_input_mode="NEVER"), thinking("knows", "big")
    for _ in range(2):
        asks.initiate_chat(knows, message="hi", max_turns=1, silent=True, cache=cache)
    assert (knows.get_actual_usage() or {})["total_cost"] == 0.0
    assert knows.get_total_usage() == document("big", 1)


def test_an_agent_without_a_model_has_no_usage(capsys: pytest.CaptureFixture[str]) -> None:
    agent = autogen.ConversableAgent("agent", llm_config=False)
    assert (agent.get_actual_usage(), agent.get_total_usage()) == (None, None)
    agent.print_usage_summary()
    assert capsys.readouterr().out == "Agent 'agent': No model was asked.\n"


def test_usage_is_printed_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = thinking("one", "small"), thinking("other", "big")
    one.initiate_chat(other, message="hi", max_turns=1, silent=True)
    other.print_usage_summary(mode="actual")
    assert "big: $0.2500, 1 call, 10 input tokens, 5 output tokens" in capsys.readouterr().out


def test_nested_chats_are_found_in_the_run_around_them() -> None:
    asks, writes, judges = (
        autogen.ConversableAgent("asks", human_input_mode="NEVER"),
        thinking("writes", "big"),
        thinking("judges", "small"),
    )
    writes.register_nested_chats([{"recipient": judges, "max_turns": 1, "summary_method": "last_msg"}], trigger=asks)
    chat = asks.initiate_chat(writes, message="hi", max_turns=1, silent=True)
    assert chat.summary == "judges says"
    assert autogen.gather_usage_summary([asks, writes, judges])["usage_excluding_cached_inference"] == document("small", 1)


class Client:
    """A client of a user's own."""

    def __init__(self, config: dict[str, Any], prefix: str = "") -> None:
        self.prefix = prefix + config["model"]

    def create(self, params: dict[str, Any]) -> Any:
        return f"{self.prefix} heard {params['messages'][-1]['content']}"

    def message_retrieval(self, response: Any) -> list[str]:
        return [response]

    def cost(self, response: Any) -> float:
        return 1.5

    def get_usage(self, response: Any) -> dict[str, Any]:
        return {"prompt_tokens": 3, "completion_tokens": 4, "model": "mine"}


def test_a_client_of_ones_own_is_registered_on_the_agent() -> None:
    config = {"config_list": [{"model": "mine", "model_client_cls": "Client"}]}
    agent = autogen.ConversableAgent("agent", llm_config=config, human_input_mode="NEVER")
    with pytest.raises(Exception, match=r"register_model_client\(Client\) on 'agent'"):
        agent.generate_reply([{"content": "hi"}])
    agent.register_model_client(Client, prefix="my ")
    assert agent.generate_reply([{"content": "hi"}]) == "my mine heard hi"
    with pytest.raises(ModelConfigError, match="waits for the client class"):
        agent.register_model_client(Client)
    with pytest.raises(DefinitionError, match="has no model"):
        autogen.ConversableAgent("other", llm_config=False).register_model_client(Client)
