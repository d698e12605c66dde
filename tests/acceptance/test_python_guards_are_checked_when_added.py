"""A guard in Python that could not decide anything is refused where it is added."""

from __future__ import annotations

import pytest

from convgraph import END, ConversationGraph
from convgraph.errors import GuardError


async def _later(view):
    return False


class _AsyncCall:
    async def __call__(self, view):
        return False


@pytest.mark.parametrize("guard", [_later, _AsyncCall()])
def test_an_async_guard_is_refused(guard):
    """Its coroutine, never awaited, would count as true."""
    graph = ConversationGraph("guarded")
    graph.add_node(lambda ctx: "x", name="node")
    with pytest.raises(GuardError, match="async"):
        graph.add_edge("node", END, when=guard)


@pytest.mark.parametrize("guard", [lambda: True, lambda view, more: True], ids=["none", "two"])
def test_a_guard_that_cannot_take_the_view_is_refused(guard):
    """It could only fail once the run is under way."""
    graph = ConversationGraph("guarded")
    graph.add_node(lambda ctx: "x", name="node")
    with pytest.raises(GuardError, match="one argument"):
        graph.add_edge("node", END, when=guard)
