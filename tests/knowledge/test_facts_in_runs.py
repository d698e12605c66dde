"""Inside of a run facts are effects: written once whatever dies, the same on replay, and each says where it comes from."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from convgraph import END, ConversationGraph, Retry, open_store
from convgraph.errors import EffectFailed, InputError, ReplayDivergence
from convgraph.knowledge.facts import FactStore, open_facts


def graph_of(*nodes: Callable[..., Any], name: str = "notes") -> ConversationGraph:
    """Nodes one after another."""
    graph = ConversationGraph(name)
    for node in nodes:
        graph.add_node(node)
    for node, after in zip(nodes, [*nodes[1:], END], strict=True):
        graph.add_edge(node, after)
    graph.set_start(nodes[0])
    return graph


def test_a_fact_says_which_run_step_and_node_have_taught_it(facts: FactStore) -> None:
    async def listens(ctx: Any) -> str:
        return "go on"

    async def notes(ctx: Any) -> str:
        fact = await facts.aremember("notes", "the sky is blue")
        return fact.id

    with open_store(":memory:") as store:
        result = graph_of(listens, notes).run("hi", store=store, run_id="lesson:1")

    [fact] = facts.list(run="lesson:1")
    assert fact.id == result.messages[-1].text
    assert (fact.source.run_id, fact.source.step, fact.source.path, fact.source.node) == ("lesson:1", 2, "2", "notes")
    assert facts.forget(run="another run") == 0
    assert facts.forget(run="lesson:1") == 1


def test_a_step_inside_a_nested_conversation_counts_as_the_step_around_it(facts: FactStore) -> None:
    async def first(ctx: Any) -> str:
        return "first"

    async def notes(ctx: Any) -> str:
        await facts.aremember("notes", "learnt inside")
        return "noted"

    outer = ConversationGraph("outer")
    outer.add_node(first)
    outer.add_node(graph_of(notes), name="inner")
    outer.add_edge("first", "inner")
    outer.add_edge("inner", END)
    outer.set_start("first")
    outer.run("hi", run_id="r")

    [fact] = facts.list()
    assert (fact.source.step, fact.source.path, fact.source.node) == (2, "2/1", "notes")


def test_plain_functions_have_the_same_verbs(facts: FactStore) -> None:
    """In a thread of theirs, through the run's own loop: recorded as everything else."""

    def notes(ctx: Any) -> str:
        facts.remember("notes", "plain and simple")
        return facts.recall("notes", "simple")[0].text

    with open_store(":memory:") as store:
        graph = graph_of(notes)
        result = graph.run("hi", store=store)
        facts.forget(namespace="notes")
        assert result.messages[-1].text == "plain and simple"
        assert graph.replay(result.run_id, store=store).messages == result.messages
    assert facts.list() == []


def test_a_replay_recalls_what_was_recalled_and_writes_nothing(lasting: str) -> None:
    """Even where there are no facts any more: it opens no store of facts at all."""
    with open_facts(lasting) as facts:
        facts.remember("notes", "the sky is blue")

        async def answers(ctx: Any) -> str:
            [known] = await ctx.deps["facts"].arecall("notes", "what colour is the sky?")
            await ctx.deps["facts"].aremember("notes", f"I said: {known.text}", supersedes=known.id)
            listed = [fact.text for fact in await ctx.deps["facts"].alist("notes")]
            await ctx.deps["facts"].aforget(namespace="notes")
            return f"{known.text} ({known.score:.2f}), {listed}, {await ctx.deps['facts'].aget(known.id)}"

        graph = graph_of(answers)
        with open_store(":memory:") as store:
            result = graph.run("hi", store=store, deps={"facts": facts})
            again = facts.remember("notes", "the sky is grey")
            replayed = graph.replay(result.run_id, store=store, deps={"facts": open_facts("/nowhere/at/all.db")})

        assert result.messages[-1].text == "the sky is blue (0.50), ['I said: the sky is blue'], None"
        assert replayed.messages == result.messages
        assert facts.list() == [again]


def test_a_fork_replays_with_what_its_parent_has_learnt(facts: FactStore) -> None:
    """The steps that it shares were made by a run of another id, and say so."""

    async def notes(ctx: Any) -> str:
        return (await facts.aremember("notes", "learnt by the parent")).source.run_id

    async def answers(ctx: Any) -> str:
        return str([fact.text for fact in await facts.arecall("notes", "learnt")])

    graph = graph_of(notes, answers)
    with open_store(":memory:") as store:
        graph.run("hi", store=store, run_id="parent")
        fork = graph.fork("parent", store=store, at=1)
        result = graph.resume(fork, store=store)
        assert graph.replay(fork, store=store).messages == result.messages
    assert result.messages[1].text == "parent"
    assert len(facts.list()) == 1


def test_a_run_of_the_same_id_in_another_store_learns_for_itself(facts: FactStore) -> None:
    """Also when what the first one has taught was forgotten: that was another lesson."""

    async def notes(ctx: Any) -> str:
        return (await facts.aremember("notes", ctx.last.text)).text

    graph = graph_of(notes)
    for said in ("one lesson", "another lesson"):
        assert graph.run(said, run_id="lesson").messages[-1].text == said
    assert facts.forget(run="lesson") == 2
    graph.run("one lesson", run_id="lesson")
    assert [fact.text for fact in facts.list()] == ["one lesson"]


