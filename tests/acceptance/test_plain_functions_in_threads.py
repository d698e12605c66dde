"""Plain functions run in threads: any number at once, however long they block, whatever they raise."""

from __future__ import annotations

import threading
import time

from convgraph import END, ConversationGraph, Parallel


def _one(node, **options):
    graph = ConversationGraph("one")
    name = graph.add_node(node, **options)
    graph.add_edge(name, END)
    graph.set_start(name)
    return graph


def test_more_plain_nodes_than_threads_in_a_pool_may_wait_for_tools_at_the_same_time():
    """Sixty branches hold a thread each, and each needs one more for its tool."""
    together = threading.Barrier(60, timeout=10)

    def branch(number):
        def speak(ctx):
            together.wait()
            return ctx.sync.effect("double", lambda value: str(2 * value), number)

        speak.__name__ = f"branch{number}"
        return speak

    result = _one(Parallel(*[branch(number) for number in range(60)]), name="crowd").run("go")

    assert [message.content for message in result.messages[1:]] == [str(2 * number) for number in range(60)]


def test_a_run_does_not_wait_for_a_thread_that_it_has_given_up():
    """A node that timed out is over for the run, though its thread blocks on; what it says later is dropped."""
    released = threading.Event()

    def blocks(ctx):
        released.wait(10)
        return "too late"

    started = time.perf_counter()
    try:
        result = _one(blocks, timeout=0.05).run("go")
        took = time.perf_counter() - started
    finally:
        released.set()

    assert (result.status, result.steps) == ("failed", 0)
    assert took < 5


def test_a_plain_node_that_raises_stop_iteration_fails_with_it():
    """`next()` on an empty iterator is the commonest way to raise it; it must not end the coroutine that waits."""

    def exhausted(ctx):
        return next(iter([]))

    result = _one(exhausted).run("go")

    assert result.status == "failed"
    assert "StopIteration" in result.stop_reason


def test_a_tool_that_raises_stop_iteration_fails_with_it():
    """The same for an effect: the failure is recorded and reaches the node."""

    async def exhausted(ctx):
        return await ctx.effect("next", lambda: next(iter([])))

    result = _one(exhausted).run("go")

    assert result.status == "failed"
    assert "StopIteration" in result.stop_reason
