"""Checks of a definition before anything runs: dead ends, traps, gaps, wrong names, joins that cannot fill.

Reachability looks at edges: a guard may turn out either way (unless its text has one value only), any node may
fail, any limit may be reached, and a node may hand over along any of its edges. So an error is an error whatever
the guards say, and a graph without errors can always still be led to END.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from convgraph.graph import check_flow, check_joins, check_names
from convgraph.graph.check_scope import Finding, Scope, scopes
from convgraph.graph.definition import Definition

__all__ = ["Finding", "check"]

_CHECKS: tuple[Callable[[Scope], Iterator[Finding]], ...] = (
    check_names.start,
    check_names.endpoints,
    check_names.speakers,
    check_names.fallbacks,
    check_names.state_keys,
    check_names.types,
    check_joins.joins,
    check_flow.dead_ends,
    check_flow.traps,
    check_flow.unreachable,
    check_flow.never_enabled,
    check_flow.shadowed,
    check_flow.gaps,
    check_flow.unbounded,
)


def check(definition: Definition, *, known_speakers: frozenset[str] | None = None) -> list[Finding]:
    """What is wrong with a graph, its sub-graphs and branches: errors first, then warnings, each in order of declaration.

    `known_speakers` holds the paths (`writer`, `panel/legal`, `review/critic`) of the nodes that have somebody
    to speak; None: do not ask. A clean graph gives an empty list. Raises nothing.
    """
    findings = [finding for scope in scopes(definition, known_speakers) for examine in _CHECKS for finding in examine(scope)]
    return sorted(findings, key=lambda finding: finding.severity != "error")
