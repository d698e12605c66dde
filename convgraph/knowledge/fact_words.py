"""How near a fact is to what is asked: by its words, or by vectors. Both are cosines, from 0 to 1, so that one threshold serves both."""

from __future__ import annotations

import math
import operator
import re
import unicodedata
from array import array
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
_POSSESSIVE = re.compile("['\u2019]s\\b")
_ENDINGS = ("ing", "ies", "es", "ed", "s", "y", "e")
_SAYS_NOTHING = frozenset(
    """a about all also am an and any are as at be been but by can could did do does for from had has have he her his how i if in into is it
    its just me my no not of on or our please she should so some that the their them then there these they this to us was we were what when
    where which who whom whose why will with would you your""".split()
)


def words_of(text: str) -> frozenset[str]:
    """The words by which a text is found: without case, accents, common endings, and words that say nothing on their own."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter)).casefold()
    plain = _POSSESSIVE.sub("", plain)
    return frozenset(_stem(word) for word in _WORD.findall(plain) if word not in _SAYS_NOTHING)


def nearness_by_words(shared: int, asked: int, known: int) -> float:
    """The cosine of two sets of words, of which `shared` are in both."""
    return shared / math.sqrt(asked * known) if shared else 0.0


def packed(vector: Sequence[float]) -> bytes:
    """A vector as it is stored."""
    return array("f", vector).tobytes()


def nearness_by_meaning(one: Sequence[float], stored: bytes) -> float:
    """The cosine of two vectors of length 1, the second as it is stored; 0 where they point away from each other."""
    other = array("f")
    other.frombytes(stored)
    return max(0.0, min(1.0, sum(map(operator.mul, one, other))))


def _stem(word: str) -> str:
    """The word without a common ending, so that `report` finds `reports` and `reporting`. Short words stay as they are."""
    for ending in _ENDINGS:
        if len(word) - len(ending) >= 3 and word.endswith(ending):
            return word[: -len(ending)]
    return word
