"""What a chat keeps beside its messages: the typed state of its graph."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ChatState(BaseModel):
    """A chat's own state. It is the run's, so that it is resumed and forked with it.

    `max_turns` is how many replies the recipient may make (what a group says about its opening message is one); a chat that
    goes on from an earlier one counts its turns from `turns_before`; what follows its opening begins at message `since`.
    `summary` is what the chat amounts to. `captions` say in words what pictures show, for agents whose models cannot see.
    """

    model_config = ConfigDict(defer_build=True)  # every agent knows of chats, and most processes have none

    max_turns: int | None = None
    turns_before: int = 0
    since: int = 0
    summary: str = ""
    captions: dict[str, str] = Field(default_factory=dict[str, str])
