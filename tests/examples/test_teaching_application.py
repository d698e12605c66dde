"""Teaching: what is learnt in one run is really there in the next, in another process too; once; and gone when it is forgotten."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from convgraph import open_facts, open_store
from tests.examples.chat_examples import ChatExample, Dying, runs_of
from tests.knowledge.postgres_cluster import postgres_cluster


@pytest.fixture
def chat(served: Any) -> ChatExample:
    example = served("teaching")
    return ChatExample(example.module, example.server)


def test_the_program_that_was_shown_is_run_with_what_was_told(chat: ChatExample) -> None:
    """The report is what the sandbox printed: sums that the stand-in does not know, in the currency out of the note."""
    lesson, work, forgetting, question = chat.have(store="runs.db")
    orders: dict[str, int] = {}
    for order in chat.module.WORK.split("The orders: ")[1].split():
        orders[order.split(":")[0]] = orders.get(order.split(":")[0], 0) + int(order.split(":")[1])
    lines = [f"{city}: {total} Kč" for city, total in sorted(orders.items(), key=lambda item: -item[1])]
    report = "\n".join([*lines, f"All: {sum(orders.values())} Kč"])

    assert f"(execution succeeded)\nCode output: {report}\n" in work.messages[2].text
    assert work.summary.strip() == f"The report:\n{report}"
    assert [len(each.messages) for each in (lesson, work, forgetting, question)] == [2, 4, 4, 2]
    assert forgetting.messages[1].tool_calls[0].name == "forget_fact"
    assert "I do not know" in question.messages[-1].text


def test_each_run_begins_with_nothing_of_the_one_before(chat: ChatExample) -> None:
    """As the model is sent it: what comes over is the notes, and those are in no transcript."""
    results = chat.have(store="runs.db")
    sent = [request["messages"] for request in chat.server.requests if "mail-order" in request["messages"][0]["content"]]

    assert len(set(runs_of(results))) == 4
    assert [message["content"] for message in sent[1] if message["role"] != "system" and "-memory" not in message["name"]] == [
        chat.module.WORK
    ]
    assert "korunas" in sent[1][-1]["content"]
    assert "def report" in sent[1][-1]["content"]
    assert not any("Notes of yours" in message.text for each in results for message in each.messages)


def test_facts_say_who_taught_them_and_are_in_the_file_of_the_runs(chat: ChatExample) -> None:
    lesson, *_ = chat.have(store="runs.db")
    with open_facts("runs.db") as facts:
        [skill] = facts.list(superseded=True)

    assert (skill.namespace, skill.about) == ("firm/ada", "Making the weekly report")
    assert "def report(orders, currency):" in skill.text
    assert skill.data == {"kind": "skill", "taught_by": "ada"}
    assert (skill.source.run_id, skill.source.step, skill.source.node) == (lesson.run_id, 1, "assistant")


def test_it_replays_when_everything_is_forgotten(chat: ChatExample) -> None:
    results = chat.have(store="runs.db")
    chat.server.stop()
    with open_facts("runs.db") as facts:
        assert facts.forget(namespace="firm") == 1
    with open_store("runs.db") as store:
        replayed = [chat.graph.replay(run_id, store=store).messages for run_id in runs_of(results)]
    assert replayed == [list(each.messages) for each in results]


def test_killed_at_each_step_it_learns_nothing_twice(chat: ChatExample, worker: Dying, tmp_path: Path) -> None:
    """By kill -9, in a process after the other. The skill is there once; of the fact, forgotten in the third run, nothing is."""
    store = tmp_path / "killed.db"
    deaths = 0
    while (ended := worker.go_on_for_one_step("teaching", chat.server.base_url, store)) != 0:
        assert ended == signal.SIGKILL
        deaths += 1
        assert deaths < 40, "it does not come forward"
        with open_facts(store) as facts:
            headings = [fact.about for fact in facts.list(superseded=True)]
        assert len(headings) == len(set(headings))
    with open_facts(store) as facts:
        assert [fact.about for fact in facts.list(superseded=True)] == ["Making the weekly report"]
    assert deaths >= 8


def test_runs_and_facts_may_both_be_in_postgresql(chat: ChatExample) -> None:
    expected = chat.have()
    with postgres_cluster() as url:
        results = chat.have(store=url)
        with open_facts(url) as facts:
            [skill] = facts.list()
        assert [each.chat_history for each in results] == [each.chat_history for each in expected]
        assert skill.source.run_id == results[0].run_id


def test_taught_again_after_forgetting_it_is_known_again(chat: ChatExample) -> None:
    """That a fact was forgotten keeps it from coming back by itself, not from being taught."""
    first = chat.have(store="runs.db")
    again = chat.have(store="runs.db", run_id="another-time")
    assert again[0].chat_history == first[0].chat_history
    assert again[-1].chat_history == first[-1].chat_history
    with open_facts("runs.db") as facts:
        assert {fact.source.run_id for fact in facts.list()} == {first[0].run_id, "another-time"}
