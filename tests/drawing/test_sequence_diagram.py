"""A run as a sequence diagram: who said what to whom, why it went on there, what was done on the way."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from convgraph.drawing.sequence import Arrow, Box, Item, Note, sequence_of
from convgraph.drawing.sequence_mermaid import sequence_mermaid
from convgraph.drawing.sequence_svg import sequence_svg
from convgraph.graph.definition import END, START, Definition
from convgraph.graph.state import ErrorInfo
from convgraph.journal.events import (
    AttemptFailed,
    BranchFinished,
    Edited,
    EffectFinished,
    EffectStarted,
    Ended,
    Event,
    Moved,
    Question,
    Resumed,
    RunStarted,
    Stepped,
)
from convgraph.messages import Message, ToolCall, Usage

SVG = "{http://www.w3.org/2000/svg}"


def said(node: str, text: str) -> tuple[Message, ...]:
    return (Message(node, text),)


def started(text: str = "Write about tea") -> RunStarted:
    return RunStarted("g", "", "", (Message("user", text, "user"),))


ESSAY: list[Event] = [
    started(),
    EffectFinished("1", "model", "gpt", 0, "", usage=Usage(1, 100, 20, 0.01)),
    EffectFinished("1", "tool", "search", 0, "", result={"hits": 3}),
    Stepped("1", "writer", said("writer", "Draft"), target="critic", edge=0, chosen_by="only"),
    Stepped("2", "critic", (), target="writer", edge=3, chosen_by="auto"),
    Stepped("3", "writer", (), error=ErrorInfo("ValueError", "no ink"), target="score", edge=4),
    Stepped("4", "score", said("score", "10"), target=END, edge=6),
    Ended("finished", "reached END"),
]


def test_messages_effects_reasons_and_the_end_are_told_in_order(essay: Definition) -> None:
    sequence = sequence_of(ESSAY, essay)
    assert sequence.participants == ("user", "writer", "critic", "score", END)
    assert sequence.items == (
        Arrow("user", "writer", "Write about tea"),
        Note("writer", "model gpt: 120 tokens, $0.0100"),
        Note("writer", "tool search: {'hits': 3}"),
        Arrow("writer", "critic", "Draft"),
        Arrow("critic", "writer", "(says nothing)", "chosen by auto"),
        Note("writer", "failed with ValueError: no ink", "error"),
        Arrow("writer", "score", "", "on error", "error"),
        Arrow("score", END, "10"),
        Note("", "finished: reached END", "run"),
    )


def test_a_transition_says_its_label_and_guard(essay: Definition) -> None:
    events = [started(), Stepped("1", "critic", said("critic", "APPROVED"), target=END, edge=1)]
    assert sequence_of(events, essay).items[-1] == Arrow("critic", END, "APPROVED", 'approved, when last.content.contains("APPROVED")')
    assert sequence_of(events).items[-1] == Arrow("critic", END, "APPROVED"), "without the graph there is no guard to name"


def test_who_was_chosen_to_begin_is_told_as_an_arrow_from_start(reception: Definition) -> None:
    """What is said first goes to START, from where it is handed on; the same in what is nested, and when it goes on later."""
    events: list[Event] = [
        started("hello"),
        EffectFinished("0>", "model", "gpt", 0, "", usage=Usage(1, 40)),
        Moved("0", "desk", 2, Usage(1, 40), chosen_by="auto"),
        Moved("1/0", "clerk", 1, chosen_by="first"),
        Stepped("1/1", "clerk", said("clerk", "hi"), target=END, edge=2),
        Stepped("1", "desk", said("desk", "hi"), target=END, edge=6),
        Ended("finished", "reached END"),
        Edited("continued", node=START, messages=(Message("user", "I buy", "user"),), choosing=True),
        EffectFinished("1+1>", "human", "select", 0, "", result="sales"),
        Moved("1+1", "sales", 0, chosen_by="manual"),
    ]
    told = sequence_of(events, reception)
    assert told.items == (
        Arrow("user", START, "hello"),
        Note(START, "model gpt: 40 tokens"),
        Arrow(START, "desk", "", "chosen by auto"),
        Box("inside desk", (Arrow("desk/START", "desk/clerk", ""), Arrow("desk/clerk", "desk", "hi"))),
        Arrow("desk", END, "hi"),
        Note("", "finished: reached END", "run"),
        Note("", "continued", "run"),
        Arrow("user", START, "I buy"),
        Arrow("person", START, "sales", kind="ask"),
        Arrow(START, "sales", "", 'to sales, when last.content.contains("buy"), chosen by manual'),
    )
    assert sequence_of(events).items[0] == Arrow("user", START, "hello"), "the events alone tell it, too"
    assert "START" in sequence_mermaid(events, reception)
    ElementTree.fromstring(sequence_svg(events, reception))


def test_what_is_nested_stands_in_a_box_before_the_turn_that_it_makes(publishing: Definition) -> None:
    events: list[Event] = [
        started(),
        Stepped("1", "author", said("author", "Draft"), target="review", edge=0),
        Stepped("2/1", "critic", said("critic", "hm"), target="judge", edge=0),
        Stepped("2/2", "judge", said("judge", "fine"), target=END, edge=1),
        Stepped("2", "review", said("review", "fine"), target="panel", edge=3),
        BranchFinished("3/legal", "legal", said("legal", "yes")),
        Stepped("3/tech/1", "ask", said("ask", "why?"), target="tell", edge=0),
        BranchFinished("3/tech", "tech", said("tech", "so")),
        Stepped("3", "panel", (*said("legal", "yes"), *said("tech", "so")), target="each", edge=5),
    ]
    items = sequence_of(events, publishing).items
    assert items[2:4] == (
        Box("inside review", (Arrow("review/critic", "review/judge", "hm"), Arrow("review/judge", "review", "fine", "when turn > 1"))),
        Arrow("review", "panel", "fine"),
    )
    assert items[4] == Box(
        "inside panel",
        (
            Arrow("panel/legal", "panel", "yes"),
            Box("inside tech", (Arrow("panel/tech/ask", "panel/tech/tell", "why?"),)),
            Arrow("panel/tech", "panel", "so"),
        ),
    )
    assert [item.text for item in items[5:] if isinstance(item, Arrow)] == ["yes", "so"]


def test_a_person_is_asked_and_answers_across_a_pause(essay: Definition) -> None:
    question = EffectStarted("1", "human", "writer", 0, "", question=Question("q", "Is it good?"))
    answer = EffectFinished("1", "human", "writer", 0, "", result="yes", question="q")
    items = sequence_of([started(), question, Ended("waiting", "a person is asked"), Resumed(), answer], essay).items
    assert items[1:] == (
        Arrow("writer", "person", "Is it good?", kind="ask"),
        Note("", "waiting: a person is asked", "run"),
        Note("", "resumed", "run"),
        Arrow("person", "writer", "yes", kind="ask"),
    )


def test_attempts_and_unfinished_turns_are_told(publishing: Definition) -> None:
    events: list[Event] = [
        started(),
        Stepped("1", "author", said("author", "Draft"), target="review", edge=0),
        Stepped("2/1", "critic", said("critic", "hm"), target="judge", edge=0),
        AttemptFailed("2", 1, ErrorInfo("TimeoutError", "late")),
        EffectFinished("2~2/1", "model", "gpt", 0, "", error=ErrorInfo("ModelUnavailable", "503")),
        EffectFinished("2>", "model", "chooser", 0, ""),
    ]
    assert sequence_of(events, publishing).items[2:] == (
        Box("inside review", (Arrow("review/critic", "review/judge", "hm"),)),
        Note("review", "attempt 1 failed: TimeoutError: late", "error"),
        Note("review", "model chooser"),
        Box("inside review", (Note("review/critic", "model gpt failed: ModelUnavailable: 503", "error"),)),
    )


def test_a_run_that_died_deep_inside_shows_how_far_it_came(publishing: Definition) -> None:
    events: list[Event] = [
        started(),
        Stepped("1", "author", said("author", "Draft"), target="review", edge=0),
        EffectFinished("2/1", "tool", "look", 0, "", result="something"),
    ]
    assert sequence_of(events, publishing).items[2:] == (Box("inside review", (Note("review/critic", "tool look: something"),)),)


def test_tool_calls_forks_and_empty_runs_have_words(essay: Definition) -> None:
    calls = (Message("writer", "", tool_calls=(ToolCall("1", "search", '{"q": 1}'),)),)
    items = sequence_of([started(), Stepped("1", "writer", calls, target="critic", edge=0), Edited("forked", step=1)], essay).items
    assert items[1:] == (Arrow("writer", "critic", 'calls search({"q": 1})'), Note("", "forked", "run"))
    assert sequence_of([]).items == ()
    assert sequence_mermaid([]).startswith("sequenceDiagram\n    participant p0")
    ElementTree.fromstring(sequence_svg([]))


def test_mermaid_text(essay: Definition) -> None:
    assert sequence_mermaid(ESSAY, essay).splitlines() == [
        "sequenceDiagram",
        "    actor p0 as user",
        "    participant p1 as writer",
        "    participant p2 as critic",
        "    participant p3 as score",
        "    participant p4 as END",
        "    p0->>p1: Write about tea",
        "    Note over p1: model gpt#58; 120 tokens, #36;0.0100",
        "    Note over p1: tool search#58; #123;'hits'#58; 3#125;",
        "    p1->>p2: Draft",
        "    p2->>p1: (says nothing)<br/>(chosen by auto)",
        "    Note over p1: failed with ValueError#58; no ink",
        "    p1-xp3: (on error)",
        "    p3->>p4: 10",
        "    Note over p0,p4: finished#58; reached END",
    ]


TEXT = r"(?:[^:;#<>{}\[\]]|#\d+;)+"
STATEMENTS = [
    "sequenceDiagram|end",
    rf"(?:actor|participant) p\d+ as {TEXT}",
    rf"p\d+(?:->>|-->>|-x)p\d+: {TEXT}(?:<br/>\({TEXT}\))?",
    rf"Note over p\d+(?:,p\d+)?: {TEXT}",
    f"opt {TEXT}",
]


@given(st.text(max_size=200))
def test_any_text_stays_a_text(text: str) -> None:
    events = [started(text), Stepped("1", "a", said("a", text), target="b", edge=0), Ended("stuck", text)]
    for line in sequence_mermaid(events).splitlines():
        assert any(re.fullmatch(statement, line.strip()) for statement in STATEMENTS), line
    svg = ElementTree.fromstring(sequence_svg(events))
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} <= {"svg", "rect", "line", "path", "text", "title"}


def test_the_svg_has_a_column_for_each_participant_and_full_texts_as_tooltips(publishing: Definition) -> None:
    long = "a message that is certainly much longer than the room between two columns of the drawing, so that it has to be cut " * 2
    events: list[Event] = [
        started(),
        Stepped("1", "author", said("author", long), target="review", edge=0),
        Stepped("2/1", "critic", said("critic", "hm"), target="judge", edge=0),
        Stepped("2", "review", said("review", "again"), target="review", edge=2),
    ]
    svg = ElementTree.fromstring(sequence_svg(events, publishing))
    lifelines = [line for line in svg.iter(f"{SVG}line") if line.get("stroke-dasharray") == "3 4"]
    assert len(lifelines) == len(sequence_of(events, publishing).participants) == 5
    titles = [title.text for title in svg.iter(f"{SVG}title")]
    assert long in titles
    width = float(svg.attrib["width"])
    assert all(0 <= float(text.attrib["x"]) <= width for text in svg.iter(f"{SVG}text"))


def test_rows_do_not_overlap(publishing: Definition, essay: Definition) -> None:
    """No two arrows, and no arrow and note, share a height at which they would cover each other's text."""
    svg = ElementTree.fromstring(sequence_svg(ESSAY, essay))
    heights = sorted(float(text.attrib["y"]) for text in svg.iter(f"{SVG}text") if float(text.attrib["y"]) > 64)
    gaps = [after - before for before, after in pairwise(heights)]
    assert min(gaps) >= 11