def test_a_turn_that_is_tried_again_has_learnt_already(facts: FactStore) -> None:
    """Also where it comes to other words the second time: at one place in a run one thing is learnt."""
    attempts: list[int] = []

    async def notes(ctx: Any) -> str:
        attempts.append(1)
        fact = await facts.aremember("notes", f"learnt at attempt {len(attempts)}")
        if len(attempts) == 1:
            raise OSError("the network is down")
        return fact.text

    graph = ConversationGraph("notes")
    graph.add_node(notes, retry=Retry(attempts=2, wait=0))
    graph.add_edge(notes, END)
    graph.set_start(notes)
    result = graph.run("hi")

    assert len(attempts) == 2
    assert result.messages[-1].text == "learnt at attempt 1"
    assert [fact.text for fact in facts.list(superseded=True)] == ["learnt at attempt 1"]


def test_a_replay_that_asks_for_something_else_is_told(facts: FactStore) -> None:
    query = "sky"

    async def answers(ctx: Any) -> str:
        return str(await facts.arecall("notes", query))

    graph = graph_of(answers)
    with open_store(":memory:") as store:
        result = graph.run("hi", store=store)
        query = "sea"
        with pytest.raises(ReplayDivergence, match="recall"):
            graph.replay(result.run_id, store=store)


def test_bad_input_is_refused_before_the_journal_knows_of_it(facts: FactStore) -> None:
    async def notes(ctx: Any) -> str:
        with pytest.raises(InputError, match="namespace"):
            await facts.aremember("not a namespace", "text")
        return "refused"

    with open_store(":memory:") as store:
        result = graph_of(notes).run("hi", store=store)
        assert result.status == "finished"
        assert [each.event.kind for each in store.events(result.run_id) if each.event.kind.startswith("effect")] == []


def test_a_synchronous_verb_in_asynchronous_code_of_a_run_is_refused(facts: FactStore) -> None:
    """It would wait for the loop that it holds up."""

    async def notes(ctx: Any) -> str:
        facts.remember("notes", "text")
        return "never"

    result = graph_of(notes).run("hi")
    assert result.status == "failed"
    assert "awaits the asynchronous method" in result.stop_reason


def test_a_store_that_cannot_be_written_is_the_nodes_error(tmp_path: Path) -> None:
    facts = open_facts(tmp_path / "no" / "folder.db")

    async def notes(ctx: Any) -> str:
        with pytest.raises(EffectFailed, match="StoreUnavailable"):
            await facts.aremember("notes", "text")
        return "told"

    assert graph_of(notes).run("hi").messages[-1].text == "told"


def test_secrets_of_a_run_are_not_remembered(facts: FactStore) -> None:
    async def notes(ctx: Any) -> str:
        key = ctx.deps["key"].get_secret_value()
        await facts.aremember("notes", f"the key is {key}", about=f"{key}?", data={"key": key})
        return "noted"

    with open_store(":memory:") as store:
        result = graph_of(notes).run("hi", store=store, deps={"key": SecretStr("xyzzy-4711")})
        recorded = "".join(str(each.event) for each in store.events(result.run_id))

    assert "xyzzy-4711" not in facts.export() + recorded
    assert "the key is [secret key]" in facts.export()


PROGRAM = """
import os, signal, sys

from convgraph import END, ConversationGraph, open_store
from convgraph.knowledge.facts import open_facts

_, runs, url, verb, fate = sys.argv
facts = open_facts(url)


def dies_once_it_has_written(database):
    written = type(database).write

    async def write(self, work):
        await written(self, work)
        os.kill(os.getpid(), signal.SIGKILL)

    type(database).write = write


async def teach(ctx):
    if fate == "dies" and verb == "remember":
        dies_once_it_has_written(facts._db())
    await facts.aremember("notes", "learnt once", key="lesson")
    if verb == "forget":
        if fate == "dies":
            dies_once_it_has_written(facts._db())
        await facts.aforget(namespace="notes")
    return "done"


graph = ConversationGraph("lesson")
graph.add_node(teach)
graph.add_edge(teach, END)
graph.set_start(teach)
with open_store(runs) as store:
    result = graph.resume("lesson", store=store) if store.runs() else graph.run("hi", store=store, run_id="lesson")
assert result.status == "finished", result.stop_reason
"""
"""A run that is killed by kill -9 when a fact is in the database, or gone from it, and the journal does not say so yet."""


def lesson(runs: str, url: str, verb: str, fate: str) -> int:
    """Begin the run, or go on with it, in a process of its own. Returns how that ended."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM, runs, url, verb, fate], capture_output=True, text=True, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode


@pytest.mark.parametrize("verb", ["remember", "forget"])
def test_killed_between_the_write_and_its_record_it_has_happened_once(verb: str, lasting: str, tmp_path: Path) -> None:
    """In the file of the runs as well, where facts and runs are side by side."""
    runs = str(tmp_path / "runs.db")
    died = lesson(runs, lasting, verb, "dies")
    with open_facts(lasting) as facts:
        written = facts.list(superseded=True)
        assert (died, lesson(runs, lasting, verb, "lives")) == (-signal.SIGKILL, 0)

        assert len(written) == (1 if verb == "remember" else 0), "it was killed before it wrote"
        assert facts.list(superseded=True) == written


def test_what_was_forgotten_meanwhile_is_not_learnt_again_by_resuming(lasting: str, tmp_path: Path) -> None:
    runs = str(tmp_path / "journals.db")
    lesson(runs, lasting, "remember", "dies")
    with open_facts(lasting) as facts:
        assert facts.forget(run="lesson") == 1
        assert lesson(runs, lasting, "remember", "lives") == 0
        assert facts.list(superseded=True) == []
