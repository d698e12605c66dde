"""Evaluating graphs over tables of cases, comparing two of them, and keeping stored runs as regression tests.

::

    from convgraph.evaluation import Case, evaluate

    print(evaluate(graph, [Case("greets", "Hello.", {"contains": "Hello", "path": ["greeter"]})]))
"""

from __future__ import annotations

from convgraph.evaluation.cases import Case
from convgraph.evaluation.cases_schema import json_schema
from convgraph.evaluation.checks import Verdict
from convgraph.evaluation.comparing import Comparison, Difference, acompare, compare
from convgraph.evaluation.evaluating import aevaluate, evaluate
from convgraph.evaluation.noise import Noise, noise
from convgraph.evaluation.reading import CaseFile, read_cases
from convgraph.evaluation.results import Attempt, CaseResult, Evaluation
from convgraph.evaluation.variants import Variant

__all__ = [
    "Attempt",
    "Case",
    "CaseFile",
    "CaseResult",
    "Comparison",
    "Difference",
    "Evaluation",
    "Noise",
    "Variant",
    "Verdict",
    "acompare",
    "aevaluate",
    "compare",
    "evaluate",
    "json_schema",
    "noise",
    "read_cases",
]
