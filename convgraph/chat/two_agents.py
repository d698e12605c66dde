"""Two agents in turn: an edge each way, and one to the end for each way in which the chat may end."""

from __future__ import annotations

from convgraph.chat.seat import Replier, Seat
from convgraph.chat.state import ChatState
from convgraph.chat.summary import Summary
from convgraph.conversation import ConversationGraph
from convgraph.errors import DefinitionError
from convgraph.graph.definition import END

MAX_TURNS = "max_turns"


def two_agents(initiator: Replier, recipient: Replier, summary: Summary | None = None) -> ConversationGraph:
    """The graph of a chat between two agents: the initiator has said something, and the recipient has the turn.

    It ends when one of the two says nothing, or when the recipient has replied `max_turns` times (of the `ChatState`).
    Raises `DefinitionError` where the two have one name.
    """
    if initiator.name == recipient.name:
        raise DefinitionError(f"{initiator.name!r} cannot chat with itself: the two agents of a chat have different names")
    graph = ConversationGraph(chat_name(initiator.name, recipient.name), state=ChatState)
    graph.add_node(Seat(recipient, initiator))
    graph.add_node(Seat(initiator, recipient))
    end = summed_up(graph, summary)
    for agent in (recipient, initiator):
        graph.add_edge(agent.name, end, when="declined", label="no reply")
    graph.add_edge(
        recipient.name,
        end,
        when=f"state.max_turns != null && visits['{recipient.name}'] - state.turns_before >= state.max_turns",
        label=MAX_TURNS,
    )
    graph.add_edge(recipient.name, initiator.name)
    graph.add_edge(initiator.name, recipient.name)
    graph.set_start(recipient.name)
    return graph


def summed_up(graph: ConversationGraph, summary: Summary | None) -> str:
    """Where the edges lead that end the chat: to the end, or to the node that sums the chat up first."""
    if summary is None or not summary.is_a_turn:
        return END
    name = next(name for name in ("summary", "chat_summary", "summary_of_chat") if name not in graph.definition.nodes)
    graph.add_node(summary.make, name=name, description="sums the chat up")
    graph.add_edge(name, END)
    return name


def chat_name(one: str, other: str) -> str:
    """A name for the graph of a chat between these two."""
    return f"{one[:31]}-{other[:32]}"
