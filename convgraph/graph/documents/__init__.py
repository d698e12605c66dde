"""A graph as a document: written, read, told by a fingerprint, and compared with another."""

from __future__ import annotations

from convgraph.graph.documents.differences import Change, difference, summary
from convgraph.graph.documents.document import canonical_json, dumps_yaml, fingerprint, from_document, json_schema, loads_yaml, to_document
from convgraph.graph.documents.identity import as_recorded
from convgraph.graph.documents.recorded import recorded_definition

__all__ = [
    "Change",
    "as_recorded",
    "canonical_json",
    "difference",
    "dumps_yaml",
    "fingerprint",
    "from_document",
    "json_schema",
    "loads_yaml",
    "recorded_definition",
    "summary",
    "to_document",
]
