"""`ConversationGraph`: the face that joins definition, speakers, runtime, stores and drawing; here, how one is built."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from convgraph.conversation.parts import NodeOptions, Part, assembled, caller_origin, graph_detail, models_of, name_of, with_nested
from convgraph.conversation.runs import GraphRuns
from convgraph.errors import DefinitionError
from convgraph.graph.definition import END, START, UNLIMITED, Builder, Definition, Edge, Limits, On, Retry, SelectMethod, check_select
from convgraph.graph.guards import Guard, PythonGuard, as_guard
from convgraph.graph.schema import StateSchema
from convgraph.graph.views import View, checked_view
from convgraph.journal.values import ValueCodec
from convgraph.protocols import Model, Speaker
from convgraph.runtime.functions import FunctionSpeaker
from convgraph.runtime.program import GRAPH, Migration, Program, Selector
from convgraph.runtime.redaction import Redactions, as_redaction
from convgraph.runtime.selector_prompt import SelectorPrompt


class ConversationGraph(GraphRuns):
    """A conversation between agents as a directed graph: nodes speak, guarded transitions say who may speak next.

    Building it runs nothing; running it changes nothing about it, so one graph may have any number of runs at
    the same time. Every method that runs has a sync and an async form (`run`, `arun`), of one implementation.
    """

    def __init__(
        self,
        name: str,
        *,
        state: type[BaseModel] | Mapping[str, Any] | StateSchema | None = None,
        select: str | Selector = "first",
        fallback: str | None = None,
        limits: Limits | None = None,
        selector_model: Model | None = None,
        selector_prompt: SelectorPrompt | None = None,
        types: Iterable[type] = (),
        redact: Redactions | None = None,
    ) -> None:
        """Begin a graph.

        `state`: a pydantic model class (or a mapping of small JSON schemas) for the conversation's typed state.
        `select`: who picks among several enabled transitions: `first`, `round_robin`, `random`, `auto` (a model),
        `manual` (a person), or a callable `(view, targets) -> target`. `fallback`: the target to take when the
        selector gives no usable answer. `limits`: what a run may cost. `selector_model`: the model for `auto`
        (default: the environment's), `selector_prompt` how it is asked. `types`: pydantic models and dataclasses that effects may return.
        `redact`: what is never to be recorded: regular expressions by name (`{"card": "[0-9]{16}"}`), or a function from text to
        text.
        """
        super().__init__()
        self._builder = Builder(name)
        where = f"graph {name!r}"
        self._schema = StateSchema.of(state, where) if state is not None else None
        self._select: SelectMethod = check_select(select, where)
        self._fallback = fallback
        self._limits = _checked_limits(limits, where)
        self._selector_model = _checked_model(selector_model, where)
        self._selector_prompt = selector_prompt or SelectorPrompt()
        self._codec = ValueCodec(types)
        self._redact = as_redaction(redact, where) if redact is not None else None
        self._parts: dict[str, Part] = {}
        self._selectors: dict[str, Selector] = {GRAPH: select} if callable(select) else {}
        self._migrations: dict[str, Migration] = {}
        self._program: Program | None = None

    # Building

    @property
    def name(self) -> str:
        """The graph's name."""
        return self._builder.name

    def add_node(
        self,
        speaker: Any,
        name: str | None = None,
        *,
        description: str = "",
        select: str | Selector | None = None,
        fallback: str | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        view: View | None = None,
        origin: str = "",
    ) -> str:
        """Add a node: an agent, a function `(ctx) -> reply`, a graph, a `Parallel` or a `ForEach`. Returns its name.

        `name` defaults to the speaker's own. `description` is what a selecting model is told about it. `select`
        and `fallback` override the graph's for the choice after this node. `retry` says how often a failing turn
        is tried, `timeout` how many seconds it may take, `view` what it is shown of the conversation. `origin` is
        where it was defined, for messages (the caller's line, unless it is said). Raises `DefinitionError` for a bad or taken name.
        """
        where = f"graph {self.name!r}"
        options = NodeOptions(description, select, fallback, retry, timeout, checked_view(view, f"{where}, node {name!r}"))
        part = assembled(speaker, name, options, where, origin or caller_origin())
        if any(graph.contains(self) for graph in part.graphs.values()):
            raise DefinitionError(f"{where}: node {part.node.name!r} would nest the graph in itself; let an edge lead back instead")
        self._builder.node(part.node)
        self._parts[part.node.name] = part
        if callable(select):
            self._selectors[part.node.name] = select
        self._changed()
        return part.node.name

    def add_edge(
        self,
        source: Any,
        target: Any,
        when: str | PythonGuard | Guard | None = None,
        *,
        priority: int = 0,
        label: str = "",
        on: On = "reply",
        view: View | None = None,
        origin: str = "",
    ) -> Edge:
        """Add a transition from `source` (a node, its name, or `START`) to `target` (a node, its name, or `END`).

        Edges that leave `START`, instead of `set_start`, have the first speaker chosen like every other.

        `when` is its guard: CEL text over `last, messages, state, turn, visits, usage, error, sender, declined`, or
        a Python callable `(view) -> bool`. Higher `priority` is considered first, then the order of declaration;
        an edge without a guard is the else-edge of those above it. `on` says what it fires on: a `reply`, an
        `error` of the node, or a `limit` that is reached. `view` says what the target is shown of the conversation when
        this transition led to it, instead of the node's own view. Raises `GuardError` for a guard that does not compile.
        """
        where = f"graph {self.name!r}, edge {_shown(source)} -> {_shown(target)}"
        origin = origin or caller_origin()
        ends = name_of(source, where), name_of(target, where)
        edge = Edge(*ends, as_guard(when, where), priority, label, on, 0, origin, checked_view(view, where))
        placed = self._builder.edge(edge)
        self._changed()
        return placed

    def set_start(self, node: Any) -> None:
        """Say which node has the first turn. Raises `DefinitionError` where edges leave `START`, which say it too."""
        self._builder.set_start(name_of(node, f"graph {self.name!r}, set_start"))
        self._changed()

    def add_migration(self, old_fingerprint: str, migrate: Migration) -> None:
        """Let runs made with an older version of this graph go on with this one.

        `migrate({"node": …, "state": {…}})` returns the same for this version: the node that has the turn and
        the state's fields. The run keeps its messages; its unfinished turn is made anew.
        """
        self._migrations[old_fingerprint] = migrate
        self._changed()

    # Ready to run

    def contains(self, graph: ConversationGraph) -> bool:
        """Whether `graph` is this one, or nested in it at any depth."""
        return self is graph or any(inner.contains(graph) for part in self._parts.values() for inner in part.graphs.values())

    def program(self) -> Program:
        """The graph ready to run: its definition and the live objects behind it. Made once, until it or a nested graph changes."""
        inner = {key: graph.program() for part in self._parts.values() for key, graph in part.graphs.items()}
        if self._program is None or any(self._program.inner[key] is not program for key, program in inner.items()):
            builder = self._builder
            speakers = {key: speaker for part in self._parts.values() for key, speaker in part.speakers.items()}
            definition = Definition(
                builder.name,
                {name: with_nested(node, inner) for name, node in builder.nodes.items()},
                tuple(builder.edges),
                builder.start,
                self._schema,
                self._select,
                self._fallback,
                self._limits,
                graph_detail(self._selectors, self._selector_model, self._selector_prompt, self._codec.types, self._redact),
            )
            self._program = Program(
                definition,
                speakers,
                inner,
                dict(self._selectors),
                self._selector_model or _default_selector_model(definition),
                models_of(speakers),
                self._codec.joined(program.codec for program in inner.values()),
                dict(self._migrations),
                {key: doors for part in self._parts.values() for key, doors in part.doors.items()},
                self._selector_prompt,
                redact=self._redact,
            )
        return self._program

    def substitute(self, speakers: Mapping[str, Speaker | Callable[..., Any]], *, selector_model: Model | None = None) -> ConversationGraph:
        """The same graph with other speakers at some of its nodes: what tests and simulations run. Raises `DefinitionError`."""
        program = self.program()
        unknown = sorted(set(speakers) - set(program.speakers) - set(program.inner))
        if unknown:
            raise DefinitionError(
                f"graph {self.name!r}: substitute() names {unknown}, which are no speakers of it ({sorted(program.speakers)})"
            )
        live = {name: one if isinstance(one, Speaker) else FunctionSpeaker(one, name) for name, one in speakers.items()}
        twin = copy.copy(self)
        twin._running = {}
        twin._program = replace(program, speakers={**program.speakers, **live}, selector_model=selector_model or program.selector_model)
        return twin

    def redacting(self, redact: Redactions) -> ConversationGraph:
        """The same graph, with `redact` for what is never to be recorded, instead of its own. Raises `DefinitionError`."""
        twin = copy.copy(self)
        twin._running = {}
        twin._redact = as_redaction(redact, f"graph {self.name!r}")
        twin._changed()
        return twin

    @classmethod
    def from_yaml(
        cls,
        text: str | Path,
        *,
        allow: Collection[str] = (),
        speakers: Mapping[str, Any] | None = None,
        selector_model: Model | None = None,
    ) -> ConversationGraph:
        """The graph that a YAML (or JSON) text or file defines.

        Python callables and types are imported only from the modules named in `allow`. `speakers` are live objects to
        use for nodes, by name, instead of building them from the text; so is `selector_model`.
        """
        from convgraph.loading import from_yaml

        return from_yaml(text, allow=allow, speakers=speakers or {}, selector_model=selector_model)

    def __repr__(self) -> str:
        return f"ConversationGraph({self.name!r}, {len(self._builder.nodes)} nodes, {len(self._builder.edges)} edges)"

    def _changed(self) -> None:
        self._program = None


def _checked_limits(limits: Any, where: str) -> Limits:
    if limits is None:
        return UNLIMITED
    if not isinstance(limits, Limits):
        raise DefinitionError(f"{where}: limits= takes Limits(turns=…, usd=…), not {limits!r:.100}")
    return limits


def _checked_model(model: Any, where: str) -> Model | None:
    if model is not None and not isinstance(model, Model):
        raise DefinitionError(f"{where}: selector_model= takes a model, such as OpenAIChatModel(…), not {model!r:.100}")
    return model


def _default_selector_model(definition: Definition) -> Model | None:
    """The environment's model, where some choice is left to a model and the graph names none. Read when it is called."""
    if definition.select != "auto" and all(node.select != "auto" for node in definition.nodes.values()):
        return None
    from convgraph.models.openai_chat import OpenAIChatModel

    return OpenAIChatModel()


def _shown(end: Any) -> str:
    return end if isinstance(end, str) else str(getattr(end, "name", None) or getattr(end, "__name__", type(end).__name__))


__all__ = ["END", "START", "ConversationGraph"]
