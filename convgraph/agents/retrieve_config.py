# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""AutoGen's `retrieve_config`: read, checked, and made into what a retrieving agent consists of."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from convgraph.agents.cut_documents import at_empty_lines, by_function
from convgraph.agents.library import Filling, Library
from convgraph.agents.retrieval_prompts import TASKS, prompt_for
from convgraph.chat.retrieval import LOOKS
from convgraph.errors import DefinitionError

if TYPE_CHECKING:
    from convgraph.knowledge.collection import Collection
    from convgraph.protocols import Embedder

T = TypeVar("T")

RESULTS = 5
"""How many passages are shown at a time, unless it is said otherwise."""

CONTEXT_TOKENS = 3000
"""How many tokens of passages are shown at a time, unless it is said otherwise."""

CHUNK_TOKENS = 200
"""How long a chunk is, unless it is said otherwise: the local embedding model reads about as much."""

_KEYS = frozenset(
    "task model docs_path recursive new_docs get_or_create overwrite vector_db collection_name db_config chunk_token_size "
    "must_break_at_empty_line custom_text_split_function embedding_model embedding_function n_results context_max_tokens "
    "custom_token_count_function distance_threshold search_by customized_prompt customized_answer_prefix update_context looks".split()
)

_ELSEWHERE: Mapping[str, str] = {
    "client": "documents are kept in SQLite here: say where with db_config={'path': 'handbook.db'}, or give collection=",
    "chunk_mode": "chunks end where the text has a break; for others, cut documents with custom_text_split_function=",
    "custom_text_types": "a folder's files of all known kinds are read, and a file that is named in docs_path whatever it is called",
    "extra_docs": "documents are always added to those that are there, unless overwrite= says otherwise",
}
"""AutoGen's keys that are not taken, and what to do instead."""


@dataclass(frozen=True)
class RetrieveConfig:
    """What a retrieving agent goes by: where it looks, how much it shows, and what it says with it."""

    library: Library
    task: str
    number: int
    tokens: int
    prompt: str
    own_prompt: bool
    answer_prefix: str
    update_context: bool
    looks: int

    def describe(self) -> Mapping[str, Any]:
        """The same as plain JSON, as far as it changes what is said."""
        described: dict[str, Any] = {
            "task": self.task,
            "n_results": self.number,
            "context_max_tokens": self.tokens,
            **self.library.describe(),
        }
        if self.own_prompt:
            described["customized_prompt"] = self.prompt
        if self.answer_prefix:
            described["customized_answer_prefix"] = self.answer_prefix
        return {**described, "update_context": self.update_context, "looks": self.looks}


def config_of(agent: str, given: Mapping[str, Any] | None, collection: Collection | None) -> RetrieveConfig:
    """What the agent goes by. Raises `DefinitionError` for unknown keys, values that make no sense, and nothing to look into."""
    where = f"agent {agent!r}"
    if given is not None and not isinstance(given, Mapping):
        raise DefinitionError(f"{where}: retrieve_config= is a mapping, not {given!r:.100}")
    config = _Given(where, {key: value for key, value in (given or {}).items() if value is not None})
    update = config.take("update_context", bool, True)
    task = config.one_of("task", TASKS, "default")
    prompt = config.take("customized_prompt", str, "")
    if prompt and not ("{input_question}" in prompt and "{input_context}" in prompt):
        raise DefinitionError(f"{where}: customized_prompt is to have {{input_question}} and {{input_context}} in it")
    return RetrieveConfig(
        _library(config, collection),
        task,
        config.at_least_1("n_results", RESULTS),
        config.at_least_1("context_max_tokens", CONTEXT_TOKENS),
        prompt or prompt_for(task, may_ask=update),
        bool(prompt),
        config.take("customized_answer_prefix", str, ""),
        update,
        config.at_least_1("looks", LOOKS),
    )


def _library(config: _Given, collection: Collection | None) -> Library:
    """The collection that is given, or one for the documents that are named."""
    kept = config.take("vector_db", object, None)
    if isinstance(kept, str):
        raise DefinitionError(f"{config.where}: there is no vector_db={kept!r}; {_ELSEWHERE['client']}")
    if kept is not None and collection is not None:
        raise DefinitionError(f"{config.where}: collection= and vector_db are the same; give one of them")
    chosen = kept if kept is not None else collection
    tokens = config.at_least_1("chunk_token_size", CHUNK_TOKENS)
    made = _new_collection(config, tokens) if chosen is None else _given_collection(config, chosen)
    filling = _filling(config, tokens)
    if chosen is None and filling is None and made.path == ":memory:":
        raise DefinitionError(
            f"{config.where}: there is nothing to look into; give collection=, or a retrieve_config= with docs_path (files, folders), "
            "or with db_config={'path': …} of a collection that is there"
        )
    distance = config.take("distance_threshold", (int, float), -1)
    by = config.one_of("search_by", ("meaning", "words", "both"), "meaning")
    if distance >= 0 and by == "words":
        raise DefinitionError(f"{config.where}: distance_threshold is a distance of meanings, which search_by='words' does not look at")
    return Library(made, filling, cast("Any", by), distance if distance >= 0 else None, config.function("custom_token_count_function"))


