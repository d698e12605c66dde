"""Scripted conversations as plain data, and the pytest file that plays them against a real graph."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, overload

from convgraph.errors import InputError
from convgraph.graph.definition import END, START, Edge, Limits
from convgraph.graph.state import ErrorInfo, Status, Turn
from convgraph.messages import NO_USAGE, Message, Usage

_TARGET = re.compile(r".+\.(?:yaml|yml|json)|(?:.+\.py|[^\W\d]\w*(?:\.[^\W\d]\w*)*)(?::[^\W\d][\w.]*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ScriptedTurn:
    """What a node does with one turn, and the transition that must follow.

    `content` is what it says (None: it declines), `data` the message's data, `update` what it writes to the
    state, `usage` what it spends, `goto` the node it hands over to; with `error` it raises instead.
    `edge` is the declared index of the transition taken afterwards (None: the conversation stops here) and
    `target` where that leads; `chosen` says that a selector picks it among several, `limit` names the limit
    whose edge it is. Where it is chosen who begins, that comes first, as a turn of START in which nothing is said.
    """

    node: str
    content: str | None = None
    data: Any = None
    update: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: ErrorInfo | None = None
    usage: Usage = NO_USAGE
    goto: str | None = None
    edge: int | None = None
    target: str = ""
    chosen: bool = False
    limit: str | None = None

    @property
    def event(self) -> Turn:
        """The turn as the machine's event."""
        if self.error is not None:
            return Turn(self.node, error=self.error._replace(node=self.node), usage=self.usage)
        messages = () if self.content is None else (Message(self.node, self.content, data=self.data),)
        return Turn(self.node, messages, (self.update,) if self.update else (), self.goto, usage=self.usage)

    def __str__(self) -> str:
        says = f"raises {self.error.type}" if self.error else "declines" if self.content is None else f"says {self.content!r}"
        says = "lets begin" if self.node == START else says
        extra = "".join(
            f", {what}"
            for what in (f"sets {dict(self.update)}" if self.update else "", f"hands over to {self.goto}" if self.goto else "")
            if what
        )
        onward = f"-> {self.target}" if self.edge is not None else "(stops)"
        return f"{self.node} {says}{extra} {onward}{f' at the limit of {self.limit}' if self.limit else ''}"


@dataclass(frozen=True, slots=True)
class ScriptedPath:
    """One scripted conversation: what goes in, what each node does, and how it must end.

    `graph` is the way to a sub-graph (names of nodes; empty: the graph itself). `limits` are those that the
    conversation runs under; `assume` gives guards, by their edge's index, a fixed value instead of their own.
    """

    turns: tuple[ScriptedTurn, ...]
    input: str = "Begin."
    state: Mapping[str, Any] | None = None
    limits: Limits = Limits()
    assume: Mapping[int, bool] = field(default_factory=dict[int, bool])
    status: Status = "finished"
    graph: tuple[str, ...] = ()

    @property
    def edges(self) -> tuple[int, ...]:
        """The declared indexes of the transitions taken, in order."""
        return tuple(turn.edge for turn in self.turns if turn.edge is not None)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that have the turn, in order."""
        return tuple(turn.node for turn in self.spoken)

    @property
    def spoken(self) -> tuple[ScriptedTurn, ...]:
        """The turns in which somebody speaks: all but the choice of who begins."""
        return self.turns[1:] if self.turns and self.turns[0].node == START else self.turns

    @property
    def name(self) -> str:
        """The way through the graph, in words."""
        end = END if self.status == "finished" else self.status
        return " -> ".join([*("/".join([*self.graph, node]) for node in self.nodes), end])

    def __str__(self) -> str:
        return "\n".join([self.name, *(f"  {number}. {turn}" for number, turn in enumerate(self.turns, 1))])


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A transition or a node that no scripted conversation takes, and why."""

    what: Edge | str
    reason: str
    graph: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{'/'.join(self.graph)}{': ' if self.graph else ''}{self.what}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Paths(Sequence[ScriptedPath]):
    """A sequence of scripted conversations, and what they leave out: `total` places were to be covered."""

    paths: tuple[ScriptedPath, ...]
    uncovered: tuple[Uncovered, ...] = ()
    total: int = 0

    @property
    def covered(self) -> float:
        """The share of the edges (or nodes) asked for that the paths take, from 0 to 1."""
        return 1.0 - len(self.uncovered) / self.total if self.total else 1.0

    @overload
    def __getitem__(self, index: int) -> ScriptedPath: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ScriptedPath, ...]: ...
    def __getitem__(self, index: int | slice) -> ScriptedPath | tuple[ScriptedPath, ...]:
        return self.paths[index]

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[ScriptedPath]:
        return iter(self.paths)

    def __str__(self) -> str:
        head = f"{len(self.paths)} paths cover {self.total - len(self.uncovered)} of {self.total} ({self.covered:.0%})"
        return "\n".join([head, *map(str, self.paths), *(f"not covered: {missing}" for missing in self.uncovered)])


