"""AutoGen's two ready-made agents: an assistant with the environment's model, and a stand-in that runs its code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import convgraph as autogen
from convgraph.errors import DefinitionError
from convgraph.testing import ScriptedServer


def code(text: str, language: str = "python") -> str:
    return f"Run this:\n```{language}\n{text}\n```"


def runs_code(folder: Path, **options: Any) -> autogen.UserProxyAgent:
    config = {"work_dir": str(folder), "use_docker": False, "timeout": 20, **options}
    return autogen.UserProxyAgent(
        "user",
        human_input_mode="NEVER",
        code_execution_config=config,
        is_termination_msg=lambda message: (message.get("content") or "").rstrip().endswith("TERMINATE"),
    )


def test_an_assistant_takes_its_model_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(["Four."]) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("CONVGRAPH_MODEL", "tiny")
        assistant = autogen.AssistantAgent("assistant")
        user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
        chat = user.initiate_chat(assistant, message="2 + 2?", max_turns=1, silent=True)
        asked = server.log[0].request
    assert chat.summary == "Four."
    assert asked["model"] == "tiny"
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert asked["messages"][0]["content"] == assistant.system_message
    assert asked["messages"][1]["content"] == "2 + 2?"


def test_a_config_list_names_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ScriptedServer(["Four."]) as server:
        entry = {"model": "tiny", "base_url": server.base_url, "api_key": "key", "tags": ["small"]}
        (tmp_path / "OAI_CONFIG_LIST").write_text(json.dumps([{"model": "large", "api_key": "k"}, entry]))
        config_list = autogen.config_list_from_json("OAI_CONFIG_LIST", file_location=str(tmp_path), filter_dict={"tags": ["small"]})
        assistant = autogen.AssistantAgent("assistant", llm_config={"config_list": config_list, "temperature": 0})
        assert assistant.generate_reply([{"content": "2 + 2?", "role": "user"}]) == "Four."
        assert (server.log[0].request["model"], server.log[0].request["temperature"]) == ("tiny", 0)


def test_code_is_run_and_what_fails_is_mended(tmp_path: Path) -> None:
    lines = [code("print(1/0)"), code("print(6*7)"), "It is 42. TERMINATE"]
    assistant = autogen.AssistantAgent("assistant", llm_config=False, model=autogen.ScriptedModel(lines))
    chat = runs_code(tmp_path).initiate_chat(assistant, message="6 * 7?", silent=True)
    said = [message["content"] for message in chat.chat_history if message["name"] == "user"]
    assert said[1].startswith("exitcode: 1 (execution failed)\nCode output: ")
    assert "ZeroDivisionError" in said[1]
    assert said[2] == "exitcode: 0 (execution succeeded)\nCode output: 42\n"
    assert chat.summary == "It is 42."


@pytest.mark.parametrize(
    ("last", "runs"),
    [("auto", True), (1, False), (2, True), (0, False)],
)
def test_code_is_looked_for_in_the_last_messages(last: Any, runs: bool, tmp_path: Path) -> None:
    """`auto`: in those that were heard since the agent last spoke."""
    user = runs_code(tmp_path, last_n_messages=last)
    heard = [{"content": code("print('found')"), "name": "a"}, {"content": "no code", "name": "b"}]
    final, reply = user.generate_code_execution_reply(heard)
    assert final is runs
    assert (reply is not None and "found" in str(reply)) is runs


def test_code_that_was_answered_already_is_not_run_again(tmp_path: Path) -> None:
    user = runs_code(tmp_path)
    heard = [{"content": code("print(1)"), "name": "a"}, {"content": "done", "name": "user"}, {"content": "thanks", "name": "a"}]
    assert user.generate_code_execution_reply(heard) == (False, None)


def test_the_newest_message_with_code_is_the_one(tmp_path: Path) -> None:
    user = runs_code(tmp_path, last_n_messages=3)
    heard = [{"content": code("print('old')"), "name": "a"}, {"content": code("print('new')"), "name": "a"}]
    assert "new" in str(user.generate_code_execution_reply(heard)[1])


def test_an_agent_may_be_told_to_run_no_code() -> None:
    user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    assert user.generate_code_execution_reply([{"content": code("print(1)")}]) == (False, None)


def test_a_code_config_that_makes_no_sense_is_refused_when_the_agent_is_made() -> None:
    with pytest.raises(DefinitionError, match="code_execution_config"):
        autogen.ConversableAgent("a", code_execution_config="yes")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="last_n_messages"):
        autogen.ConversableAgent("a", code_execution_config={"last_n_messages": -1, "use_docker": False})


def test_a_user_proxy_asks_its_person_before_it_runs_code(tmp_path: Path) -> None:
    assistant = autogen.AssistantAgent("assistant", llm_config=False, model=autogen.ScriptedModel([code("print('ran')"), "ok TERMINATE"]))
    asked: list[str] = []
    answers = iter(["", "exit"])
    user = autogen.UserProxyAgent("user", code_execution_config={"work_dir": str(tmp_path), "use_docker": False})
    chat = user.initiate_chat(assistant, message="go", silent=True, human=lambda question: asked.append(question.to) or next(answers))
    assert "ran" in chat.chat_history[2]["content"]
    assert asked == ["user", "user"]


def test_a_model_config_and_a_model_are_not_given_together() -> None:
    with pytest.raises(DefinitionError, match="not both"):
        autogen.AssistantAgent("a", llm_config={"config_list": [{"model": "m"}]}, model=autogen.ScriptedModel([]))
