"""What can be known of a guard without running the conversation. Each fact is certain or not claimed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from convgraph.errors import GuardError
from convgraph.graph.definition import START, Edge
from convgraph.graph.guards import CelExpression, CelGuard, Guard
from convgraph.graph.state import State
from convgraph.messages import History

_NOWHERE = State(node="", history=History(()))
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_TURN = re.compile(r"\(?\s*turn\s*(<=|>=|==|!=|<|>)\s*(-?\d{1,15})\s*\)?")
_TURN_SINCE = re.compile(r"\(?\s*turn\s*-\s*state\.\w+\s*(<=|>=|==|!=|<|>)\s*(-?\d{1,15})\s*\)?")
"""Turns since a chat began that goes on from an earlier one; the state says where that was."""
_VISITS = re.compile(r"(?<![\w.])visits\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*[\"']([^\"']+)[\"']\s*\])")
_VISITS_COMPARED = re.compile(rf"\(?\s*{_VISITS.pattern}\s*(<=|>=|==|!=|<|>)\s*(-?\d{{1,15}})\s*\)?")
_ATOM = re.compile(r"[\w.]+(?:\([^()]*\))?")
_COMPARE: Mapping[str, Callable[[int, int], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}


def constant_value(expression: CelGuard | CelExpression) -> tuple[Any] | None:
    """The value of an expression that reads nothing of the conversation, in a tuple; None where it reads or fails."""
    if expression.reads:
        return None
    try:
        return (expression(_NOWHERE),)
    except GuardError:
        return None


def constant(edge: Edge) -> bool | None:
    """True or False for an edge whose guard always has that value, None where that depends on the conversation."""
    guard = edge.guard
    if guard is None:
        return True
    if not isinstance(guard, CelGuard):
        return None
    if (value := constant_value(guard)) is not None:
        return bool(value[0])
    if found := _TURN.fullmatch(guard.text.strip()):
        # `turn` counts from 1 (at START from 0) and only grows: what is the same for the first and for all later turns never changes.
        compare, number = _COMPARE[found[1]], int(found[2])
        first = 0 if edge.source == START else 1
        if number < first:
            return compare(first, number)
        if number == first and found[1] in ("<", ">="):
            return found[1] == ">="
    return None


def exhaustive(edges: Sequence[Edge]) -> bool:
    """Whether the guard of one of the edges is certain to hold: one always does, or one is another's negation."""
    if any(constant(edge) for edge in edges):
        return True
    texts = {edge.guard.text.strip() for edge in edges if isinstance(edge.guard, CelGuard)}
    return any(f"!({text})" in texts or (_ATOM.fullmatch(text) is not None and f"!{text}" in texts) for text in texts)


def lapses(edge: Edge) -> bool:
    """Whether the edge can be taken only a bounded number of times, as with `turn < 5 && …`."""
    if not isinstance(edge.guard, CelGuard):
        return False
    ways = _split(edge.guard.text, "||")
    return all(any(_bounded_above(part, edge) for part in _split(way, "&&")) for way in ways)


def settles(edge: Edge) -> bool:
    """Whether the edge, however long the conversation, is enabled for good from some turn on, as with `turn >= 5 || …`."""
    if constant(edge):
        return True
    if not isinstance(edge.guard, CelGuard):
        return False
    return any(_unbounded_above(part, edge) for part in _split(edge.guard.text, "||"))


def same_truth(one: Guard | None, other: Guard | None) -> bool:
    """Whether two guards are true in just the same conversations, as far as can be seen: the same CEL text."""
    return isinstance(one, CelGuard) and isinstance(other, CelGuard) and one.text.strip() == other.text.strip()


def visits_read(guard: Guard | None) -> frozenset[str]:
    """The nodes whose visits a CEL guard needs; none where it asks first whether they are there."""
    if not isinstance(guard, CelGuard) or "visits" not in guard.reads:
        return frozenset()
    code = _blank(guard.text)
    if re.search(r"\bhas\s*\(\s*visits|\bin\s+visits", code):
        return frozenset()
    found = (match for match in _VISITS.finditer(guard.text) if code[match.start()] != " ")
    return frozenset(match[1] or match[2] for match in found)


def _bounded_above(text: str, edge: Edge) -> bool:
    compared = _growing(text, edge)
    return compared in ("<", "<=", "==")


def _unbounded_above(text: str, edge: Edge) -> bool:
    compared = _growing(text, edge)
    return compared in (">", ">=")


def _growing(text: str, edge: Edge) -> str | None:
    """The comparison of a part that compares with a number what grows each time the edge's source has had the turn."""
    text = text.strip()
    if turn := _TURN.fullmatch(text) or _TURN_SINCE.fullmatch(text):
        return turn[1]
    visits = _VISITS_COMPARED.fullmatch(text)
    if visits is not None and (visits[1] or visits[2]) == edge.source:
        return visits[3]
    return None


def _split(text: str, operator: str) -> Iterable[str]:
    """The operands of an operator outside of brackets and literals.

    A text that this simple reading might get wrong (a conditional, a comment, an escape in a literal) is left whole.
    """
    code = _blank(text)
    if "?" in code or "//" in code or "\\" in text or '""' in text or "''" in text:
        return [text]
    parts: list[str] = []
    depth, begin, at = 0, 0, 0
    while at < len(code):
        depth += (code[at] in "([{") - (code[at] in ")]}")
        if depth == 0 and code.startswith(operator, at):
            parts.append(text[begin:at])
            at = begin = at + len(operator)
        else:
            at += 1
    return [*parts, text[begin:]]


def _blank(text: str) -> str:
    """The text with its string literals' content blanked out, each place kept."""
    return _LITERAL.sub(lambda literal: '"' + " " * (len(literal.group()) - 2) + '"', text)
