"""How probable each choice of a selecting model was: as a journal holds it, and worked out from what was answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from convgraph.journal.events import JsonObject
from convgraph.protocols import Distribution
from convgraph.runtime.selector_prompt import picked_name


def distribution_document(distribution: Distribution) -> JsonObject:
    """The distribution as a journal holds it, beside a model's answer."""
    return {"of": dict(distribution.of), "by": distribution.by}


def recorded_distribution(result: Any) -> Distribution | None:
    """The distribution beside a recorded answer of a model, if there is one."""
    document = cast("JsonObject", result).get("distribution") if isinstance(result, dict) else None
    return None if document is None else Distribution(document["of"], document["by"])


def weighed(answers: Sequence[tuple[str, Distribution | None]], names: Iterable[str]) -> Distribution | None:
    """How probable each of `names` was, by what a selecting model answered: each answer's text, and its own distribution.

    Several usable answers are votes. One answer without a distribution is only what it states; None where there is not even that.
    """
    choices = frozenset(names)
    votes = [picked for text, _ in answers if (picked := picked_name(text, choices)) is not None]
    if len(votes) > 1:
        return Distribution({name: votes.count(name) / len(votes) for name in dict.fromkeys(votes)}, "votes")
    known = [distribution for _, distribution in answers if distribution is not None]
    if known:
        return known[-1]
    return Distribution({votes[0]: 1.0}, "stated") if votes else None
