"""A sentence transformer of BERT's make (all-MiniLM-L6-v2 and its like), in numpy: texts to vectors, without torch.

Importing this module loads numpy, safetensors and tokenizers; `local_embedder` does so with its first text.
"""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType]
from tokenizers import Tokenizer

Floats: TypeAlias = NDArray[np.float32]

TOKENS_AT_ONCE = 2048
"""How many tokens are computed together: more would need more memory and be no faster."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the weights' own configuration says of them."""

    layers: int
    heads: int
    epsilon: float
    longest: int


class OneCore:
    """While anybody is inside, numpy's products are computed in the calling thread alone.

    Matrices of this size gain nothing from a second core, and wait for it where it is busy: on a machine under load, a query
    took twelve times as long. Without `threadpoolctl` (it comes with the extra), numpy does as it likes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limit.enter_context(_limited())
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.close()


class SentenceEncoder:
    """The weights and the tokenizer of one model. Reading them takes about half a second; encoding changes nothing in it."""

    def __init__(self, folder: Path) -> None:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._shape = Shape(config["num_hidden_layers"], config["num_attention_heads"], config["layer_norm_eps"], _longest(folder, config))
        self._weights: Mapping[str, Floats] = {
            name.removeprefix("bert."): weight.astype(np.float32, copy=False)
            for name, weight in load_file(folder / "model.safetensors").items()
            if not name.endswith("position_ids")
        }
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._shape.longest)
        self._one_core = OneCore()

    @property
    def longest(self) -> int:
        """How many tokens are read of a text."""
        return self._shape.longest

    def encode(self, texts: Sequence[str]) -> Floats:
        """A row of length 1 for each text, in order. What is longer than the model reads is cut at its end."""
        # One by one: the tokenizer's own batches start threads, which a process that forks later must not have.
        ids: list[list[int]] = [self._tokenizer.encode(text).ids for text in texts]
        rows = np.empty((len(texts), self._weights["embeddings.LayerNorm.weight"].shape[0]), np.float32)
        with self._one_core:
            for batch in _batches([len(each) for each in ids]):
                rows[batch] = self._mean_of_states([ids[place] for place in batch])
        return rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True))

    def _mean_of_states(self, ids: Sequence[Sequence[int]]) -> Floats:
        longest = max(map(len, ids))
        padded = np.array([[*each, *[0] * (longest - len(each))] for each in ids])
        real = np.array([[1.0] * len(each) + [0.0] * (longest - len(each)) for each in ids], np.float32)
        states = self._states(padded, real)
        summed: Floats = (states * real[:, :, None]).sum(axis=1)
        return summed / real.sum(axis=1, keepdims=True)

    def _states(self, ids: NDArray[np.int64], real: Floats) -> Floats:
        weights = self._weights
        states = weights["embeddings.word_embeddings.weight"][ids]
        states = (
            states
            + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        states = self._normalised(states, "embeddings.LayerNorm")
        hidden = ((1.0 - real) * np.finfo(np.float32).min)[:, None, None, :]
        for number in range(self._shape.layers):
            layer = f"encoder.layer.{number}"
            attended = self._linear(self._attention(states, hidden, f"{layer}.attention.self"), f"{layer}.attention.output.dense")
            states = self._normalised(states + attended, f"{layer}.attention.output.LayerNorm")
            thought = self._linear(_gelu(self._linear(states, f"{layer}.intermediate.dense")), f"{layer}.output.dense")
            states = self._normalised(states + thought, f"{layer}.output.LayerNorm")
        return states

    def _attention(self, states: Floats, hidden: Floats, name: str) -> Floats:
        batch, length, width = states.shape
        heads = self._shape.heads

        def by_head(part: str) -> Floats:
            return self._linear(states, f"{name}.{part}").reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)

        scores = by_head("query") @ by_head("key").transpose(0, 1, 3, 2) / np.float32((width // heads) ** 0.5) + hidden
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ by_head("value")
        return mixed.transpose(0, 2, 1, 3).reshape(batch, length, width)

    def _linear(self, states: Floats, name: str) -> Floats:
        return states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normalised(self, states: Floats, name: str) -> Floats:
        centred = states - states.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(self._shape.epsilon))
        return centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _limited() -> AbstractContextManager[Any]:
    try:
        threadpoolctl = importlib.import_module("threadpoolctl")
    except ImportError:
        return nullcontext()
    return threadpoolctl.threadpool_limits(1, user_api="blas")


def _longest(folder: Path, config: Mapping[str, Any]) -> int:
    """How many tokens the model reads of a text: the sentence transformer's limit, else the weights'."""
    limit = folder / "sentence_bert_config.json"
    said: dict[str, Any] = json.loads(limit.read_text(encoding="utf-8")) if limit.exists() else {}
    return min(said.get("max_seq_length") or config["max_position_embeddings"], config["max_position_embeddings"])


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The places of texts that are computed together: those of similar length, so that little is spent on filling up."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[place] > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _gelu(x: Floats) -> Floats:
    share = _erf(x * np.float32(0.5**0.5)) + np.float32(1.0)
    share *= x
    share *= np.float32(0.5)
    return share


def _erf(x: Floats) -> Floats:
    """The error function after Abramowitz and Stegun 7.1.26: as exact as the weights, and numpy has none."""
    size = np.abs(x)
    t = np.float32(1.0) / (np.float32(1.0) + np.float32(0.3275911) * size)
    factors = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
    series = np.zeros_like(x)
    for factor in factors:
        series = (series + np.float32(factor)) * t
    return cast("Floats", np.copysign(np.float32(1.0) - series * np.exp(-size * size), x))
