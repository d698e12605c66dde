"""A YAML text changed where its document has changed: comments, order and style of everything else stay as somebody wrote them.

The text is taken apart along the places of PyYAML's nodes. Each entry of a block mapping or sequence is its own lines and the comments
right above them; an entry whose value is as it was is copied, one that has changed is edited in turn, a new one is written anew.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyYAML's stubs leave its nodes' values untyped.)

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import yaml

from convgraph.errors import DefinitionError
from convgraph.graph.documents import yaml_text

Items: TypeAlias = list[Any]
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


def rewritten(text: str, document: Mapping[str, Any]) -> str:
    """A YAML text that holds `document` (plain JSON data) and is otherwise as `text` is.

    Where that cannot be had (the text is no mapping, or cannot be read) it is the document as `dumps_yaml` writes it.
    """
    wanted = dict(document)
    whole = text if text.endswith("\n") else f"{text}\n"
    try:
        old = yaml_text.loads(whole, "YAML")
        node = yaml_text.composed(whole)
        if node is None or "\r" in whole or not _is_block(node):
            return yaml_text.dumps(wanted)
        before = whole[: node.start_mark.index]
        made = before + _Editor(whole).collection(node, old, wanted, len(whole))
        if _same(yaml_text.loads(made, "YAML"), wanted):
            return made
    except DefinitionError:
        return yaml_text.dumps(wanted)
    return yaml_text.dumps(wanted)


def place_of(text: str, path: str) -> tuple[int, int] | None:
    """The line and column (from 1) of what is at `path` (`edges[3].when`) in a YAML text, or of the innermost thing around it."""
    try:
        node = yaml_text.composed(text)
    except (yaml.YAMLError, ValueError):
        return None
    if node is None:
        return None
    for name, index in _STEP.findall(path):
        inner = _child(node, name, index)
        if inner is None:
            break
        node = inner
    return node.start_mark.line + 1, node.start_mark.column + 1


def _child(node: yaml.Node, name: str, index: str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and index and int(index) < len(node.value):
        return node.value[int(index)]
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == name), None)
    return None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key with its value, or an item of a list: where it starts, and where the comments above it do. It ends at `limit`."""

    lead: int
    start: int
    limit: int
    value: yaml.Node


