"""AutoGen's `config_list`: read from the environment and from files, made for several keys or models, and filtered.

No key is ever part of an error's text, not even where a key stands where something else belongs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

from convgraph.errors import ModelConfigError

Entry: TypeAlias = Mapping[str, Any]


def config_list_from_json(
    env_or_file: str, file_location: str | os.PathLike[str] = "", filter_dict: Entry | None = None
) -> list[dict[str, Any]]:
    """The configurations in the environment variable `env_or_file`, or in the file of that name in `file_location`.

    The variable holds the JSON list itself, or the path of a file that does. With `filter_dict`, only those that
    `filter_config` lets through. Raises `ModelConfigError` when there is nothing to read or it is no list of objects.
    """
    from_env = os.environ.get(env_or_file, "").strip()
    if not from_env:
        path = Path(file_location) / env_or_file
        text, where = _read(path, f"there is neither an environment variable {env_or_file!r} nor a file {str(path)!r}"), str(path)
    elif from_env.startswith(("[", "{")):
        text, where = from_env, f"the environment variable {env_or_file!r}"
    else:
        # What it holds may be a key that was put there by mistake.
        where = f"the file that the environment variable {env_or_file!r} names"
        text = _read(Path(from_env), f"{where} cannot be read; it is to hold a JSON list, or the path of a file with one")
    try:
        configs: Any = json.loads(text)
    except ValueError as error:
        raise ModelConfigError(f"{where} does not hold JSON: {error}") from None
    if not isinstance(configs, list) or not all(isinstance(entry, dict) for entry in cast("list[Any]", configs)):
        raise ModelConfigError(f"{where} is to hold a JSON list of objects like {{'model': …, 'api_key': …}}")
    return filter_config(cast("list[dict[str, Any]]", configs), filter_dict)


def config_list_from_models(
    key_file_path: str | os.PathLike[str] = ".", openai_api_key_file: str = "key_openai.txt", *, model_list: Sequence[str]
) -> list[dict[str, Any]]:
    """A configuration for each model of `model_list`, in this order: the next is asked when one fails.

    The key is the first line of `openai_api_key_file` in `key_file_path`. Without such a file there is none in the
    configurations, and `OPENAI_API_KEY` is used when a request is made.
    """
    if isinstance(model_list, str):
        raise ModelConfigError(f"model_list is a list of models' names, such as [{model_list!r}], not one text")
    path = Path(key_file_path) / openai_api_key_file
    key = _read(path, f"the key file {str(path)!r} cannot be read").strip().partition("\n")[0].strip() if path.exists() else ""
    return [{"model": model, "api_key": key} if key else {"model": model} for model in model_list]


def config_list_from_dotenv(
    dotenv_file_path: str | os.PathLike[str] = ".env", *, model_api_key_map: Mapping[str, str | Entry], filter_dict: Entry | None = None
) -> list[dict[str, Any]]:
    """A configuration for each model of `model_api_key_map`, with its key from a file of lines like `NAME=value`.

    The map says for each model in which variable its key is, or more: `{"api_key_env_var": …, "base_url": …, …}`. A
    variable that the file lacks is looked up in the environment, which stays as it is. Raises `ModelConfigError` when
    a variable is nowhere, or the file cannot be read.
    """
    path = Path(dotenv_file_path)
    found = _assignments(_read(path, f"the file {str(path)!r} cannot be read"))
    configs: list[dict[str, Any]] = []
    for model, given in model_api_key_map.items():
        entry = {"api_key_env_var": given} if isinstance(given, str) else dict(given)
        variable = entry.pop("api_key_env_var", "OPENAI_API_KEY")
        key = found.get(variable) or os.environ.get(variable)
        if not key:
            raise ModelConfigError(f"the key of {model!r} is to be in {variable!r}, which neither {str(path)!r} nor the environment has")
        configs.append({"model": model, "api_key": key, **entry})
    return filter_config(configs, filter_dict)


def get_config_list(
    api_keys: Sequence[str], base_urls: Sequence[str] | None = None, api_type: str | None = None, api_version: str | None = None
) -> list[dict[str, Any]]:
    """A configuration for each key, with the base URL of the same place; they still need a `model`, each or beside them all.

    Raises `ModelConfigError` when there are base URLs, but not as many as keys.
    """
    if base_urls is not None and len(base_urls) != len(api_keys):
        raise ModelConfigError(f"there are {len(api_keys)} keys and {len(base_urls)} base_urls; give one for each key")
    shared = {key: value for key, value in (("api_type", api_type), ("api_version", api_version)) if value is not None}
    places: list[dict[str, Any]] = [{} for _ in api_keys] if base_urls is None else [{"base_url": url} for url in base_urls]
    return [{"api_key": key, **place, **shared} for key, place in zip(api_keys, places, strict=True)]


def filter_config(config_list: Iterable[Entry], filter_dict: Entry | None, exclude: bool = False) -> list[dict[str, Any]]:
    """The configurations that match `filter_dict` (with `exclude`: those that do not).

    `filter_dict` maps keys to a value or a list of values. A configuration matches when, for each key, its value is
    one of them; where its value is itself a list (as `tags` are), when the two have a value in common. A key that it
    lacks matches None.
    """
    configs = [dict(entry) for entry in config_list]
    if not filter_dict:
        return configs
    wanted = {key: _as_list(values) for key, values in filter_dict.items()}
    return [entry for entry in configs if _matches(entry, wanted) != exclude]


def _matches(entry: Entry, wanted: Mapping[str, Sequence[Any]]) -> bool:
    return all(any(value in values for value in _as_list(entry.get(key))) for key, values in wanted.items())


def _as_list(value: Any) -> list[Any]:
    return list(cast("Iterable[Any]", value)) if isinstance(value, list | tuple | set | frozenset) else [value]


def _read(path: Path, problem: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelConfigError(f"{problem} ({error.strerror})") from None
    except ValueError:  # not UTF-8, or a path that no file can have
        raise ModelConfigError(f"{problem} (it is no text in UTF-8)") from None


def _assignments(text: str) -> dict[str, str]:
    """The `NAME=value` lines of a file, without `export`, quotes and comments."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        value = value.strip()
        quoted = value[:1] in ("'", '"') and value.find(value[0], 1) > 0
        found[name.strip()] = value[1 : value.find(value[0], 1)] if quoted else value.partition(" #")[0].strip()
    return found
