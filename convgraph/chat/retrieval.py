"""Answering from documents: one looks things up, one answers, and who answers may ask for more, a bounded number of times."""

from __future__ import annotations

import re
from typing import Any

from convgraph.conversation import ConversationGraph
from convgraph.errors import DefinitionError
from convgraph.graph.definition import END

UPDATE_CONTEXT = "UPDATE CONTEXT"
"""What an answer says that asks for more; what is missing may stand behind it."""

_ASKS = r"(?im)^[ *_#]*UPDATE CONTEXT"
ASKS_FOR_MORE = f"last.content.matches(r'{_ASKS}')"
"""The same as a guard: a line of the answer begins with it. A line that is quoted (`> …`) asks for nothing."""

LOOKS = 5
"""How often things are looked up for one question, unless it is said otherwise."""


def asks_for_more(text: str) -> bool:
    """Whether an answer asks for more."""
    return re.search(_ASKS, text) is not None


def what_is_missing(text: str) -> str:
    """What an answer that asks for more says that it lacks; empty where it does not say."""
    asked = re.search(rf"{_ASKS}[^\w\n]*(.*)", text)
    return asked[1].strip(" *_") if asked is not None else ""


def retrieval_graph(retriever: Any, answerer: Any, *, looks: int = LOOKS, name: str = "retrieval") -> ConversationGraph:
    """The graph of answering from documents: the input is a question, the last message the answer.

    `retriever` looks up what it is asked for (a `RetrieveUserProxyAgent`, or any other speaker), `answerer` replies to it. An
    answer with a line that begins with UPDATE CONTEXT goes back to the retriever, unless there were `looks` answers by then. A
    retriever that declines to speak, because nothing more is to be found, ends the conversation: its reason is the
    `stop_reason`.

    Raises `DefinitionError` for `looks` below 1, and for speakers that cannot be nodes.
    """
    if isinstance(looks, bool) or not isinstance(looks, int) or looks < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DefinitionError(f"graph {name!r}: looks= is a whole number, 1 or more, not {looks!r}")
    graph = ConversationGraph(name)
    looking = graph.add_node(retriever)
    answering = graph.add_node(answerer)
    graph.add_edge(looking, END, when="declined", label="nothing more is found")
    graph.add_edge(looking, answering)
    graph.add_edge(answering, END, when="declined", label="no reply")
    graph.add_edge(answering, looking, when=f"{ASKS_FOR_MORE} && visits['{answering}'] < {looks}", label="asks for more")
    graph.add_edge(answering, END, when=ASKS_FOR_MORE, label=f"looked {looks} times")
    graph.add_edge(answering, END, label="answered")
    graph.set_start(looking)
    return graph
