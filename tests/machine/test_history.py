"""A history is a value: extending it changes no other, and equal histories have equal digests."""

from enum import Enum
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from convgraph.messages import History, Message, ToolCall, digest_of, message_bytes

texts = st.text(max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
messages = st.builds(
    Message, texts, texts, st.sampled_from(["user", "assistant"]), data=values, tool_calls=st.just(()) | st.just((ToolCall("1", "f"),))
)
plans = st.lists(st.tuples(st.integers(0, 30), st.lists(messages, max_size=3), st.booleans()), max_size=25)


@given(plans)
def test_interleaved_extensions_see_only_their_own_messages(plan: list[tuple[int, list[Message], bool]]) -> None:
    """Any history may be extended any number of times, in any order, with digests asked for in between."""
    known: list[tuple[History, list[Message]]] = [(History(), [])]
    for choice, added, ask in plan:
        history, expected = known[choice % len(known)]
        if ask:
            history.digest()
        known.append((history.extend(added), expected + added))
    for history, expected in known:
        assert list(history) == expected
        assert len(history) == len(expected)
        assert history[-2:] == expected[-2:]
        assert history.digest() == History(expected).digest()


@given(st.lists(messages, max_size=6), st.lists(messages, max_size=6))
def test_digests_are_equal_exactly_where_histories_are(first: list[Message], second: list[Message]) -> None:
    assert (History(first) == History(second)) == (History(first).digest() == History(second).digest()) or _only_looks_equal(first, second)


def _only_looks_equal(first: Any, second: Any) -> bool:
    """Python finds True and 1 equal; JSON, and so a digest, does not."""
    return first == second and any(isinstance(_leaf, bool) for _leaf in _leaves([message.data for message in (*first, *second)]))


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return [leaf for inner in value for leaf in _leaves(inner)] if isinstance(value, list) else [value]


@given(st.lists(messages, min_size=1, max_size=8), st.data())
def test_a_digest_is_chained(said: list[Message], data: st.DataObject) -> None:
    """A history's digest depends on every message and on their order, also where it is asked for on the way."""
    place = data.draw(st.integers(0, len(said) - 1))
    edited = [*said[:place], Message("someone else", "something else"), *said[place + 1 :]]
    history = History()
    for message in said:
        history = history.extend([message])
        history.digest()
    assert history.digest() == History(said).digest() != History(edited).digest()
    assert history.replace_last(Message("x", "y")).digest() == History([*said[:-1], Message("x", "y")]).digest()


@given(st.dictionaries(texts, values, min_size=2, max_size=4))
def test_the_order_of_keys_does_not_count(data: dict[str, Any]) -> None:
    turned = dict(reversed(data.items()))
    assert message_bytes(Message("a", "b", data=data)) == message_bytes(Message("a", "b", data=turned))
    part, turned_part = {"type": "text", **data}, {**turned, "type": "text"}
    if part == turned_part:
        assert message_bytes(Message("a", [part])) == message_bytes(Message("a", [turned_part]))


def test_a_message_cannot_pass_for_another() -> None:
    """Boundaries between fields count: moving a letter from one to the next gives another digest."""
    text, parts = Message("a", "[{'type': 'x'}]"), Message("a", [{"type": "x"}])
    pairs = [(Message("ab", "c"), Message("a", "bc")), (text, parts), (Message("a", "1"), Message("a", data=1))]
    for one, other in pairs:
        assert message_bytes(one) != message_bytes(other)


def test_a_text_counts_as_text_whatever_its_class() -> None:
    """An enumeration's member is read back from a journal as plain text, and must not look like another message then."""

    class Answer(str, Enum):  # noqa: UP042 - a StrEnum prints as its value, this one does not
        YES = "yes"

    assert message_bytes(Message("a", Answer.YES, data={Answer.YES: [Answer.YES]})) == message_bytes(
        Message("a", "yes", data={"yes": ["yes"]})
    )


@given(st.lists(messages, max_size=6), st.lists(messages, max_size=4), st.data())
def test_the_digest_of_a_beginning_is_that_of_a_history_of_it(said: list[Message], added: list[Message], data: st.DataObject) -> None:
    whole = [*said, *added]
    size = data.draw(st.integers(0, len(whole)))
    expected = History(whole[:size]).digest()

    assert History(whole).digest(size) == expected
    assert History(said).then(added).digest(size) == expected
    assert digest_of(whole, size) == expected


def test_a_history_knows_whether_there_is_more_than_text_in_it() -> None:
    """Also one that shares what it holds with another that has gone on differently."""
    told = History([Message("a", "one")])
    shown = told.extend([Message("b", [{"type": "text", "text": "two"}])])

    assert not told.extend([Message("b", "two")]).has_parts
    assert shown.has_parts
    assert shown.extend([Message("a", "three")]).has_parts
    assert History(list(shown)).has_parts