def write_pytest(paths: Sequence[ScriptedPath], target: str, allow: Collection[str] = ()) -> str:
    """The source of a pytest file that plays `paths` on the graph that `target` names.

    `target` is `file.py:name`, `package.module:name`, or a YAML or JSON file; files are looked for where pytest is
    started, and a document may import from the modules in `allow`. In each test every speaker is replaced by its script,
    the graph runs for real, and the test fails with the first difference between the transitions taken and those
    expected. Raises `InputError` for another form of target.
    """
    turns = [turn for path in paths for turn in path.turns]
    loading, graph = _graph_source(target, allow)
    follow = "from convgraph.testing.paths import follow"
    imports = {"from convgraph.graph.paths.scripts import ScriptedPath, ScriptedTurn", follow, loading}
    if any(path.limits != Limits() for path in paths):
        imports.add("from convgraph.graph.definition import Limits")
    if any(turn.error for turn in turns):
        imports.add("from convgraph.graph.state import ErrorInfo")
    if any(turn.usage != NO_USAGE for turn in turns):
        imports.add("from convgraph.messages import Usage")
    head = f'"""Scripted conversations on {_in_docstring(target)}, generated by convgraph."""'
    top = "\n\n".join([head, "\n".join(sorted(imports)), graph])
    return "\n\n\n".join([top, *(_test(number, path) for number, path in enumerate(paths, 1))]) + "\n"


def _graph_source(target: str, allow: Collection[str]) -> tuple[str, str]:
    """The import and the line that make `GRAPH` the graph that `target` names."""
    if _TARGET.fullmatch(target) is None:
        raise InputError(f"{target!r} names no graph; use file.py:name, package.module:name, or a .yaml or .json file")
    modules = f", allow={sorted(allow)!r}" if allow else ""
    return "from convgraph.loading import load_target", f"GRAPH = load_target({target!r}{modules})"


def _test(number: int, path: ScriptedPath) -> str:
    words = "_".join(re.sub(r"\W", "_", node) for node in dict.fromkeys([*path.graph, *path.nodes]))[:60].strip("_")
    turns = "".join(f"            {_call(turn)},\n" for turn in path.turns)
    rest = "".join(f"        {name}={value},\n" for name, value in _set_fields(path) if name != "turns")
    return (
        f"def test_path_{number}_{words}() -> None:\n"
        f'    """{_in_docstring(_shortened(path.name))}"""\n'
        f"    path = ScriptedPath(\n        turns=(\n{turns}        ),\n{rest}    )\n"
        f"    follow(GRAPH, path)"
    )


def _call(value: Any) -> str:
    return f"{type(value).__name__}({', '.join(f'{name}={text}' for name, text in _set_fields(value))})"


def _set_fields(value: Any) -> Iterator[tuple[str, str]]:
    """The fields that differ from their defaults, as source text."""
    for item in fields(value):
        given = getattr(value, item.name)
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        if given != default:
            yield item.name, _call(given) if isinstance(given, Limits) else repr(given)


def _shortened(name: str) -> str:
    return name if len(name) <= 110 else f"{name[:70]} … {name[-35:]}"


def _in_docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', "'")