def _given_collection(config: _Given, collection: Any) -> Collection:
    from convgraph.knowledge.collection import Collection

    if not isinstance(collection, Collection):
        raise DefinitionError(f"{config.where}: a collection is a convgraph.knowledge.Collection, not {collection!r:.100}")
    for key in ("collection_name", "embedding_model", "embedding_function", "db_config"):
        if key in config.config:
            raise DefinitionError(f"{config.where}: {key} is the collection's own: leave it out, or leave the collection out")
    return collection


def _new_collection(config: _Given, tokens: int) -> Collection:
    from convgraph.knowledge.collection import Collection

    database = config.take("db_config", Mapping, cast("Mapping[str, Any]", {}))
    if unknown := sorted(set(database) - {"path"}):
        raise DefinitionError(f"{config.where}: db_config takes 'path', not {', '.join(unknown)}; {_ELSEWHERE['client']}")
    name = config.take("collection_name", str, "documents")
    overlap = min(30, tokens // 2)
    return Collection(database.get("path", ":memory:"), name, embedder=_embedder(config), chunk_tokens=tokens, chunk_overlap=overlap)


def _embedder(config: _Given) -> Embedder:
    from convgraph.models.local_embedder import INSTALLED, LocalEmbedder
    from convgraph.protocols import Embedder

    given = config.take("embedding_function", object, None)
    if given is not None and not isinstance(given, Embedder):
        raise DefinitionError(f"{config.where}: embedding_function is an embedder (a name, dimensions, embed), not {given!r:.100}")
    model = config.take("embedding_model", (str, os.PathLike), INSTALLED)
    if isinstance(given, Embedder):
        return given
    if model == INSTALLED:
        return LocalEmbedder()
    if not os.path.isdir(model):  # noqa: PTH112  # a name or a path
        raise DefinitionError(f"{config.where}: there is no embedding_model={model!r}: it is {INSTALLED!r}, or the folder of one like it")
    return LocalEmbedder(model)


def _filling(config: _Given, tokens: int) -> Filling | None:
    paths: Any = config.take("docs_path", (str, os.PathLike, list, tuple), None)
    recursive, new_docs = config.take("recursive", bool, True), config.take("new_docs", bool, True)
    get_or_create, overwrite = config.take("get_or_create", bool, True), config.take("overwrite", bool, False)
    cut = config.function("custom_text_split_function")
    strictly = config.take("must_break_at_empty_line", bool, False)
    if paths is None:
        return None
    given = cast("Sequence[Any]", paths) if isinstance(paths, list | tuple) else [paths]
    if not given or not all(isinstance(path, str | os.PathLike) for path in given):
        raise DefinitionError(f"{config.where}: docs_path is a path, or a list of paths, not {paths!r:.100}")
    listed = tuple(str(path) for path in given)
    for path in listed:
        if "://" in path:
            raise DefinitionError(
                f"{config.where}: docs_path names files and folders, and {path!r} is an address: fetch it into a file first"
            )
    by = partial(by_function, cut, tokens) if cut is not None else partial(at_empty_lines, tokens) if strictly else None
    return Filling(listed, recursive, new_docs, get_or_create, overwrite, by)


class _Given:
    """A `retrieve_config`, whose keys are known. `model` is AutoGen's, which counts tokens by it; nothing goes by it here."""

    def __init__(self, where: str, config: Mapping[str, Any]) -> None:
        self.where = where
        self.config = config
        for key in sorted(set(config) - _KEYS, key=str):
            why = _ELSEWHERE.get(key) or f"it takes {', '.join(sorted(_KEYS))}"
            raise DefinitionError(f"{where}: retrieve_config has no {key!r}: {why}")

    def take(self, key: str, kind: type[T] | tuple[type[Any], ...], default: Any) -> Any:
        """The key's value. Raises `DefinitionError` where it is of another kind."""
        value = self.config.get(key)
        if value is None:
            return default
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise DefinitionError(f"{self.where}: {key} is {' or '.join(one.__name__ for one in kinds)}, not {value!r:.100}")

    def at_least_1(self, key: str, default: int) -> int:
        """A whole number, 1 or more."""
        value = self.take(key, int, default)
        if value < 1:
            raise DefinitionError(f"{self.where}: {key} is 1 or more, not {value}")
        return value

    def one_of(self, key: str, choices: Sequence[str], default: str) -> str:
        """One of these words."""
        value = self.take(key, str, default)
        if value not in choices:
            raise DefinitionError(f"{self.where}: {key} is one of {', '.join(choices)}, not {value!r}")
        return value

    def function(self, key: str) -> Callable[..., Any] | None:
        """A function, or None."""
        value = self.take(key, object, None)
        if value is not None and not callable(value):
            raise DefinitionError(f"{self.where}: {key} is a function, not {value!r:.100}")
        return value
