"""Facts in an encrypted database are found as ever, and none of their words can be read there, nor guessed from an index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from convgraph import Keyring, open_facts, open_store
from convgraph.cli import main
from convgraph.errors import StoreCorrupt, WrongKeys
from tests.security.encrypted_stores import NEW, OLD, Place, dump_of, files_of, whispering

WORDS = (b"Rumpel", b"rumpel", b"golden", b"straw", b"spin", b"millers-secret")


class Letters:
    """An embedder of which a vector gives the letters of its text away."""

    name = "letters"
    dimensions = 26

    def describe(self) -> dict[str, str]:
        return {"name": self.name}

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [unit([float(text.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"]) for text in texts]


def unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(part * part for part in vector)) or 1.0
    return [part / length for part in vector]


def stored(place: Place) -> bytes:
    return dump_of(place.url) if place.url.startswith("postgresql") else files_of(Path(place.url))


def learnt(place: Place, keys: Keyring | None = OLD) -> str:
    with open_facts(place.url, keys=keys) as facts:
        facts.remember(
            "tales/grimm", "Rumpelstilzchen spins straw", about="Who makes golden thread?", data={"rumpel": 1}, key="millers-secret"
        )
        facts.remember("tales/grimm", "Rumpelstilzchen spins straw to gold", key="millers-secret")
        facts.remember("tales/other", "Puss wears boots")
        return facts.export()


def test_no_word_of_a_fact_its_key_or_its_data_can_be_read(place: Place) -> None:
    learnt(place)
    with open_facts(place.url, keys=OLD) as facts:
        assert [fact.text for fact in facts.recall("tales", "golden straw spinning")][:1] == ["Rumpelstilzchen spins straw to gold"]
        assert [fact.superseded_by != "" for fact in facts.list("tales/grimm", superseded=True)] == [True, False]
        assert facts.list("tales/grimm", superseded=True)[0].data == {"rumpel": 1}
        found = stored(place)
    assert not [word for word in WORDS if word in found + stored(place)]
    assert b"tales/grimm" in found, "namespaces are not hidden: the page on security says so"


def test_what_a_plain_and_an_encrypted_database_find_is_the_same(place: Place, tmp_path: Path) -> None:
    lines = learnt(place)
    with open_facts(tmp_path / "plain.db") as plain, open_facts(place.url, keys=OLD) as facts:
        plain.import_(lines)
        for query in ("straw", "who wears boots", "golden thread", "nothing of it"):
            found = [(fact.id, fact.score) for fact in facts.recall("tales", query)]
            assert found == [(fact.id, fact.score) for fact in plain.recall("tales", query)]
        assert facts.import_(lines) == 0
        assert facts.forget(namespace="tales/grimm") == 2
        assert facts.recall("tales", "straw") == []


def test_vectors_are_sealed_too(place: Place) -> None:
    """A vector tells a good deal of the text that it was made of."""
    learnt(place)
    with open_facts(place.url, Letters(), keys=OLD) as facts:
        assert facts.recall("tales", "Puss wears boots")[0].text == "Puss wears boots"
    vectors = [bytes(row[0]) for row in place.do("SELECT vector FROM fact_vectors")]
    assert vectors
    assert all(vector.startswith(b"2026-05:") for vector in vectors)


def test_a_fact_that_was_exchanged_or_changed_is_named(place: Place) -> None:
    learnt(place)
    place.do("UPDATE facts SET text=(SELECT text FROM facts o WHERE o.namespace='tales/other') WHERE namespace='tales/grimm'")
    with open_facts(place.url, keys=OLD) as facts, pytest.raises(StoreCorrupt, match=r"fact 'fact-.*' cannot be read"):
        facts.list("tales/grimm")


def test_keys_have_to_fit(place: Place) -> None:
    learnt(place)
    for keys in (None, Keyring({"other": b"x" * 32})):
        with pytest.raises(WrongKeys), open_facts(place.url, keys=keys) as facts:
            facts.list()


def test_beside_encrypted_runs_facts_are_not_written_plain(place: Place) -> None:
    with open_store(place.url, keys=OLD) as store:
        whispering(1).run("hello", store=store, human="park")
    with pytest.raises(WrongKeys, match="the runs in it are encrypted"), open_facts(place.url) as facts:
        facts.remember("tales", "Rumpelstilzchen")
    with open_facts(place.url, keys=OLD) as facts:
        facts.remember("tales", "Rumpelstilzchen")
    assert not [word for word in WORDS if word in stored(place)]


def test_the_commands_encrypt_what_was_plain_and_change_keys(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs and facts alike; afterwards the older key is needed no more."""
    with open_store(place.url) as store:
        whispering(1).run("hello", store=store, run_id="r", human="park")
    learnt(place, None)
    with open_facts(place.url, Letters()) as facts:
        before = facts.recall("tales", "boots")
    (tmp_path / "keys").write_text(OLD.text())
    assert main(["encrypt", "--store", place.url, "--keys", str(tmp_path / "keys")]) == 0
    assert not [word for word in WORDS if word in stored(place)]
    (tmp_path / "keys").write_text(NEW.text())
    assert main(["rekey", "--store", place.url, "--keys", str(tmp_path / "keys")]) == 0
    assert b"2026-05" not in stored(place)
    monkeypatch.setenv("CONVGRAPH_KEYS", NEW.text().splitlines()[0])
    with open_facts(place.url, Letters()) as facts, open_store(place.url) as store:
        assert facts.recall("tales", "boots") == before
        assert facts.remember("tales/grimm", "Once more", key="millers-secret").superseded_by == ""
        assert len(facts.list("tales/grimm")) == 1
        assert [run.status for run in store.runs()] == ["waiting"]
    assert main(["runs", "--store", place.url]) == 0
    monkeypatch.delenv("CONVGRAPH_KEYS")
    assert main(["runs", "--store", place.url]) == 11
    assert main(["rekey", "--store", place.url]) == 2
    assert "CONVGRAPH_KEYS" in capsys.readouterr().err
    assert main(["new-key", "2027-01"]) == 0
    assert Keyring.from_text(capsys.readouterr().out).ids == ("2027-01",)
