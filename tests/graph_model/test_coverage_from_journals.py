"""What stored runs have exercised is read from their journals, nested conversations and failed attempts included."""

from typing import Any

from convgraph import END, START, ConversationGraph, ForEach, Limits, Parallel, Reply, Retry
from convgraph.graph.coverage import Coverage, coverage
from convgraph.journal.memory import MemoryStore
from convgraph.journal.steps_taken import steps_taken


def covered(made: ConversationGraph, store: MemoryStore, *runs: str) -> Coverage:
    return coverage(made.definition, (steps_taken(made.definition, store.events(run)) for run in runs))


def house() -> ConversationGraph:
    """A graph with a graph inside as a node, as a branch, and for each item."""

    async def ask(ctx: Any) -> str:
        return "asked"

    async def fails_once(ctx: Any) -> str:
        if ctx.deps:
            raise ValueError(ctx.deps.pop())
        return "checked"

    async def first(ctx: Any) -> Reply:
        return Reply("two", update={"items": ["a", "b"]})

    inner = ConversationGraph("inner")
    inner.add_node(ask)
    inner.add_node(fails_once, name="7")
    inner.add_edge("ask", "7")
    inner.add_edge("7", "ask", when='last.content == "again"')
    inner.add_edge("7", END, when=lambda view: view.last.content == "checked")
    inner.set_start("ask")
    made = ConversationGraph("house", state={"items": {"type": "array", "default": []}})
    made.add_node(first)
    made.add_node(inner, name="sub", retry=Retry(2, wait=0))
    made.add_node(Parallel(ask, inner), name="panel")
    made.add_node(ForEach(inner, over="state.items"), name="each")
    for source, target in (("first", "sub"), ("sub", "panel"), ("panel", "each"), ("each", END)):
        made.add_edge(source, target)
    made.set_start("first")
    return made


def test_nested_steps_count_where_they_belong() -> None:
    made, store = house(), MemoryStore()
    run = made.run("go", store=store, deps=["the first attempt fails"])
    assert run.status == "finished"
    found = covered(made, store, run.run_id)
    assert found.strange == ()
    assert {place: count for place, count in found.nodes.items() if place[1] in ("ask", "7")} == {
        (("sub",), "ask"): 2,  # once in the attempt that failed
        (("sub",), "7"): 1,
        (("panel", "inner"), "ask"): 1,
        (("panel", "inner"), "7"): 1,
        (("each", "inner"), "ask"): 2,
        (("each", "inner"), "7"): 2,
    }
    assert found.missing_edges == [f'{where}/7 -> ask when last.content == "again"' for where in ("sub", "panel/inner", "each/inner")]
    assert len(found.missing_outcomes) == 6, "never again, and never not checked"


def test_several_runs_add_up_and_a_limit_leaves_no_trace_twice() -> None:
    async def a(ctx: Any) -> str:
        return "x"

    made = ConversationGraph("loop")
    made.add_node(a)
    made.add_edge("a", END, when="turn > 2")
    made.add_edge("a", "a")
    made.set_start("a")
    store = MemoryStore()
    full = made.run("go", store=store)
    cut = made.run("go", store=store, limits=Limits(turns=1))
    assert cut.status == "limited"
    before = covered(made, store, cut.run_id)
    assert (before.nodes[(), "a"], before.edges[(), 1]) == (1, 0)
    assert made.resume(cut.run_id, store=store, limits=Limits(turns=9)).status == "finished"
    both = covered(made, store, full.run_id, cut.run_id)
    assert both.runs == 2
    assert both.nodes == {((), "a"): 6}
    assert both.edges == {((), 0): 2, ((), 1): 4}
    assert both.guard_share == 1


def test_who_began_counts_in_the_graph_and_in_those_inside() -> None:
    async def speak(ctx: Any) -> str:
        return "x"

    inner = ConversationGraph("inner", select="round_robin")
    inner.add_node(speak, name="a")
    inner.add_edge(START, "a", when=lambda view: view.turn == 0)
    inner.add_edge(START, END, when="turn > 0")
    inner.add_edge("a", END)
    made, store = ConversationGraph("outer"), MemoryStore()
    made.add_node(inner, name="sub")
    made.add_node(speak, name="b")
    made.add_edge(START, "b", when='last.content == "b"')
    made.add_edge(START, "sub")
    made.add_edge("sub", END)
    made.add_edge("b", END)
    one, other = made.run("x", store=store), made.run("b", store=store)
    made.continue_(other.run_id, "c", store=store)
    found = covered(made, store, one.run_id, other.run_id)
    assert found.strange == ()
    assert {place: count for place, count in found.edges.items() if count} == {
        ((), 0): 1,
        ((), 1): 2,
        ((), 2): 2,
        ((), 3): 1,
        (("sub",), 0): 2,
        (("sub",), 2): 2,
    }
    assert (((), 0), False) in [place for place, count in found.guards.items() if count == 2]
    assert found.guards[(("sub",), 0), True] == 2
    assert found.nodes == {((), "sub"): 2, ((), "b"): 1, (("sub",), "a"): 2}
    assert found.missing_edges == ["sub/START -> END when turn > 0"]
