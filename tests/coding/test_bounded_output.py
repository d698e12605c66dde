"""Whatever a program prints, its beginning and its end are kept, and what is left out is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from convgraph.coding.output import BoundedOutput


@given(st.lists(st.binary(max_size=60)), st.integers(2, 100))
def test_head_and_tail_are_kept_and_the_rest_is_counted(chunks: list[bytes], limit: int) -> None:
    chunks = [bytes(byte % 128 for byte in chunk) for chunk in chunks]
    output = BoundedOutput(limit)
    for chunk in chunks:
        output.add(chunk)
    whole = b"".join(chunks).decode()
    if len(whole) <= limit:
        assert output.text() == whole
    else:
        head, tail = whole[: limit // 2], whole[len(whole) - (limit - limit // 2) :]
        assert output.text() == f"{head}\n… {len(whole) - limit:,} bytes left out …\n{tail}"


def test_a_line_of_our_own_begins_a_line() -> None:
    output = BoundedOutput(100)
    output.add_line("one")
    output.add(b"two")
    output.add_line("three")
    assert output.text() == "one\ntwo\nthree\n"


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    output = BoundedOutput(100)
    output.add(b"a\xffb")
    assert output.text() == "a\ufffdb"
