"""Checks of a definition before anything runs: dead ends, traps, gaps, wrong names, joins that cannot fill.

Reachability looks at edges: a guard may turn out either way (unless its text has one value only), any node may
fail, any limit may be reached, and a node may hand over along any of its edges. So an error is an error whatever
the guards say, and a graph without errors can always still be led to END.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from convgraph.graph.checks import flow, joins, names, views
from convgraph.graph.checks.scope import Finding, Scope, scopes
from convgraph.graph.definition import Definition

__all__ = ["Finding", "check"]

_CHECKS: tuple[Callable[[Scope], Iterator[Finding]], ...] = (
    names.start,
    names.endpoints,
    names.speakers,
    names.fallbacks,
    names.state_keys,
    names.types,
    joins.joins,
    views.views,
    flow.dead_ends,
    flow.traps,
    flow.unreachable,
    flow.never_enabled,
    flow.shadowed,
    flow.gaps,
    flow.unbounded,
)


def check(definition: Definition, *, known_speakers: frozenset[str] | None = None) -> list[Finding]:
    """What is wrong with a graph, its sub-graphs and branches: errors first, then warnings, each in order of declaration.

    `known_speakers` holds the paths (`writer`, `panel/legal`, `review/critic`) of the nodes that have somebody
    to speak; None: do not ask. A clean graph gives an empty list. Raises nothing.
    """
    findings = [finding for scope in scopes(definition, known_speakers) for examine in _CHECKS for finding in examine(scope)]
    return sorted(findings, key=lambda finding: finding.severity != "error")
