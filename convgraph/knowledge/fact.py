# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""A fact: what is known, in which namespace, and which run and step it comes from; and the line of JSON that it is exported as."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from convgraph.errors import InputError

FORMAT = 1
"""The version of an exported line."""

LONGEST_TEXT = 100_000

_PART = re.compile(r"[^\s/\x00-\x1f\x7f]{1,64}")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a fact comes from: the run, the number of the step, the place in the journal, and the node that had the turn.

    Empty for a fact that was stored outside of any run.
    """

    run_id: str = ""
    step: int = 0
    path: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is known from one run to the next.

    `about` is what it is found by, where that is not its text: a question whose answer is the text, a task that the text is
    advice for. `data` is JSON that goes with it. `superseded_by` is the id of the fact that has taken its place, if one has.
    `created` is in seconds since 1970. `score` says, of a recalled fact, how near it is to what was asked: from 0 to 1.
    """

    id: str
    namespace: str
    text: str
    about: str = ""
    data: Any = None
    key: str | None = None
    source: Provenance = Provenance()
    created: float = 0.0
    superseded_by: str = ""
    score: float = 0.0

    @property
    def heading(self) -> str:
        """What the fact is called when people or models speak of it: what it is about, or else its text."""
        return self.about or self.text

    @property
    def found_by(self) -> str:
        """The text by which it is looked up."""
        return self.about or self.text


def document_of(fact: Fact) -> dict[str, Any]:
    """The fact as plain JSON."""
    return asdict(fact)


def fact_of(document: Mapping[str, Any]) -> Fact:
    """The fact that `document_of` gave."""
    fields: dict[str, Any] = {**document, "source": Provenance(**document["source"])}
    return Fact(**fields)


def exported(fact: Fact) -> str:
    """The fact as a line of JSON, with the version of its format. ASCII: no character of a text ends the line."""
    document = document_of(fact)
    del document["score"]
    return json.dumps({"format": FORMAT, **document}, sort_keys=True)


def imported(line: str, number: int) -> Fact:
    """The fact in a line that `exported` made. Raises `InputError`, naming the line, for anything else."""
    where = f"line {number}"
    try:
        given: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: this is not JSON: {error}") from error
    if not isinstance(given, dict) or "format" not in given:
        raise InputError(f"{where}: this is no exported fact: {line!r:.80}")
    document = cast("dict[str, Any]", given)
    version = document.pop("format")
    if version != FORMAT:
        raise InputError(f"{where}: its format is {version!r:.20}; this convgraph reads format {FORMAT}")
    try:
        fact = fact_of(document)
    except (TypeError, KeyError) as error:
        raise InputError(f"{where}: this is no exported fact: {error}") from error
    _check_types(fact, where)
    return checked(fact, where)


def _check_types(fact: Fact, where: str) -> None:
    source = fact.source
    texts = (fact.id, fact.text, fact.about, fact.superseded_by, source.run_id, source.path, source.node)
    numbers = (fact.created, source.step)
    sound = all(isinstance(text, str) for text in texts) and all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in numbers
    )
    if not sound or not fact.id or not (fact.key is None or isinstance(fact.key, str)):
        raise InputError(f"{where}: a field of the fact is of another type than it is exported with")


def checked(fact: Fact, where: str = "a fact") -> Fact:
    """The fact, if it can be stored. Raises `InputError` saying what cannot."""
    check_namespace(fact.namespace)
    if not isinstance(fact.text, str) or not fact.text.strip():
        raise InputError(f"{where}: its text is {fact.text!r:.40}; a fact says something")
    for name, text in (("text", fact.text), ("about", fact.about), ("key", fact.key or "")):
        check_text(text, f"{where}: {name}")
    try:
        json.dumps(fact.data, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{where}: data= is plain JSON: {error}") from error
    return fact


def check_text(text: Any, what: str) -> str:
    """The text, if every store can hold it. Raises `InputError`."""
    if not isinstance(text, str):
        raise InputError(f"{what} is a text, not {text!r:.80}")
    if len(text) > LONGEST_TEXT:
        raise InputError(f"{what} has {len(text)} characters; {LONGEST_TEXT} are the most: keep documents elsewhere")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"{what} holds a NUL or half a character, which not every store can keep: {text!r:.80}")
    return text


def check_namespace(namespace: Any) -> str:
    """The namespace, if it is one: words joined by `/`, such as `users/ada`. Raises `InputError`."""
    if isinstance(namespace, str) and namespace and all(_PART.fullmatch(part) for part in namespace.split("/")):
        return namespace
    raise InputError(
        f"namespace={namespace!r:.80} is none; it is words joined by '/', such as users/ada (each up to 64 characters, no blanks)"
    )
