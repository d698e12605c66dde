"""The parts of a message's content that are no plain text: pictures, from whatever somebody has one as.

A picture that is at hand (a file, bytes, a drawing in memory) becomes part of the message, as a data URI: what was shown is then
in the journal, whatever becomes of the file. One that has an address on the web stays an address, and the endpoint fetches it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from convgraph.errors import InputError
from convgraph.wording import counted

Part: TypeAlias = dict[str, Any]
"""One part of a multimodal content, in the shape of OpenAI's chat completions: `{"type": "text", …}`."""
Content: TypeAlias = str | list[Part]

Detail: TypeAlias = Literal["auto", "low", "high", "original"]
"""How closely a model looks at a picture, where its provider lets one choose."""

LARGEST = 20_000_000
"""Bytes of the largest picture that is taken: about what providers take."""

_DETAILS = ("auto", "low", "high", "original")
_TAG = re.compile(r"<img\s+([^<>]+?)\s*/?>")
_DATA = re.compile(r"data:image/([\w.+-]+);base64,")
_WHOLE_DATA = re.compile(rf"{_DATA.pattern}([A-Za-z0-9+/=_-]*)")
_ADDRESS = re.compile(r"https?://[^\s<>\"']+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def image(source: Any, *, detail: Detail | None = None) -> Part:
    """A picture as a part of a message's content: `initiate_chat(agent, message={"content": [image("plot.png"), …]})`.

    `source` is the path of a file, the address of a picture on the web (`https://…`, which is not fetched here), a data URI,
    bytes, a PIL image, or a matplotlib figure. Files and bytes are PNG, JPEG, GIF or WebP, which is told by how they begin and not by
    their name, and no larger than 20 MB. `detail` says how closely a model is to look.

    Raises `InputError` for everything else; for an address with a password in it too, since it would be written to the journal.
    """
    if detail is not None and detail not in _DETAILS:
        raise InputError(f"image(detail=…) is one of {', '.join(_DETAILS)}, not {detail!r}")
    shown = {"url": _url_of(source)}
    return {"type": "image_url", "image_url": shown if detail is None else {**shown, "detail": detail}}


def message_parts(text: str) -> list[Part]:
    """The parts of a text in which `<img SOURCE>` stands for a picture: the path of a file, or an address on the web.

    It reads files, so it is for what you have written yourself, never for what a model, a tool or a stranger has. Raises `InputError`
    where there is no such picture.
    """
    parts: list[Part] = []
    end = 0
    for tag in _TAG.finditer(text):
        parts += [*_text_part(text[end : tag.start()]), image(tag[1])]
        end = tag.end()
    return [*parts, *_text_part(text[end:])] or [{"type": "text", "text": ""}]


def names_images(text: str) -> list[str]:
    """What the text names as `<img SOURCE>`, in order."""
    return _TAG.findall(text)


def image_address(part: Any) -> str | None:
    """The data URI or web address of a part that is a picture; None for one that is not."""
    if not isinstance(part, Mapping) or cast("Mapping[str, Any]", part).get("type") not in ("image_url", "input_image"):
        return None
    shown: Any = cast("Mapping[str, Any]", part).get("image_url")
    address: Any = cast("Mapping[str, Any]", shown).get("url") if isinstance(shown, Mapping) else shown
    return address if isinstance(address, str) else ""


def is_image(part: Any) -> bool:
    """Whether a part is a picture."""
    return image_address(part) is not None


def image_digest(part: Part) -> str:
    """What a picture is told apart by: equal for equal pictures, however they were given."""
    return hashlib.blake2b((image_address(part) or "").encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def part_text(part: Mapping[str, Any]) -> str:
    """The part as people and guards read it: its text, or `<image png, 12 kB>`, never the picture itself."""
    if "text" in part:
        return str(part["text"])
    address = image_address(part)
    if address is None:
        return f"<{part.get('type', 'part')}>"
    data = _DATA.match(address)
    if data is not None:
        return f"<image {data[1]}, {_size_of_base64(address[-2:], len(address) - data.end())}>"
    where = address.partition("?")[0]
    return f"<image {where:.200}>" if _ADDRESS.fullmatch(where) else "<image>"


def abbreviated(text: str) -> str:
    """The text with each picture in it as its kind, its size and a digest: what a person can read, and still tell apart."""

    def brief(data: re.Match[str]) -> str:
        digest = hashlib.blake2b(data[0].encode(), digest_size=6).hexdigest()
        return f"data:image/{data[1]};… ({_size_of_base64(data[2][-2:], len(data[2]))}, {digest})"

    return _WHOLE_DATA.sub(brief, text)


def brief_content(content: Content) -> Content:
    """The content with each picture in it as its kind, its size and a digest: for documents that people read."""
    if isinstance(content, str):
        return content
    return [
        part if image_address(part) is None else {**part, "image_url": {"url": abbreviated(image_address(part) or "")}} for part in content
    ]


def check_image(part: Mapping[str, Any], what: str) -> None:
    """Raise `InputError` for a part that says that it is a picture and shows none."""
    if part.get("type") == "image_url" and not image_address(part):
        raise InputError(f"{what}: a picture is {{'type': 'image_url', 'image_url': {{'url': …}}}}, as convgraph.image(…) makes it")


def _url_of(source: Any) -> str:
    if isinstance(source, str) and source.startswith("data:"):
        return _data_uri(_bytes_of_uri(source), "the data URI")
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        return _checked_address(source)
    if isinstance(source, str) and _SCHEME.match(source) and not Path(source).exists():
        raise InputError(f"image({source!r:.100}): a picture's address begins with http:// or https://; of a file, give the path")
    if isinstance(source, str | os.PathLike):
        path = Path(cast("str | os.PathLike[str]", source))
        return _data_uri(_read(path), str(path))
    if isinstance(source, bytes | bytearray | memoryview):
        return _data_uri(bytes(cast("bytes", source)), "the bytes")
    drawn = _drawn(source)
    if drawn is None:
        raise InputError(
            "image(source) takes a path, an address (https://…), a data URI, bytes, a PIL image or a matplotlib figure, "
            f"not {type(source).__name__}"
        )
    return _data_uri(drawn, f"the {type(source).__name__}")


def _data_uri(data: bytes, what: str) -> str:
    _check_size(len(data), what)
    kind = _kind_of(data)
    if kind is None:
        raise InputError(f"{what}: this is no PNG, JPEG, GIF or WebP picture, whatever it is called")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _kind_of(data: bytes) -> str | None:
    """The kind of picture, by its first bytes; what a file is called says nothing."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise InputError(f"there is no picture at {str(path)!r}" + (": it is no file" if path.exists() else f" (from {Path.cwd()})"))
        _check_size(path.stat().st_size, str(path))
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{str(path)!r:.200} cannot be read: {error}") from error


def _check_size(size: int, what: str) -> None:
    if size > LARGEST:
        raise InputError(f"{what}: the picture has {_size(size)}, and may have {_size(LARGEST)}; make it smaller, or give its address")


def _bytes_of_uri(uri: str) -> bytes:
    _check_size(len(uri) * 3 // 4, "the data URI")
    _, comma, encoded = uri.partition(";base64,")
    if not comma:
        raise InputError(f"a picture's data URI begins with data:image/png;base64, or the like, not with {uri[:40]!r}")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"the data URI is not base64: {error}") from error


def _checked_address(address: str) -> str:
    try:
        parts = urlsplit(address)
        host, secret = parts.hostname, parts.username is not None or parts.password is not None
    except ValueError as error:
        raise InputError(f"image({address!r:.100}): this is no address: {error}") from error
    if secret:
        raise InputError(f"the address of the picture at {host!r} has a user or a password in it, which would be stored: give the file")
    if not host or not _ADDRESS.fullmatch(address):
        raise InputError(f"image({address!r:.100}): this is no address of a picture")
    return address


def _drawn(source: Any) -> bytes | None:
    """A picture in memory as a PNG; None for anything else. A library that is not loaded has made none."""
    buffer = io.BytesIO()
    if _is_of(source, "matplotlib.figure", "Figure"):
        source.savefig(buffer, format="png", metadata={"Software": None})  # which version drew it is not in the picture
        return buffer.getvalue()
    if _is_of(source, "PIL.Image", "Image"):
        plain = source if source.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else source.convert("RGB")
        plain.save(buffer, format="PNG")
        return buffer.getvalue()
    return None


def _is_of(value: Any, module: str, name: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _text_part(text: str) -> list[Part]:
    return [{"type": "text", "text": text}] if text else []


def _size_of_base64(end: str, length: int) -> str:
    return _size(length * 3 // 4 - end.count("="))


def _size(size: int) -> str:
    if size < 1000:
        return counted(size, "byte")
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
