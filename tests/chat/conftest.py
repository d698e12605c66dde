"""Members of group chats who say who they are, and models that choose as they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest

import convgraph as autogen
from convgraph.messages import Usage
from convgraph.protocols import ModelReply, ModelRequest

Member: TypeAlias = autogen.ConversableAgent
Talk: TypeAlias = Callable[..., autogen.ChatResult]
COST = Usage(calls=1, input_tokens=5, output_tokens=2, usd=0.5)


@pytest.fixture
def members() -> list[Member]:
    """Anna, Ben and Cleo, who always say the same."""
    return [speaker(name) for name in ("anna", "ben", "cleo")]


def speaker(name: str, **options: Any) -> Member:
    """A member that says its name."""
    return autogen.ConversableAgent(
        name, human_input_mode="NEVER", default_auto_reply=f"I am {name}.", description=f"says {name}", **options
    )


def modelled(name: str, *lines: Any, **options: Any) -> Member:
    """A member whose model says these lines, and the last one for ever."""
    model = autogen.ScriptedModel([*lines] or [f"I am {name}."], name=f"{name}-model", usage=COST, repeat=True)
    return autogen.ConversableAgent(name, human_input_mode="NEVER", model=model, **options)


class Chooser:
    """A selecting model that gives these answers in turn, and remembers what it was asked."""

    def __init__(self, *answers: str) -> None:
        self.requests: list[ModelRequest] = []
        self._answers = list(answers)
        self.model = autogen.ScriptedModel(self._answer, name="chooser")

    def _answer(self, request: ModelRequest) -> ModelReply:
        self.requests.append(request)
        place = min(len(self.requests), len(self._answers)) - 1
        return ModelReply(self._answers[place], (), COST)


def group(agents: Sequence[Any], model: Any = None, **options: Any) -> autogen.GroupChatManager:
    """The manager of a group chat with these options; `is_termination_msg` is the manager's own."""
    ends = options.pop("is_termination_msg", None)
    return autogen.GroupChatManager(autogen.GroupChat(agents, **options), model=model, is_termination_msg=ends)


def talk(opener: Any, manager: autogen.GroupChatManager, message: Any = "Hello.", **options: Any) -> autogen.ChatResult:
    """Have the chat, quietly."""
    return opener.initiate_chat(manager, message=message, **{"silent": True, "human": "park", **options})


def speakers(result: autogen.ChatResult) -> list[str]:
    """Who has said something, in order."""
    return [message.sender for message in result.messages]
