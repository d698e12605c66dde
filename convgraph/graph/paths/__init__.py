"""Scripted conversations: found by search on the pure machine, kept as plain data, written as tests."""

from __future__ import annotations

from convgraph.graph.paths.scripts import Paths, ScriptedPath, ScriptedTurn, Uncovered, write_pytest
from convgraph.graph.paths.search import paths

__all__ = ["Paths", "ScriptedPath", "ScriptedTurn", "Uncovered", "paths", "write_pytest"]
