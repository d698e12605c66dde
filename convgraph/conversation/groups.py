# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""Nodes that are several speakers at once: `Parallel` and `ForEach`. Plain descriptions; the runtime runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convgraph.errors import DefinitionError

if TYPE_CHECKING:
    from convgraph.conversation.conversation_graph import ConversationGraph
    from convgraph.runtime.nested import Closing, Opening


class Parallel:
    """Speakers that have the turn together: `graph.add_node(Parallel(legal, style), name="panel")`.

    Each member (an agent, a function, a graph) sees the conversation as it was before the turn; what they say
    is joined in the order given here. `concurrency` bounds how many run at once. Members' names must differ.
    """

    __slots__ = ("concurrency", "members")

    def __init__(self, *members: Any, concurrency: int | None = None) -> None:
        if not members:
            raise DefinitionError("Parallel() needs at least one member; without one the group could never be joined")
        self.members = members
        self.concurrency = check_concurrency(concurrency, "Parallel")


class Nested:
    """A conversation as a node, with its own way in and out: `graph.add_node(Nested(review, opening=brief), name="review")`.

    A graph that is added as it is starts from the last message, and its own last message is the reply. Here `opening(ctx)`
    says what it begins with (a message, several, or `Begins(messages, state)`; None: the node declines), and `closing(ctx,
    view)`, given a view of the inner conversation as it ended, says what the node replies. Both must depend on what they are
    given alone, and use `ctx` for the rest. `name` is the node's (the graph's own, unless it is given).
    """

    __slots__ = ("closing", "graph", "name", "opening")

    def __init__(
        self, graph: ConversationGraph, *, opening: Opening | None = None, closing: Closing | None = None, name: str | None = None
    ) -> None:
        self.graph = graph
        self.name = name or graph.name
        self.opening = opening
        self.closing = closing


class ForEach:
    """A speaker that has a turn for each item of a list: `ForEach(summarize, over="state.documents")`.

    `over` is a CEL expression that gives the list. The speaker is called once for each item, at the same time
    (at most `concurrency` at once); it finds the item at `ctx.item` and as the last message. What it says is
    joined in the order of the items.

    With `distributed`, the member is a `ConversationGraph`, and where a worker goes on with the run, each item is a run
    of its own, which any worker of that store takes; the run waits, holding no process, until all have ended. Without
    workers the items are spoken in place, as otherwise.
    """

    __slots__ = ("concurrency", "distributed", "member", "over")

    def __init__(self, member: Any, *, over: str, concurrency: int | None = None, distributed: bool = False) -> None:
        if not isinstance(over, str) or not over.strip():
            raise DefinitionError(f"ForEach(over={over!r}): over= is a CEL expression that gives a list, such as 'state.items'")
        self.member = member
        self.over = over
        self.concurrency = check_concurrency(concurrency, "ForEach")
        self.distributed = distributed
        if distributed and concurrency is not None:
            raise DefinitionError(
                "ForEach(concurrency=…, distributed=True): how many run at once is what the workers are told; leave it out"
            )


def check_concurrency(value: Any, where: str) -> int | None:
    """Raise `DefinitionError` unless `value` is None or a whole number above zero."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise DefinitionError(f"{where}(concurrency={value!r}): a whole number above zero, or None for all at once")
    return value