class _Editor:
    def __init__(self, text: str) -> None:
        self.text = text

    def collection(self, node: yaml.Node, old: Any, new: Any, limit: int) -> str:
        """The text of a block mapping or sequence, from its start to `limit`, with what `new` holds."""
        if isinstance(old, dict):
            return self._joined(self._mapping(node, cast(dict[str, Any], old), new, limit), node)
        return self._joined(self._sequence(node, old, new, limit), node)

    def _joined(self, parts: Iterator[tuple[str, str]], node: yaml.Node) -> str:
        indent = " " * node.start_mark.column
        made = ""
        for lead, body in parts:
            above = lead if made or not lead else lead.lstrip(" ")
            made += f"{above}{indent if made or above else ''}{body}"
        return made

    def _mapping(self, node: yaml.Node, old: dict[str, Any], new: dict[str, Any], limit: int) -> Iterator[tuple[str, str]]:
        keys = [key for key, _ in node.value]
        entries = dict(zip(old, self._entries([(key.start_mark.index, value) for key, value in node.value], limit), strict=True))
        column = node.start_mark.column
        for key in _order(old, new):
            if key not in old:
                yield "", _indented(yaml_text.dumps({key: new[key]}), column)
                continue
            entry = entries[key]
            lead, body = self.text[entry.lead : entry.start].rstrip(" "), self.text[entry.start : entry.limit]
            if not _same(old[key], new[key]):
                named = next(one for one in keys if one.value == key)
                body = self._value(entry, named.end_mark.index, old[key], new[key]) or _indented(yaml_text.dumps({key: new[key]}), column)
            yield lead, body

    def _sequence(self, node: yaml.Node, old: Items, new: Items, limit: int) -> Iterator[tuple[str, str]]:
        dashes = [self.text.rfind("-", 0, item.start_mark.index) for item in node.value]
        entries = self._entries(list(zip(dashes, node.value, strict=True)), limit)
        for item, match in zip(new, _matched(old, new), strict=True):
            written = _indented(yaml_text.dumps_item(item), node.start_mark.column)
            if match is None:
                yield "", written
                continue
            entry = entries[match]
            lead, body = self.text[entry.lead : entry.start].rstrip(" "), self.text[entry.start : entry.limit]
            if not _same(old[match], item):
                body = self._value(entry, entry.start + 1, old[match], item) or written
            yield lead, body

    def _entries(self, starts: Sequence[tuple[int, yaml.Node]], limit: int) -> list[_Entry]:
        leads = [starts[0][0]]
        for (start, _), (_, before) in zip(starts[1:], starts, strict=False):
            leads.append(self._lead(start, _content_end(before)))
        ends = [*leads[1:], limit]
        return [_Entry(lead, start, end, value) for lead, end, (start, value) in zip(leads, ends, starts, strict=True)]

    def _lead(self, start: int, floor: int) -> int:
        """Where the comment lines and empty lines above the line of `start` begin; none of them lies before `floor`."""
        line = self.text.rfind("\n", 0, start) + 1
        while line > 0:
            above = self.text.rfind("\n", 0, line - 1) + 1
            said = self.text[above:line].strip()
            if above < floor or (said and not said.startswith("#")):
                break
            line = above
        return line

    def _value(self, entry: _Entry, name_ends: int, old: Any, new: Any) -> str:
        """The entry with another value; empty where it is to be written anew."""
        node = entry.value
        head, tail = self.text[entry.start : node.start_mark.index], self.text[node.end_mark.index : entry.limit]
        if isinstance(old, dict | list):
            if type(old) is not type(new) or not old or not new:
                return ""
            if _is_block(node):
                return head + self.collection(node, old, new, entry.limit)
            return head + (self._spliced(node, old, new) or yaml_text.dumps_flow(new)) + tail
        if isinstance(new, dict | list) or node.start_mark.index == node.end_mark.index or getattr(node, "style", None) in ("|", ">"):
            return ""
        said = yaml_text.dumps_flow(new)
        return "" if "\n" in (new if isinstance(new, str) else "") or name_ends > node.start_mark.index else head + said + tail

    def _spliced(self, node: yaml.Node, old: Any, new: Any) -> str | None:
        """What is written in a line, with other values in the same places; None where the places are others."""
        if _same(old, new):
            return self.text[node.start_mark.index : node.end_mark.index]
        if not isinstance(node, yaml.CollectionNode):
            return None if isinstance(new, dict | list) else yaml_text.dumps_flow(new)
        if type(old) is not type(new) or (list(old) != list(new) if isinstance(old, dict) else len(old) != len(new)):
            return None
        values = [value[1] if isinstance(value, tuple) else value for value in node.value]
        pairs = zip(old.values(), new.values(), strict=True) if isinstance(old, dict) else zip(old, new, strict=True)
        made, place = "", node.start_mark.index
        for value, (before, after) in zip(values, pairs, strict=True):
            part = self._spliced(value, before, after)
            if part is None:
                return None
            made += self.text[place : value.start_mark.index] + part
            place = value.end_mark.index
        return made + self.text[place : node.end_mark.index]


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style and bool(node.value)


def _content_end(node: yaml.Node) -> int:
    """Where what a node says ends; a block's own end lies behind the comments that follow it."""
    if _is_block(node):
        last = cast(yaml.CollectionNode, node).value[-1]
        return _content_end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index


def _order(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The keys of `new`: those of `old` in its order, each new one after the one that it follows in `new`."""
    order = [key for key in old if key in new]
    before: str | None = None
    for key in new:
        if key not in old:
            order.insert(order.index(before) + 1 if before is not None else 0, key)
        before = key
    return order


def _matched(old: Items, new: Items) -> list[int | None]:
    """For each new item the place of the old one that it was: the same, else of its name, else between the same ends."""
    found: list[int | None] = [None] * len(new)
    left = list(range(len(old)))
    for likeness in (_all, _name, _ends, _kind):
        for place, item in enumerate(new):
            if found[place] is None and (said := likeness(item)) is not None:
                found[place] = next((one for one in left if likeness(old[one]) == said), None)
                left = [one for one in left if one != found[place]]
    return found


def _all(item: Any) -> str:
    return json.dumps(item, sort_keys=True)


def _kind(item: Any) -> str:
    return type(item).__name__


def _name(item: Any) -> str | None:
    return repr(item["name"]) if isinstance(item, dict) and "name" in item else None


def _ends(item: Any) -> str | None:
    return repr((item.get("from"), item.get("to"))) if isinstance(item, dict) and "from" in item else None


def _same(one: Any, other: Any) -> bool:
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _indented(text: str, column: int) -> str:
    """The lines, from the second on moved to the right: the first is where it stands already."""
    first, *rest = text.splitlines()
    return "\n".join([first, *(" " * column + line if line else line for line in rest)]) + "\n"
