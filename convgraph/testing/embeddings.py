"""Embeddings without a model: texts that share words are near each other, and the same text has the same vector everywhere."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from convgraph.testing.answers import count_tokens

DIMENSIONS = 64


def embedding(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A vector of length 1: each word pushes it into a direction of its own."""
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        for place in range(0, 32, 4):
            number = int.from_bytes(digest[place : place + 4], "big")
            vector[number % dimensions] += 1.0 if number & 0x80000000 else -1.0
    length = math.hypot(*vector)
    return [number / length for number in vector] if length else [1.0, *[0.0] * (dimensions - 1)]


def embeddings_body(request: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The answer to a request for embeddings, in OpenAI's form."""
    said: Any = request["input"]
    texts: list[str] = [said] if isinstance(said, str) else [str(text) for text in said]
    vectors = [embedding(text, request.get("dimensions") or DIMENSIONS) for text in texts]
    encoded = [_base64(vector) if request.get("encoding_format") == "base64" else vector for vector in vectors]
    tokens = sum(map(count_tokens, texts))
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(encoded)],
        "model": request.get("model") or model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
