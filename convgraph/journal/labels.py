# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""Labels: what people call runs besides their ids, so as to find them again. Several runs may have the same, and a run several."""

from __future__ import annotations

from collections.abc import Collection

from convgraph.errors import InputError

MOST_LABELS = 20
LONGEST_LABEL = 64


def checked_labels(labels: Collection[str], where: str = "labels=") -> tuple[str, ...]:
    """The labels in order, each once. Raises `InputError` for what is none, and for more than a run may have."""
    if isinstance(labels, str | bytes) or not isinstance(labels, Collection):
        raise InputError(f"{where} takes several labels, such as ['reviewed'], not {labels!r:.100}")
    for label in labels:
        check_label(label, where)
    found = tuple(sorted(set(labels)))
    if len(found) > MOST_LABELS:
        raise InputError(f"{where} are {len(found)} labels; a run has {MOST_LABELS} at most")
    return found


def check_label(label: str, where: str = "label=") -> None:
    """Raise `InputError` unless this can be a label."""
    fits = isinstance(label, str) and 0 < len(label) <= LONGEST_LABEL and label.isprintable() and label == label.strip()
    if not fits or "," in label:
        raise InputError(
            f"{where} {label!r:.100} cannot be a label; use 1 to {LONGEST_LABEL} printable characters, without commas or space around them"
        )


def labels_text(labels: Collection[str]) -> str:
    """The labels as a store's row holds them."""
    return ",".join(labels)


def labels_in(text: str) -> tuple[str, ...]:
    """The labels in what a store's row holds."""
    return tuple(text.split(",")) if text else ()
