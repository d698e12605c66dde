"""What agents have learnt, on the command line: listed, forgotten, exported."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convgraph import Fact, FactStore, open_facts


@pytest.fixture
def known(here: Path) -> Iterator[FactStore]:
    with open_facts("runs.db") as facts:
        facts.remember("users/ada", "Green.", about="What is Ada's colour?", key="colour")
        facts.remember("users/bob", "first line\nsecond line\u202e\u2028end")
        yield facts


def test_facts_are_listed_with_where_they_come_from(command: Any, inside: Any, known: FactStore) -> None:
    ada, bob = known.list()
    listed = command("facts", "list")
    assert (listed.code, listed.err) == (0, "")
    assert listed.out == (
        f"{ada.id}  users/ada  (taught by no run)\n    What is Ada's colour?\n    Green.\n"
        f"{bob.id}  users/bob  (taught by no run)\n    first line\n    second line\ufffd\n    end\n"
    )
    narrowed = inside("facts", "list", "--namespace", "users/ada", "--json").json
    assert [fact["text"] for fact in narrowed["facts"]] == ["Green."]
    assert narrowed["facts"][0]["source"] == {"run_id": "", "step": 0, "path": "", "node": ""}
    assert inside("facts", "list", "--run", "r1").out == "no facts\n"


def test_what_is_exported_can_be_imported(inside: Any, known: FactStore) -> None:
    known.remember("users/ada", "Blue.", about="What is Ada's colour?", key="colour")
    lines = inside("facts", "export").out
    with open_facts(":memory:") as other:
        assert other.import_(lines) == 3
        assert other.list(superseded=True) == known.list(superseded=True)
    assert inside("facts", "export", "--json").json["lines"] == lines.splitlines()
    assert [json.loads(line)["namespace"] for line in inside("facts", "export", "--namespace", "users/bob").out.splitlines()] == [
        "users/bob"
    ]


@pytest.mark.parametrize("how", ["id", "namespace"])
def test_facts_are_forgotten(how: str, inside: Any, known: FactStore) -> None:
    ada, bob = known.list()
    done = inside("facts", "forget", *([ada.id] if how == "id" else ["--namespace", "users/ada"]))
    assert (done.code, done.out) == (0, "1 forgotten\n")
    assert known.list() == [bob]
    assert inside("facts", "forget", "--run", "r1", "--json").json == {"forgotten": 0}


def test_bad_input_forgets_nothing(inside: Any, known: FactStore) -> None:
    ada: Fact = known.list()[0]
    for words, said in (
        (["forget"], "takes one of"),
        (["forget", ada.id, "--namespace", "users"], "takes one of"),
        (["forget", ada.id, "no-such-fact"], "there is no fact 'no-such-fact'"),
        (["forget", "--namespace", "a b"], "words joined by '/'"),
        (["list", ada.id], "takes no ids"),
        (["remember"], "not one of 'list', 'forget', 'export'"),
        (["list", "--store", "nowhere.db"], "there is no store 'nowhere.db'"),
        (["list", "--store", "mysql://x"], "the kinds are"),
    ):
        done = inside("facts", *words)
        assert done.code == 2
        assert said in done.err
    assert len(known.list()) == 2
    assert not Path("nowhere.db").exists()
