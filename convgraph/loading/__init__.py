"""Graphs from outside: from a document (YAML or JSON), or from a target such as `file.py:name`."""

from __future__ import annotations

from convgraph.loading.documents import from_yaml
from convgraph.loading.targets import absolute, load_target

__all__ = ["absolute", "from_yaml", "load_target"]
