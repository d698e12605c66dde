"""YAML is written to be read by people, and read as nothing but plain data."""

import time
from typing import Any

import pytest
import yaml

from convgraph.errors import DefinitionError
from convgraph.graph.documents import dumps_yaml, loads_yaml

PROMPT = "You write essays.\n\nBe brief: # never more\n  than a page.\n"


def test_texts_of_several_lines_are_blocks_and_the_order_is_kept() -> None:
    document = {"version": 1, "name": "essay", "nodes": [{"name": "writer", "detail": {"system_message": PROMPT, "a": []}}]}
    assert dumps_yaml(document) == (
        "version: 1\n"
        "name: essay\n"
        "nodes:\n"
        "- name: writer\n"
        "  detail:\n"
        "    system_message: |\n"
        "      You write essays.\n"
        "\n"
        "      Be brief: # never more\n"
        "        than a page.\n"
        "    a: []\n"
    )


def test_a_changed_word_changes_one_line() -> None:
    before = dumps_yaml({"prompt": PROMPT, "long": "word " * 100 + "end"}).splitlines()
    after = dumps_yaml({"prompt": PROMPT.replace("brief", "quick"), "long": "word " * 100 + "end"}).splitlines()
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_a_value_used_twice_is_written_out_twice() -> None:
    shared = {"temperature": 0}
    assert "&" not in dumps_yaml({"one": shared, "two": shared})


def test_words_are_what_they_look_like() -> None:
    text = "{on: error, yes: no, time: 12:30, day: 2020-01-01, octal: 010, sci: 1e5, nothing: , <<: x, y: 1.5, n: -3, t: true, v: 1_0}"
    assert loads_yaml(text) == {
        "on": "error",
        "yes": "no",
        "time": "12:30",
        "day": "2020-01-01",
        "octal": "010",
        "sci": "1e5",
        "nothing": None,
        "<<": "x",
        "y": 1.5,
        "n": -3,
        "t": True,
        "v": "1_0",
    }


def test_another_reader_of_yaml_reads_the_same() -> None:
    document = {"on": "on", "yes": ["no", "12:30", "1e5", "010", "null", "~", "2020-01-01", "0x1f", "="], "<<": {"a": 1.0e20}}
    assert yaml.safe_load(dumps_yaml(document)) == document


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)
HOSTILE: dict[str, tuple[str, str]] = {
    "an alias bomb": (BOMB, "line 1, column 4: anchors and aliases are not allowed"),
    "an alias": ("a: *b\n", "line 1, column 4: anchors and aliases"),
    "an alias to itself": ("a: &a [*a]", "anchors and aliases"),
    "a Python object": (
        "a: !!python/object/apply:os.system [ls]",
        "line 1, column 4: the tag 'tag:yaml.org,2002:python/object/apply:os.system'",
    ),
    "a local tag": ("a: !secret x", "the tag '!secret' is not allowed"),
    "a tag on a mapping": ("--- !!set {a, b}", "the tag 'tag:yaml.org,2002:set' is not allowed"),
    "binary data": ("a: !!binary aGVsbG8=", "is not allowed"),
    "a key twice": ("name: a\nnodes: []\nname: b\n", "line 3, column 1: the key 'name' is there twice"),
    "a key twice, deeper": ("a:\n- b: 1\n  'b': 2\n", "line 3, column 3: the key 'b' is there twice"),
    "a number as a key": ("visits: {1: 2}", "line 1, column 10: a key is a text; put it in quotes"),
    "a list as a key": ("? [a]\n: b", "a key is a text"),
    "two documents": ("a: 1\n---\nb: 2\n", "line 2"),
    "no document": ("", "a graph is a mapping with 'version', 'name', 'nodes' …, not None"),
    "a text": ("hello", "a graph is a mapping"),
    "a broken line": ("a: [1, 2", "line 1"),
    "a tab": ("a:\n\t- b", "line 2"),
    "a control character": ("a: \x00", "special characters are not allowed"),
    "brackets without end": ("a: " + "[" * 5_000, "values nest deeper than 100"),
    "braces without end": ("{a: " * 5_000, "values nest deeper than 100"),
    "dashes without end": ("- " * 5_000 + "a", "values nest deeper than 100"),
    "a number without end": ("a: " + "9" * 10_000, "digits"),
    "a text without end": ("a: " + "x" * 1_000_001, "at most 1000000 are allowed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_at_once_and_clearly(name: str) -> None:
    text, said = HOSTILE[name]
    began = time.perf_counter()
    with pytest.raises(DefinitionError) as refused:
        loads_yaml(text, "essay.yaml")
    assert time.perf_counter() - began < 5
    assert str(refused.value).startswith("essay.yaml")
    assert said in str(refused.value)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j])
def test_only_plain_data_is_written(value: Any) -> None:
    with pytest.raises(DefinitionError, match="has no JSON form"):
        dumps_yaml({"a": value})
