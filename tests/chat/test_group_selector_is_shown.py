"""What a selecting model answers can be shown, and a client of one's own may be it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import convgraph as autogen
from convgraph import ScriptedModel


def member(name: str) -> autogen.ConversableAgent:
    return autogen.ConversableAgent(name, human_input_mode="NEVER", default_auto_reply=f"I am {name}")


class Chooser:
    """A client in AutoGen's protocol that always names the same member."""

    def __init__(self, config: dict[str, Any], **_: Any) -> None:
        self.name = config["model"]

    def create(self, params: dict[str, Any]) -> Any:
        return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content="c"))], model=self.name, usage=None)

    def message_retrieval(self, response: Any) -> list[str]:
        return [choice.message.content for choice in response.choices]

    def cost(self, response: Any) -> float:
        return 0.0

    def get_usage(self, response: Any) -> dict[str, Any]:
        return {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 0.0, "model": self.name}


@pytest.mark.parametrize("verbose", [False, True])
def test_the_selecting_models_answers_are_shown_where_asked_for(verbose: bool, capsys: pytest.CaptureFixture[str]) -> None:
    chat = autogen.GroupChat([member("a"), member("b"), member("c")], max_round=2, select_speaker_auto_verbose=verbose)
    manager = autogen.GroupChatManager(chat, model=ScriptedModel(["nobody", "c"]))
    member("user").initiate_chat(manager, message="hi")
    printed = capsys.readouterr().out
    assert ("Who is next? nobody" in printed) is verbose
    assert ("Who is next? c" in printed) is verbose
    assert "Next speaker: c" in printed


def test_a_client_of_ones_own_may_choose_the_next_speaker() -> None:
    chat = autogen.GroupChat(
        [member("a"), member("b"), member("c")],
        max_round=2,
        select_speaker_auto_llm_config={"config_list": [{"model": "mine", "model_client_cls": "Chooser"}]},
        select_speaker_auto_model_client_cls=Chooser,
    )
    result = member("user").initiate_chat(autogen.GroupChatManager(chat), message="hi", silent=True)
    assert [message.sender for message in result.messages] == ["user", "c"]
