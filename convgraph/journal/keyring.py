"""The keys that a store is encrypted with: by id, from a file or the environment. They are never shown, stored or logged."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path

from convgraph.errors import InputError

VARIABLE = "CONVGRAPH_KEYS"
KEY_BYTES = 32


class Keyring:
    """Keys of 32 bytes by id. The first one is the newest: it seals what is written; all of them open what was.

    As text, a key is `id:base64`; several are separated by commas or line breaks, and `#` begins a comment. Raises
    `InputError` for what is no key, without repeating it.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise InputError("a keyring needs at least one key: Keyring.new('2026-11') makes one")
        for name, key in keys.items():
            if not re.fullmatch(r"[A-Za-z0-9.-]{1,40}", name):
                raise InputError("the id of a key is made of up to 40 letters, digits, dots and dashes; one of these ids is not")
            if len(key) != KEY_BYTES:
                raise InputError(f"key {name!r} has {len(key)} bytes; a key has {KEY_BYTES} (`convgraph new-key` makes one)")
        self._keys = {name: bytes(key) for name, key in keys.items()}

    @classmethod
    def new(cls, name: str) -> Keyring:
        """A keyring with one new key, made of the system's randomness."""
        return cls({name: os.urandom(KEY_BYTES)})

    @classmethod
    def from_text(cls, text: str, source: str = "the keys") -> Keyring:
        """The keys in a text. `source` is what it is called in messages."""
        entries = [entry.partition("#")[0].strip() for line in text.splitlines() for entry in line.partition("#")[0].split(",")]
        keys: dict[str, bytes] = {}
        for number, entry in enumerate(filter(None, entries), 1):
            name, colon, encoded = entry.partition(":")
            if not colon:
                raise InputError(f"{source}: entry {number} is no key; a key is written id:base64")
            if name in keys:
                raise InputError(f"{source}: there are two keys with the id of entry {number}")
            try:
                keys[name] = base64.b64decode(encoded, validate=True)
            except ValueError:  # binascii.Error, and what is no ASCII
                raise InputError(f"{source}: the key in entry {number} is no base64") from None
        if not keys:
            raise InputError(f"{source}: there is no key in it; a key is written id:base64")
        return cls(keys)

    @classmethod
    def from_file(cls, path: str | Path) -> Keyring:
        """The keys in a file, the newest first. Raises `InputError` where it cannot be read."""
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise InputError(f"the file of keys {str(path)!r} cannot be read: {reason}") from None
        return cls.from_text(text, f"the file of keys {str(path)!r}")

    @classmethod
    def from_environment(cls) -> Keyring | None:
        """The keys in `CONVGRAPH_KEYS` (or, if that is `@path`, in the file there); None where it is not set."""
        text = os.environ.get(VARIABLE, "")
        if not text.strip():
            return None
        return cls.from_file(text[1:]) if text.startswith("@") else cls.from_text(text, VARIABLE)

    @property
    def newest(self) -> str:
        """The id of the key that seals what is written."""
        return next(iter(self._keys))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, the newest first."""
        return tuple(self._keys)

    def key(self, name: str) -> bytes | None:
        """The key of this id, if there is one."""
        return self._keys.get(name)

    def text(self) -> str:
        """The keys as text, one a line: what `from_file` reads. Keep it where only those may read it who may read the store."""
        return "".join(f"{name}:{base64.b64encode(key).decode('ascii')}\n" for name, key in self._keys.items())

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"

    def __reduce__(self) -> str:
        raise TypeError("a keyring is not copied into other places: read it from its file there")
