"""AES-GCM over texts. What is sealed for one place opens at no other, and not when a bit of it was changed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Any

from convgraph.errors import MissingDependency
from convgraph.journal.keyring import Keyring

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class Unsealable(Exception):
    """A sealed text does not open: the message says why, and whoever asked knows where it stands."""


class Cipher:
    """Seals texts with a key of its own for one purpose, derived from each key of a ring.

    A purpose is met once for each run, so that the number of random nonces under one key stays far below the bound of AES-GCM.
    """

    __slots__ = ("_by_id", "_keyring", "_newest", "_purpose")

    def __init__(self, keyring: Keyring, *purpose: Any) -> None:
        self._keyring = keyring
        self._purpose = repr(("convgraph 1", *purpose)).encode("utf-8", "surrogatepass")
        self._by_id: dict[str, AESGCM] = {}
        self._newest = keyring.newest

    def seal(self, text: str, *place: Any) -> str:
        """The text, sealed for this place (texts and numbers), with the id of its key in front."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher(self._newest).encrypt(nonce, text.encode("utf-8", "surrogatepass"), _bytes(place))
        return f"{self._newest}:{base64.b64encode(nonce + sealed).decode('ascii')}"

    def open(self, sealed: str | bytes, *place: Any) -> str:
        """The text that was sealed for this place. Raises `Unsealable`."""
        from cryptography.exceptions import InvalidTag

        try:
            text = sealed if isinstance(sealed, str) else sealed.decode("ascii")
            name, colon, encoded = text.partition(":")
            raw = base64.b64decode(encoded, validate=True)
        except (UnicodeDecodeError, binascii.Error, ValueError):
            raise Unsealable("it is no sealed text; it was damaged, or written without keys") from None
        if not colon or len(raw) < _NONCE:
            raise Unsealable("it is no sealed text; it was damaged, or written without keys")
        if self._keyring.key(name) is None:
            raise Unsealable(f"it is sealed with the key {name[:40]!r}, and the keys given are {', '.join(self._keyring.ids)}")
        try:
            return self._cipher(name).decrypt(raw[:_NONCE], raw[_NONCE:], _bytes(place)).decode("utf-8", "surrogatepass")
        except InvalidTag:
            raise Unsealable(
                f"it does not open with the key {name!r}: it was changed or belongs elsewhere, or the key is another"
            ) from None

    def _cipher(self, name: str) -> AESGCM:
        known = self._by_id.get(name)
        if known is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            key = self._keyring.key(name)
            assert key is not None  # seals with the ring's newest, opens after a look
            known = self._by_id[name] = AESGCM(hmac.digest(key, self._purpose, "sha256"))
        return known


def hidden_name(secret: str, *name: Any) -> str:
    """A name that stands for another, the same each time, from which nobody without the secret can tell it."""
    return hmac.digest(secret.encode("ascii"), _bytes(name), hashlib.sha256).hex()[:32]


def require_cryptography() -> None:
    """Raise `MissingDependency` where the library is not installed."""
    try:
        import cryptography.hazmat.primitives.ciphers.aead as _  # noqa: F401
    except ImportError:
        raise MissingDependency("encrypting a store needs cryptography: pip install 'convgraph[crypto]'") from None


def _bytes(place: tuple[Any, ...]) -> bytes:
    """The place as bytes that no other place has."""
    return repr(place).encode("utf-8", "surrogatepass")
