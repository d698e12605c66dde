"""What a document's graph is, wherever its code may live and its models be served: what a fingerprint is taken of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def identity(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a graph without where things are: a callable keeps its name and signature, a state model its schema."""
    essence = {key: value for key, value in document.items() if key != "detail"}
    if kept := of_graph(document.get("detail", {})):
        essence["detail"] = kept
    if "state" in essence:
        essence["state"] = {key: value for key, value in essence["state"].items() if key != "python"}
    essence["nodes"] = [_node_identity(node) for node in document["nodes"]]
    essence["edges"] = [{**edge, "python": guard_name(edge)} if "python" in edge else edge for edge in document.get("edges", ())]
    return essence


def as_recorded(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what is never to be recorded: a pattern may be the very word that it is to find."""
    kept = dict(document)
    if detail := {key: value for key, value in document.get("detail", {}).items() if key != "redact"}:
        kept["detail"] = detail
    else:
        kept.pop("detail", None)
    kept["nodes"] = [_node_as_recorded(node) for node in document["nodes"]]
    return kept


def _node_as_recorded(node: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(node)
    if "graph" in node:
        kept["graph"] = as_recorded(node["graph"])
    if "branches" in node:
        kept["branches"] = [_node_as_recorded(branch) for branch in node["branches"]]
    return kept


def guard_name(edge: Mapping[str, Any]) -> str:
    """The name of an edge's opaque guard, without its module; empty where it has none."""
    return str(edge.get("python", "")).partition(":")[2]


def of_speaker(detail: Any) -> Any:
    """What speakers and models say of themselves, without each function's import path (`call`) and where each model is served."""
    if isinstance(detail, list):
        return [of_speaker(item) for item in cast(list[Any], detail)]
    if not isinstance(detail, Mapping):
        return detail
    named = cast(Mapping[str, Any], detail)
    return {key: of_speaker(value) for key, value in named.items() if not _is_place(key, value, named)}


def of_graph(detail: Mapping[str, Any]) -> dict[str, Any]:
    """What a graph says of itself: selectors by name, the selecting model; not how values are read, nor what is not recorded."""
    kept = {key: value for key, value in of_speaker(detail).items() if key not in ("types", "redact")}
    if isinstance(paths := kept.get("selectors"), dict):
        kept["selectors"] = {node: str(path).partition(":")[2] for node, path in cast(dict[str, Any], paths).items()}
    return kept


_ADDRESS = ("base_url", "azure_endpoint", "azure_deployment", "api_version")


def _is_place(key: str, value: Any, described: Mapping[str, Any]) -> bool:
    return (key == "call" and described.get("type") == "function") or (key in _ADDRESS and isinstance(value, str))


def _node_identity(node: Mapping[str, Any]) -> dict[str, Any]:
    essence = dict(node)
    if "detail" in essence:
        essence["detail"] = of_speaker(essence["detail"])
    if "graph" in essence:
        essence["graph"] = identity(essence["graph"])
    if "branches" in essence:
        essence["branches"] = [_node_identity(branch) for branch in essence["branches"]]
    return essence
