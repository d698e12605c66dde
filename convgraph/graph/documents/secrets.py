"""What has no place in a document: entries whose keys are names of secrets, such as `api_key`, and addresses with a password."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

_SECRETS = tuple(
    "apikey apikeys secret secrets secretkey password passwd authorization privatekey credentials "
    "accesstoken authtoken bearertoken adtoken".split()
)
_ADDRESS_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]*@", re.IGNORECASE)


def without_secrets(value: Any) -> Any:
    """JSON data without the entries that are secrets, such as an `api_key`."""
    if isinstance(value, list):
        return [without_secrets(item) for item in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    named = cast(dict[str, Any], value).items()
    return {key: _properties(item) if key == "properties" else without_secrets(item) for key, item in named if not _is_secret(key, item)}


def secrets_in(value: Any, path: str) -> Iterator[str]:
    """The paths of all entries that `without_secrets` would leave out."""
    if isinstance(value, list):
        for index, item in enumerate(cast(list[Any], value)):
            yield from secrets_in(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in cast(dict[str, Any], value).items():
            if _is_secret(key, item):
                yield f"{path}.{key}"
            elif key == "properties" and isinstance(item, dict):
                for name, schema in cast(dict[str, Any], item).items():
                    yield from secrets_in(schema if isinstance(schema, dict) else {name: schema}, f"{path}.properties")
            else:
                yield from secrets_in(item, f"{path}.{key}")


def _properties(properties: Any) -> Any:
    """The properties of a JSON schema, where `password: {type: string}` names a parameter and gives nothing away."""
    if not isinstance(properties, dict):
        return without_secrets(properties)
    named = cast(dict[str, Any], properties).items()
    return {key: without_secrets(item) for key, item in named if isinstance(item, dict) or not _is_secret(key, item)}


def _is_secret(key: str, item: Any) -> bool:
    if isinstance(item, str) and _ADDRESS_WITH_PASSWORD.match(item):
        return True
    return key.lower().replace("_", "").replace("-", "").endswith(_SECRETS)
