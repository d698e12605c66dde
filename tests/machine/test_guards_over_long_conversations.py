"""A guard that loops over the messages costs as much as there are messages, and means what CEL says it means."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgraph.errors import GuardError
from convgraph.graph.guards import CelExpression, CelGuard
from convgraph.graph.schema import StateSchema
from convgraph.graph.state import State
from convgraph.messages import History, Message

SCHEMA = StateSchema.of({"tags": {"type": "array", "default": ["x", "y)", "z"]}, "names": {"type": "object", "default": {"a": 1}}}, "test")


def conversation(messages: int) -> State:
    history = History([Message("user" if number % 2 else "critic", f"message {number}") for number in range(messages)])
    return State("critic", history, True, messages, SCHEMA, SCHEMA.initial(), {"critic": messages})


def seconds(guard: CelGuard, state: State) -> float:
    """The least processor time that an evaluation took out of a few."""
    took: list[float] = []
    for _ in range(3):
        started = time.process_time()
        guard(state)
        took.append(time.process_time() - started)
    return min(took)


LOOPS = [
    'messages.filter(m, m.sender == "user").size() >= 1',
    "size(messages.filter(m, m.sender == last.sender)) >= 1",
    "messages.map(m, m.content).exists(text, text == last.content)",
    "messages.map(m, m).size() > 0",
    'messages.filter(m, m.sender == "user").map(m, m.content).size() > 0',
    '"message 0" in messages.map(m, m.content)',
    "(messages + messages).filter(m, true)[0].content == messages[0].content",
]


@pytest.mark.parametrize("text", LOOPS)
def test_a_loop_that_makes_a_list_costs_as_much_as_there_are_messages(text: str) -> None:
    """Four times the messages take about four times as long: eight at most, where a square would be sixteen."""
    guard = CelGuard(text)
    short, long = conversation(1_000), conversation(4_000)
    assert guard(long) is True
    assert seconds(guard, long) < max(8 * seconds(guard, short), 0.05)


def test_a_loop_that_is_passed_over_costs_nothing() -> None:
    state = conversation(4_000)
    passed_over = CelGuard('turn < 0 && messages.filter(m, m.sender == "user").map(m, m.content + "!")[0] == "x"')
    assert passed_over(state) is False
    assert seconds(passed_over, state) < 0.2 * seconds(CelGuard(passed_over.text.replace("turn < 0", "turn > 0")), state)


MEANINGS = {
    "messages.map(m, m.sender)": ["critic", "user", "critic", "user"],
    'messages.filter(m, m.sender == "user").map(m, m.content)': ["message 1", "message 3"],
    'messages.map(m, m.sender == "user", m.content)': ["message 1", "message 3"],
    'messages.filter(m, m.sender == "nobody")': [],
    'messages.filter(m, m.content.contains(")") || m.content.contains("3"))[0].content': "message 3",
    "state.tags.filter(t, t != 'x')": ["y)", "z"],
    "state['tags'].map(t, t + '(')": ["x(", "y)(", "z("],
    "state.names.map(k, k)": ["a"],
    "[3, 4].map(n, n * 2)": [6, 8],
    "[[1, 2], [3]].map(n, size(n))": [2, 1],
    "{'a': 1}.map(k, k + k)": ["aa"],
    "6 in [3].map(n, n * 2)": True,
    "6 in (turn > 3 ? [3] : [4]).map(n, n * 2)": True,
    "!messages.map(m, true)[0]": False,
    "-[1].map(n, n)[0]": -1,
    "messages[0].content.matches(r'\\d') ? messages.map(m, 1).size() : -1": 4,
    "messages.filter(m, // the user's )\n m.sender == 'user').size()": 2,
    "messages.filter(m, m.sender == 'user' // said )\n).size()": 2,
    "[0].filter(n, 1 / n > 0).size() == 0 || true": True,
    "messages.filter(m, messages.exists(n, n != m && n.sender == m.sender)).size()": 4,
    "size(messages.filter(m, true)) + messages.filter(m, true).size()": 8,
}


@pytest.mark.parametrize("text", MEANINGS)
def test_a_loop_means_what_it_says(text: str) -> None:
    assert CelExpression(text, "test")(conversation(4)) == MEANINGS[text]


numbers = st.lists(st.integers(-5, 30), max_size=40)


def state_with(values: list[int]) -> State:
    schema = StateSchema.of({"values": {"type": "array", "default": values}}, "test")
    return State("node", History(), True, 1, schema, schema.initial())


@given(numbers)
def test_a_loop_gives_its_whole_list_in_order(values: list[int]) -> None:
    """However many slices it is made of."""
    state = state_with(values)
    assert CelExpression("state.values.filter(n, n % 2 == 0)", "test")(state) == [n for n in values if n % 2 == 0]
    assert CelExpression("state.values.map(n, n * 2)", "test")(state) == [n * 2 for n in values]
    assert CelExpression("state.values.map(n, n > 3, n * 2)", "test")(state) == [n * 2 for n in values if n > 3]


@given(numbers)
def test_an_element_that_cannot_be_computed_fails_the_whole_loop(values: list[int]) -> None:
    guard = CelGuard("state.values.map(n, 10 / n).size() >= 0")
    if 0 not in values:
        assert guard(state_with(values)) is True
        return
    with pytest.raises(GuardError, match="division by zero"):
        guard(state_with(values))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("messages.filter(m, m.content).size() > 0", "the condition of filter gave 'message 0'"),
        ("turn.map(t, t) == []", "map and filter run over lists and maps, not over 4"),
        ("messages.map(m, m.nothing)[0] == 'x'", "nothing"),
        ("state.nothing.map(m, m)[0] == 'x'", "nothing"),
    ],
)
def test_what_is_wrong_in_a_loop_is_said(text: str, says: str) -> None:
    with pytest.raises(GuardError, match=says):
        CelGuard(text)(conversation(4))


@pytest.mark.parametrize("text", ["messages.map(m, uint(1)) == [1u]", "messages.map(m, 0x1Fu)[0] == 31u", "messages.map(m, type(m)) == []"])
def test_what_a_map_could_not_give_as_it_is_is_refused(text: str) -> None:
    with pytest.raises(GuardError, match="map cannot give unsigned numbers or types"):
        CelGuard(text)


HIDDEN = "messages.map(a, messages.map(b, messages.map(c, c))).size() > 0"
VISIBLE = "[1].exists(a, true) && [1].exists(b, true) && [1].exists(c, true)"


@pytest.mark.parametrize(
    "text",
    [
        f"{VISIBLE} && r'\\' == '' && {HIDDEN} && '' == ''",
        f"{VISIBLE} // '\n && {HIDDEN} && '' == '' // '",
        f'{VISIBLE} && """\\""" """" == "" && {HIDDEN} && "" == ""',
        f"{VISIBLE} && '''it's''' != '' && {HIDDEN} && '''it's''' != ''",
    ],
)
def test_loops_cannot_be_hidden_behind_quotes_or_comments(text: str) -> None:
    with pytest.raises(GuardError):
        CelGuard(text)
