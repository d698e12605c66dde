"""AutoGen's GroupChatManager: whom the members of a group reply to, and whose model chooses the next speaker."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convgraph.agents.agent import Agent
from convgraph.agents.conversable import ConversableAgent
from convgraph.agents.group_chat import GroupChat
from convgraph.agents.latest import LatestChat
from convgraph.agents.llm_config import LlmConfig
from convgraph.agents.message_mappings import MessageMapping, from_mappings, to_mappings
from convgraph.chat.summary import Summary
from convgraph.conversation import ConversationGraph
from convgraph.errors import DefinitionError, InputError, NodeFailed
from convgraph.graph.guards import GuardView
from convgraph.messages import Message, ReplyLike
from convgraph.protocols import Model
from convgraph.runtime.context import Context


class GroupChatManager(ConversableAgent):
    """The manager of a group chat. `initiate_chat(manager, message=…)` has the group talk; the graph is `groupchat.to_graph()`.

    Its model (`llm_config`, `model`) chooses the next speaker where the method is `auto`; `is_termination_msg` says which
    message ends the chat. It says nothing itself. As a member of another group, or as a node, it is its group's conversation.
    """

    is_manager = True
    default_human_input_mode = "NEVER"

    def __init__(
        self,
        groupchat: GroupChat,
        name: str = "chat_manager",
        max_consecutive_auto_reply: int | None = sys.maxsize,
        human_input_mode: str = "NEVER",
        system_message: str = "Group chat manager.",
        silent: bool = False,
        *,
        llm_config: LlmConfig = None,
        model: Model | None = None,
        is_termination_msg: Callable[[dict[str, Any]], Any] | None = None,
        description: str | None = None,
    ) -> None:
        if isinstance(llm_config, Mapping) and (llm_config.get("tools") or llm_config.get("functions")):
            raise DefinitionError(f"manager {name!r}: a manager calls no tools; give them to the members")
        super().__init__(
            name,
            system_message,
            is_termination_msg,
            max_consecutive_auto_reply,
            "NEVER" if human_input_mode == "NEVER" else "TERMINATE",
            llm_config=llm_config,
            model=model,
            description=description,
            silent=silent,
        )
        self._groupchat = groupchat

    @property
    def tells_choices(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]  # a manager's group says so
        """Whether what a selecting model answers is shown on the console."""
        return bool(self._groupchat.select_speaker_auto_verbose)

    @property
    def looks_at_pictures(self) -> bool:
        """Whether a member looks at pictures, or is told what they show."""
        return any(getattr(agent, "looks_at_pictures", False) for agent in self._groupchat.agents)

    @property
    def groupchat(self) -> GroupChat:
        """The group chat."""
        return self._groupchat

    def chat_graph(self, initiator: ConversableAgent, summary: Summary | None = None) -> ConversationGraph:
        """The group chat's graph, opened by `initiator`."""
        return self._groupchat.to_graph(initiator, self, summary)

    def termination_guard(self) -> str | Callable[[GuardView], bool]:
        """What ends the chat, as a guard over its last message."""
        return "last.content == 'TERMINATE'" if self._is_termination_msg is None else _Terminates(self, self._is_termination_msg)

    @property
    def messages(self) -> list[MessageMapping]:
        """The messages of the group: see `GroupChat.messages`."""
        return self._groupchat.messages

    def chat_messages_for_summary(self, agent: Agent) -> list[MessageMapping]:  # noqa: ARG002  # the group has one conversation
        """The messages that a summary of the chat is made of."""
        return self._groupchat.messages

    def chat_before(self, initiator: ConversableAgent, *, clear_history: bool) -> LatestChat | None:
        """What a chat that `initiator` opens goes on from: the latest one, or what the group was given; and the introductions."""
        group = self._groupchat
        given = () if clear_history or group.latest is not None else group.given
        latest = super().chat_before(initiator, clear_history=clear_history)
        if latest is not None and not given:
            return latest
        told = (*given, *group.introductions(self.name))
        return LatestChat(self, told) if told else None

    def chat_had(self, latest: LatestChat) -> None:
        """Refer to a chat that was opened with this manager as the group's latest."""
        self._groupchat.latest = latest

    def reset(self) -> None:
        """Forget the latest chats, the group's as well."""
        super().reset()
        self._groupchat.reset()

    async def reply(self, ctx: Context, hears: Agent | None, **_: Any) -> ReplyLike:  # noqa: ARG002  # the group hears the conversation
        """Have the group talk about the conversation, in one of its own inside this turn. Its last message is the reply."""
        if ctx.last is None:
            return None
        told = [*self._groupchat.introductions(self.name), *ctx.messages]
        state = await ctx.converse(self._groupchat.to_graph(manager=self).program(), told)
        if state.status != "finished":
            raise NodeFailed(f"the group chat of {self.name!r} ended {state.status}: {state.reason}")
        said = state.history[-1]
        return Message(self.name, said.content) if len(state.history) > len(told) else None

    def resume(
        self,
        messages: str | Sequence[Any],
        remove_termination_string: str | Callable[[str], str] | None = None,
        silent: bool | None = False,  # noqa: ARG002  # nothing is printed
    ) -> tuple[ConversableAgent, MessageMapping]:
        """Take up a group chat from its messages (mappings, or their JSON), as AutoGen does. Returns the last speaker and message.

        `last_speaker.initiate_chat(manager, message=last_message, clear_history=False)` goes on. A chat that was had with a
        `store=` needs none of this: `initiate_chat(…, store=…, run_id=…)` goes on where it stood, with all that was counted.
        """
        given = json.loads(messages) if isinstance(messages, str) else list(messages)
        if not given:
            raise InputError(f"manager {self.name!r}: there are no messages to resume from")
        said = from_mappings(given, self.name, self.name)
        known = {*self._groupchat.agent_names, self._groupchat.admin_name, self.name}
        strangers = sorted({message.sender for message in said} - known)
        if strangers:
            raise InputError(
                f"manager {self.name!r}: messages are by {', '.join(strangers)}, who are not in the group ({', '.join(sorted(known))})"
            )
        if remove_termination_string is not None:
            said[-1] = _cleaned(said[-1], remove_termination_string)
        last = said[-1]
        member = self._groupchat.agent_by_name(last.sender)
        speaker = member if isinstance(member, ConversableAgent) else self
        for agent in (self, *self._groupchat.agents):
            if isinstance(agent, ConversableAgent) and agent is not self:
                agent.remember(LatestChat(self, tuple(said[:-1])))
        taken_up = LatestChat(speaker, tuple(said[:-1]))
        self.remember(taken_up)
        self.chat_had(taken_up)
        return speaker, to_mappings([last], "")[0]

    async def a_resume(
        self,
        messages: str | Sequence[Any],
        remove_termination_string: str | Callable[[str], str] | None = None,
        silent: bool | None = False,
    ) -> tuple[ConversableAgent, MessageMapping]:
        """See `resume`."""
        return self.resume(messages, remove_termination_string, silent)

    def messages_to_string(self, messages: Sequence[MessageMapping]) -> str:
        """The messages as JSON, which `resume` reads."""
        return json.dumps(list(messages))

    def messages_from_string(self, message_string: str) -> list[MessageMapping]:
        """The messages that `messages_to_string` wrote."""
        return json.loads(message_string)


class _Terminates:
    """A user's `is_termination_msg` as a guard: drawn by the function's name, and the same guard wherever it stands in a chat."""

    def __init__(self, manager: GroupChatManager, function: Callable[..., Any]) -> None:
        self._manager = manager
        self._function = function
        name = getattr(function, "__qualname__", "is_termination_msg")
        self.__qualname__ = "is_termination_msg" if "<lambda>" in name else name

    def __call__(self, view: GuardView) -> bool:
        return view.last is not None and self._manager.is_termination(view.last)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Terminates) and (self._manager, self._function) == (other._manager, other._function)

    def __hash__(self) -> int:
        return hash((self._manager, self._function))


def _cleaned(message: Message, remove: str | Callable[[str], str]) -> Message:
    text = remove(message.text) if callable(remove) else message.text.replace(remove, "").strip()
    return Message(message.sender, text, message.role, message.name)
