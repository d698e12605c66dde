"""A graph as a document: written, read, told by a fingerprint, and compared with another."""

from __future__ import annotations

from convgraph.graph.documents.differences import Change, difference, summary
from convgraph.graph.documents.document import canonical_json, dumps_yaml, fingerprint, from_document, json_schema, loads_yaml, to_document

__all__ = [
    "Change",
    "canonical_json",
    "difference",
    "dumps_yaml",
    "fingerprint",
    "from_document",
    "json_schema",
    "loads_yaml",
    "summary",
    "to_document",
]