def items_of(items: tuple[Item, ...]) -> list[Item]:
    return [inner for item in items for inner in (items_of(item.items) if isinstance(item, Box) else [item])]


def test_a_step_is_told_once_wherever_it_is_nested(publishing: Definition) -> None:
    inner = [Stepped(f"1/{number}", "critic", said("critic", f"word {number}"), target="judge", edge=0) for number in range(1, 6)]
    events = [started(), *inner, Stepped("1", "review", said("review", "done"), target="panel", edge=3)]
    told = [item.text for item in items_of(sequence_of(events, publishing).items) if isinstance(item, Arrow)]
    assert told == ["Write about tea", *(f"word {number}" for number in range(1, 6)), "done"]


def test_who_opens_a_chat_without_having_a_turn_in_it_is_named(essay: Definition) -> None:
    """Anybody else who says what a run begins with is its user."""
    for sender, drawn in [("arbiter", "arbiter"), ("writer", "user"), ("", "user"), ("a/b", "user"), (END, "user"), ("person", "user")]:
        events: list[Event] = [RunStarted("g", "", "", (Message(sender, "Go", "user"),)), *ESSAY[3:]]
        sequence = sequence_of(events, essay)
        assert sequence.items[0] == Arrow(drawn, "writer", "Go")
        assert sequence.participants[0] == drawn
