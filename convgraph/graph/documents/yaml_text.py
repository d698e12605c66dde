"""Documents as YAML text: written to be read and compared by people, read with nothing but plain data in mind.

Only what JSON knows can be read: no tags, anchors or aliases, no key twice, no keys but texts, and `on`, `yes` or
`12:30` are the texts that they look like.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyYAML's stubs leave its extension points untyped.)

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any

import yaml

from convgraph.errors import DefinitionError

MAX_LENGTH = 1_000_000
MAX_DEPTH = 100
_UNUSUAL_BREAK = re.compile("[\r\x85\u2028\u2029\ufeff]")
"""What a YAML reader turns into a plain line end, or drops, unless it is escaped."""


def dumps(document: Mapping[str, Any]) -> str:
    """The document (plain JSON data) as YAML: keys in their order, texts of several lines as blocks, lines never folded."""
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31, default_flow_style=False)


def dumps_item(value: Any) -> str:
    """The value as an item of a list, with its dash: as it would stand in what `dumps` writes."""
    return yaml.dump([value], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31, default_flow_style=False)


def dumps_flow(value: Any) -> str:
    """The value in a line, as in `{from: a, to: b}`."""
    # In a list of its own, so that PyYAML marks no end of the document behind a bare text.
    return yaml.dump([value], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31, default_flow_style=True).strip()[1:-1]


def composed(text: str) -> yaml.Node | None:
    """The text's nodes, which know where they stand in it. Raises `yaml.YAMLError` for what is not plain data."""
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _read(text: str) -> Any:
    """The plain data in `text`: a SafeLoader's, read more strictly."""
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def loads(text: str, where: str, what: str = "a graph is a mapping with 'version', 'name', 'nodes' …") -> dict[str, Any]:
    """The document that `text` holds. Raises `DefinitionError` with line and column for what is not plain data.

    `what` says what the document has to be, for a text that is no mapping at all.
    """
    if len(text) > MAX_LENGTH:
        raise DefinitionError(f"{where}: the text has {len(text)} characters; at most {MAX_LENGTH} are allowed")
    try:
        value = _read(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DefinitionError(f"{where}{place}: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise DefinitionError(f"{where}: {error}") from error
    if not isinstance(value, dict):
        raise DefinitionError(f"{where}: {what}, not {value!r:.80}")
    return value


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _UNUSUAL_BREAK.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


class _Loader(yaml.SafeLoader):
    """Reads plain data only, and stops at the first thing that is not."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own way to say it; filled below, once
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused("anchors and aliases are not allowed; write the value out", event)
        if getattr(event, "tag", None) is not None:
            raise _refused(f"the tag {event.tag!r} is not allowed; only plain data is read", event)
        if self.depth >= MAX_DEPTH:
            raise _refused(f"values nest deeper than {MAX_DEPTH}", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _refused("a key is a text; put it in quotes", key)
            if key.value in seen:
                raise _refused(f"the key {key.value!r} is there twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refused(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


# Each is a part of what PyYAML itself resolves, so that what `dumps` writes without quotes is read as it was.
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", [*"-+0123456789"]),
    ("float", r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?", [*"-+0123456789"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)
