"""Each example that is a chat runs end to end over HTTP, survives kill -9 at each step, replays, costs what was billed, and is drawn."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convgraph import open_store
from convgraph.journal.codec import encode_event
from convgraph.messages import NO_USAGE
from tests.examples.chat_examples import APPLICATIONS, CHATS, FOLDER, KILLED, ChatExample, Dying, runs_of, script_of, steps_in, transcripts


@pytest.fixture(params=(*CHATS, *APPLICATIONS))
def chat(served: Any, request: pytest.FixtureRequest) -> ChatExample:
    """Each chat in turn."""
    return chat_of(served, request.param)


def chat_of(served: Any, name: str) -> ChatExample:
    example = served(name)
    return ChatExample(example.module, example.server)


def test_it_runs_to_its_end_and_costs_what_the_endpoint_has_counted(chat: ChatExample) -> None:
    """Chats inside a tool or a reply, and summaries by reflection, are among what is counted."""
    results = chat.have(store="runs.db")
    with open_store("runs.db") as store:
        usage = sum((chat.graph.replay(run_id, store=store).usage for run_id in runs_of(results)), NO_USAGE)
    costs = [each.cost["usage_including_cached_inference"]["scripted"] for each in results]

    assert [finding for finding in chat.graph.check() if finding.severity == "error"] == []
    assert [each.status for each in results] == ["finished"] * len(results)
    assert all(each.stop_reason and each.summary for each in results)
    assert usage == sum((each.usage for each in results[1:]), results[0].usage)
    assert usage.calls == len(chat.server.log) == chat.server.usage.calls
    assert usage.tokens == chat.server.usage.tokens > 0
    assert sum(cost["prompt_tokens"] for cost in costs) == chat.server.usage.input_tokens
    assert sum(cost["completion_tokens"] for cost in costs) == chat.server.usage.output_tokens


def test_killed_after_each_step_it_says_the_same_and_asks_for_nothing_twice(chat: ChatExample, worker: Dying, tmp_path: Path) -> None:
    """A chain of processes, each of which dies by kill -9 when it has recorded one step, wherever in the chat that lies."""
    with open_store(":memory:") as store:
        whole = chat.have(store=store)
        steps = sum(steps_in(store, run_id) for run_id in runs_of(whole))
    calls = len(chat.server.log)
    chat.server.log.clear()

    deaths = 0
    while (ended := worker.go_on_for_one_step(chat.module.__name__, chat.server.base_url, tmp_path / "killed.db")) != 0:
        assert ended == signal.SIGKILL
        deaths += 1
        assert deaths <= steps, "it does not come forward"
    results = chat.have(store="killed.db", run_id=KILLED)

    assert transcripts(results) == transcripts(whole)
    assert deaths >= steps - 2, "two steps may be recorded at once"
    assert len(chat.server.log) == calls
    with open_store("killed.db") as store:
        assert sum(steps_in(store, run_id) for run_id in runs_of(results)) == steps


def test_it_replays_identically_with_the_endpoint_down(chat: ChatExample) -> None:
    results = chat.have(store="runs.db")
    calls = len(chat.server.log)
    chat.server.stop()
    with open_store("runs.db") as store:
        before = [encode_event(recorded.event) for run_id in runs_of(results) for recorded in store.events(run_id)]
        replayed = [chat.graph.replay(run_id, store=store).status for run_id in runs_of(results)]
        after = [encode_event(recorded.event) for run_id in runs_of(results) for recorded in store.events(run_id)]
    again = chat.have(store="runs.db", run_id=results[0].run_id)

    assert set(replayed) == {"finished"}
    assert before == after
    assert transcripts(again) == transcripts(results)
    assert len(chat.server.log) == calls


def test_sync_and_async_say_the_same(chat: ChatExample) -> None:
    assert transcripts(chat.have_async()) == transcripts(chat.have())


def test_it_is_drawn_before_it_is_had_and_after(chat: ChatExample, tmp_path: Path) -> None:
    """As a graph, as that graph with the run on it, and as a sequence of what everybody has said to whom."""
    drawn = chat.graph.to_mermaid()
    [first, *_] = results = chat.have(store="runs.db")
    with open_store("runs.db") as store:
        run = Path(str(chat.graph.draw(tmp_path / "run.svg", run=first.run_id, store=store))).read_text(encoding="utf-8")
        sequence = Path(str(chat.graph.draw_sequence(first.run_id, tmp_path / "sequence.svg", store=store))).read_text(encoding="utf-8")

    for node in chat.graph.definition.nodes:
        assert node in drawn
        assert re.search(rf">{node}\b", run)
    for name in {message.sender for each in results for message in each.messages}:
        assert name in sequence
    assert "<script" not in run + sequence


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_readme_draws_the_graph_that_runs(name: str, served: Any) -> None:
    drawing = f"```mermaid\n{served(name).module.graph.to_mermaid().rstrip()}\n```\n"
    assert drawing in (script_of(name).parent / "README.md").read_text(encoding="utf-8"), f"examples/{name}/README.md is to have\n{drawing}"


@pytest.mark.parametrize("name", [*CHATS, *APPLICATIONS])
def test_it_can_be_run_as_a_script_without_a_key(name: str, tmp_path: Path) -> None:
    """From any directory, by somebody who has just installed convgraph."""
    run = subprocess.run([sys.executable, str(script_of(name))], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    assert run.returncode == 0, run.stderr
    assert "stands in for the model" in run.stdout
    assert "finished: " in run.stdout


def test_comedians_stop_when_the_joke_is_over_or_long(served: Any) -> None:
    chat = chat_of(served, "two_comedians")
    [ended] = chat.have()
    chat.module.PARTS["Your name is cathy"][-1] = "And another one."
    [cut] = chat.have()

    assert ended.stop_reason == "joe: termination message"
    assert [message["name"] for message in ended.chat_history] == ["joe", "cathy"] * 3
    assert cut.stop_reason == "max_turns"
    assert len(cut.messages) == 2 * chat.module.CHAT["max_turns"]


def test_the_code_is_really_run_fails_and_is_fixed(served: Any) -> None:
    """What the sandbox says of the first program is Python's own traceback, what it says of the second is the number of primes."""
    chat = chat_of(served, "code_and_fix")
    [result] = chat.have()
    _, _, failed, _, worked, said = (message.text for message in result.messages)
    primes = [number for number in range(2, 7920) if all(number % one for one in range(2, int(number**0.5) + 1))]
    palindromes = [prime for prime in primes if str(prime) == str(prime)[::-1]]

    assert len(primes) == 1000
    assert "execution failed" in failed
    assert "TypeError: 'int' object is not subscriptable" in failed
    assert f"(execution succeeded)\nCode output: {len(palindromes)} of them, the largest is {max(palindromes)}\n" in worked
    assert said.startswith(f"There are {len(palindromes)} of them")


