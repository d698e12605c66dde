"""What a document's graph is, wherever its Python code may live: the part of a document that a fingerprint is taken of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def identity(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a graph without import paths: a callable keeps its name and signature, a state model its schema."""
    essence = dict(document)
    if "state" in essence:
        essence["state"] = {key: value for key, value in essence["state"].items() if key != "python"}
    essence["nodes"] = [_node_identity(node) for node in document["nodes"]]
    essence["edges"] = [{**edge, "python": guard_name(edge)} if "python" in edge else edge for edge in document.get("edges", ())]
    return essence


def guard_name(edge: Mapping[str, Any]) -> str:
    """The name of an edge's opaque guard, without its module; empty where it has none."""
    return str(edge.get("python", "")).partition(":")[2]


def without_calls(detail: Any) -> Any:
    """What speakers say of themselves, without the import path (`call`) of each function."""
    if isinstance(detail, list):
        return [without_calls(item) for item in cast(list[Any], detail)]
    if not isinstance(detail, dict):
        return detail
    named = cast(dict[str, Any], detail)
    return {key: without_calls(value) for key, value in named.items() if key != "call" or named.get("type") != "function"}


def _node_identity(node: Mapping[str, Any]) -> dict[str, Any]:
    essence = dict(node)
    if "detail" in essence:
        essence["detail"] = without_calls(essence["detail"])
    if "graph" in essence:
        essence["graph"] = identity(essence["graph"])
    if "branches" in essence:
        essence["branches"] = [_node_identity(branch) for branch in essence["branches"]]
    return essence
