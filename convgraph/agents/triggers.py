"""Triggers: for which senders a reply function is there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, Union, cast

from convgraph.agents.agent import Agent
from convgraph.errors import DefinitionError

Trigger: TypeAlias = Union[type[Any], str, Agent, Callable[[Any], bool], "Sequence[Trigger]", None]
"""A class of agents, an agent's name, an agent, a function of the sender, a list of these, or None: no sender at all."""


ANYONE: Trigger = (Agent, None)
"""Any sender, or none."""


def matches(trigger: Trigger, sender: Agent | None) -> bool:
    """Whether `sender` sets the trigger off. Raises `DefinitionError` where a function answers neither True nor False."""
    if trigger is None:
        return sender is None
    if isinstance(trigger, str):
        return sender is not None and sender.name == trigger
    if inspect.isclass(trigger):
        return isinstance(sender, trigger)
    if isinstance(trigger, Agent):
        return trigger is sender
    if callable(trigger):
        answer: Any = trigger(sender)
        if isinstance(answer, bool):
            return answer
        raise DefinitionError(f"the trigger {trigger!r:.100} is to say True or False of a sender, not {answer!r:.100}")
    return any(matches(one, sender) for one in cast("Sequence[Trigger]", trigger))


def check_trigger(trigger: Any, where: str) -> Trigger:
    """The trigger. Raises `DefinitionError` for what cannot be one."""
    if trigger is None or isinstance(trigger, str | Agent) or callable(trigger):
        return cast("Trigger", trigger)
    if isinstance(trigger, list | tuple):
        return [check_trigger(one, where) for one in cast("Sequence[Any]", trigger)]
    raise DefinitionError(
        f"{where}: a trigger is a class of agents, a name, an agent, a function of the sender, or a list of these; not {trigger!r:.100}"
    )
