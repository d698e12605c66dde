"""AutoGen 0.4 and later (autogen-agentchat): a round-robin team, and a team whose speaker a model selects."""

# pyright: reportMissingImports=false
from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_core import CancellationToken
from autogen_core.models import ChatCompletionClient, CreateResult, ModelFamily, ModelInfo, RequestUsage

from benchmarks.measure import AGENTS, CONVERSATION, LATENCY, MEMBERS, Task, Workload, must, payload

NOTHING = RequestUsage(prompt_tokens=0, completion_tokens=0)


class Speaker(BaseChatAgent):
    """Says its payload."""

    def __init__(self, task: Task, name: str, latency: float = 0.0) -> None:
        super().__init__(name, description=f"{name} talks")
        self._clock, self._latency, self._heard = task, latency, 0

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        if self._latency:
            await asyncio.sleep(self._latency)
        self._clock.tick()
        self._heard += len(messages) + 1
        return Response(chat_message=TextMessage(content=payload(self._heard), source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self._heard = 0


def _team(task: Task, turns: int, latency: float = 0.0) -> RoundRobinGroupChat:
    speakers: list[Any] = [Speaker(task, name, latency) for name in AGENTS]
    return RoundRobinGroupChat(speakers, termination_condition=MaxMessageTermination(turns + 1))  # the task is a message too


def _said(result: Any) -> int:
    return len(result.messages) - 1


async def b1(task: Task) -> None:
    """Two agents take turns."""
    must(_said(await task.timed(_team(task, task.n).run(task="go"))) == task.n, "turns")


async def _save(team: RoundRobinGroupChat, path: Path) -> None:
    state = json.dumps(await team.save_state())
    with path.open("w") as file:
        file.write(state)
        file.flush()
        os.fsync(file.fileno())


async def b2(task: Task) -> None:
    """The same; the team's state, which is what can be loaded again, is written after each message."""
    team, path = _team(task, task.n), task.folder / "team.json"

    async def converse() -> int:
        said = 0
        async for event in team.run_stream(task="go"):
            if isinstance(event, TextMessage) and event.source != "user":
                said += 1
                await _save(team, path)
        return said

    must(await task.timed(converse()) == task.n, "turns")


async def b4_prepare(task: Task) -> None:
    """Leave a conversation of n messages behind."""
    team = _team(task, task.n)
    must(_said(await task.timed(team.run(task="go"))) == task.n, "turns")
    await _save(team, task.folder / "team.json")


async def b4(task: Task) -> None:
    """Load it in a new process, let one agent speak, and write it again."""

    async def resume() -> int:
        path = task.folder / "team.json"
        team = RoundRobinGroupChat([Speaker(task, name) for name in AGENTS], max_turns=1)
        await team.load_state(json.loads(path.read_text()))
        result = await team.run()
        await _save(team, path)
        return len(result.messages)

    must(await task.timed(resume()) == 1, "one step more")


async def b5(task: Task) -> None:
    """n conversations at once, nothing stored."""
    teams = [_team(task, CONVERSATION, LATENCY) for _ in range(task.n)]

    async def everyone() -> list[Any]:
        return await asyncio.gather(*(team.run(task="go") for team in teams))

    must(all(_said(result) == CONVERSATION for result in await task.timed(everyone())), "turns")


class Chooser(ChatCompletionClient):
    """A model that answers at once with the member whose turn it is."""

    def __init__(self) -> None:
        self._asked = 0

    async def create(self, messages: Any, **_: Any) -> CreateResult:
        self._asked += 1
        return CreateResult(finish_reason="stop", content=MEMBERS[self._asked % len(MEMBERS)], usage=NOTHING, cached=False)

    def create_stream(self, messages: Any, **_: Any) -> Any:
        raise NotImplementedError("the benchmark does not stream")

    async def close(self) -> None:
        """Nothing is open."""

    def actual_usage(self) -> RequestUsage:
        return NOTHING

    def total_usage(self) -> RequestUsage:
        return NOTHING

    def count_tokens(self, messages: Any, **_: Any) -> int:
        return 0

    def remaining_tokens(self, messages: Any, **_: Any) -> int:
        return 1_000_000

    @property
    def capabilities(self) -> Any:
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(vision=False, function_calling=False, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False)


async def b7(task: Task) -> None:
    """Six members; a model that answers at once names the next speaker."""
    members: list[Any] = [Speaker(task, name) for name in MEMBERS]
    team = SelectorGroupChat(members, model_client=Chooser(), termination_condition=MaxMessageTermination(task.n + 1))
    must(_said(await task.timed(team.run(task="go"))) == task.n, "rounds")


WORKLOADS: dict[str, Workload] = {"b1": b1, "b2": b2, "b4_prepare": b4_prepare, "b4": b4, "b5": b5, "b7": b7}