def test_both_people_are_waited_for_and_answered_from_elsewhere(served: Any) -> None:
    """No process lives while a person thinks. The expert, inside a tool's chat, is asked by name; answers come by the command line."""
    chat = chat_of(served, "student_and_expert")
    lines = {"expert": ["It does turn. Say why.", "exit"], "student": ["And the far side, never?", "exit"]}
    with open_store(":memory:") as store:
        [expected] = chat.have(store=store, human={name: playing(said) for name, said in lines.items()})

    [result] = chat.have(store="runs.db", run_id="homework", human="park")
    asked: list[str] = []
    while result.status == "waiting":
        [question] = result.questions
        said = lines[question.node][asked.count(question.node)]
        asked.append(question.node)
        command = [sys.executable, "-m", "convgraph", "answer", "homework", question.id, said, "--store", "runs.db"]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(FOLDER.parent)})
        [result] = chat.have(store="runs.db", run_id="homework", human="park")

    assert asked == ["expert", "expert", "student", "student"]
    assert transcripts([result]) == transcripts([expected])
    assert "the far side, never?" in result.messages[-2].text


def playing(lines: list[str]) -> Any:
    """A person who says these lines."""
    left = iter(lines)
    return lambda question: next(left)


def test_answers_may_be_given_when_going_on(served: Any) -> None:
    chat = chat_of(served, "student_and_expert")
    [parked] = chat.have(store="runs.db", run_id="homework", human="park")
    [question] = parked.questions
    [result] = chat.have(store="runs.db", run_id="homework", human="park", answers={question.id: "exit"})

    assert question.node == "expert"
    assert [each.node for each in result.questions] == ["student"]
    assert "The expert says: The moon does not turn on its axis." in result.messages[-1].text


def test_what_was_found_is_carried_over_and_each_draft_is_criticised(served: Any) -> None:
    """As the models are shown it, on the wire."""
    chat = chat_of(served, "sequential_and_nested")
    facts, doubts, caption = chat.have()
    shown = {request["messages"][0]["content"].split(".")[0]: request["messages"] for request in chat.server.requests}
    first_draft, criticism = caption.messages[1].text, caption.messages[2].text

    assert facts.summary in shown["You are an archivist"][-1]["content"]
    assert shown["You are a writer of captions in a museum: two sentences, from the facts that you are given and no others"][1][
        "content"
    ] == (f"Write the caption.\nContext: \nThe caption hangs below the mouse itself.\n{facts.summary}\n{doubts.summary}")
    assert shown["You are a critic"][-1]["content"] == f"What would a visitor not understand here?\n\n{first_draft}"
    assert shown["You are a proofreader"][-1]["content"] == "Tell the writer.\nContext: \nWhat an X-Y position indicator is."
    assert criticism == "Please say in plain words what the thing does."
    assert len({each.run_id for each in (facts, doubts, caption)}) == 1
