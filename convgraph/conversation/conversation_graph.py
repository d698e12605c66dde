"""`ConversationGraph`: the face that joins definition, speakers, runtime, stores and drawing."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from convgraph.conversation.parts import NodeOptions, Part, assembled, caller_origin, graph_detail, models_of, name_of, with_nested
from convgraph.conversation.views import GraphViews
from convgraph.errors import DefinitionError, InputError
from convgraph.graph.definition import END, START, UNLIMITED, Builder, Definition, Edge, Limits, On, Retry, SelectMethod, check_select
from convgraph.graph.guards import Guard, PythonGuard, as_guard
from convgraph.graph.schema import StateSchema
from convgraph.journal.store_url import StoreLike, as_store
from convgraph.journal.values import ValueCodec
from convgraph.journal.writer import Durability
from convgraph.protocols import Model, Speaker
from convgraph.runtime import lifecycle
from convgraph.runtime.functions import FunctionSpeaker
from convgraph.runtime.inputs import Options, prepared
from convgraph.runtime.people import Human
from convgraph.runtime.program import GRAPH, Migration, Program, Selector
from convgraph.runtime.result import RunResult
from convgraph.runtime.selector_prompt import SelectorPrompt
from convgraph.runtime.stream import RunStream
from convgraph.sync import run_sync

if TYPE_CHECKING:
    from convgraph.runtime.explain import Explanation


class ConversationGraph(GraphViews):
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
    ) -> None:
        """Begin a graph.

        `state`: a pydantic model class (or a mapping of small JSON schemas) for the conversation's typed state.
        `select`: who picks among several enabled transitions: `first`, `round_robin`, `random`, `auto` (a model),
        `manual` (a person), or a callable `(view, targets) -> target`. `fallback`: the target to take when the
        selector gives no usable answer. `limits`: what a run may cost. `selector_model`: the model for `auto`
        (default: the environment's), `selector_prompt` how it is asked. `types`: pydantic models and dataclasses that effects may return.
        """
        self._builder = Builder(name)
        where = f"graph {name!r}"
        self._schema = StateSchema.of(state, where) if state is not None else None
        self._select: SelectMethod = check_select(select, where)
        self._fallback = fallback
        self._limits = _checked_limits(limits, where)
        self._selector_model = _checked_model(selector_model, where)
        self._selector_prompt = selector_prompt or SelectorPrompt()
        self._codec = ValueCodec(types)
        self._parts: dict[str, Part] = {}
        self._selectors: dict[str, Selector] = {GRAPH: select} if callable(select) else {}
        self._migrations: dict[str, Migration] = {}
        self._running: dict[str, _Running] = {}
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
        origin: str = "",
    ) -> str:
        """Add a node: an agent, a function `(ctx) -> reply`, a graph, a `Parallel` or a `ForEach`. Returns its name.

        `name` defaults to the speaker's own. `description` is what a selecting model is told about it. `select`
        and `fallback` override the graph's for the choice after this node. `retry` says how often a failing turn
        is tried, `timeout` how many seconds it may take. `origin` is where it was defined, for messages (the caller's
        line, unless it is said). Raises `DefinitionError` for a bad or taken name.
        """
        where = f"graph {self.name!r}"
        options = NodeOptions(description, select, fallback, retry, timeout)
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
        origin: str = "",
    ) -> Edge:
        """Add a transition from `source` (a node, its name, or `START`) to `target` (a node, its name, or `END`).

        Edges that leave `START`, instead of `set_start`, have the first speaker chosen like every other.

        `when` is its guard: CEL text over `last, messages, state, turn, visits, usage, error, sender, declined`, or
        a Python callable `(view) -> bool`. Higher `priority` is considered first, then the order of declaration;
        an edge without a guard is the else-edge of those above it. `on` says what it fires on: a `reply`, an
        `error` of the node, or a `limit` that is reached. Raises `GuardError` for a guard that does not compile.
        """
        where = f"graph {self.name!r}, edge {_shown(source)} -> {_shown(target)}"
        origin = origin or caller_origin()
        edge = Edge(name_of(source, where), name_of(target, where), as_guard(when, where), priority, label, on, 0, origin)
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
                graph_detail(self._selectors, self._selector_model, self._codec.types),
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

    # Running

    def run(self, input: Any = None, **options: Any) -> RunResult:  # the name that design and users call
        """Run the conversation until it stops. See `arun` for the options; works inside a running event loop too."""
        return run_sync(self.arun(input, **options))

    async def arun(
        self,
        input: Any = None,
        *,
        state: BaseModel | Mapping[str, Any] | None = None,
        deps: Any = None,
        store: StoreLike | None = None,
        run_id: str | None = None,
        limits: Limits | None = None,
        human: Human = "auto",
        durability: Durability = "step",
        target: str = "",
        listener: Callable[[Any], None] | None = None,
    ) -> RunResult:
        """Run the conversation until it stops.

        `input`: what the user says (a str, a `Message`, or a list of them). `state`: the initial state. `deps`: live
        objects for `ctx.deps`, never journaled. `store`: where the journal is kept (a file name, a URL, a store);
        None keeps it in memory. `run_id`: a name of one's own. `limits`: instead of the graph's. `human`: how people
        are asked (`auto`, `console`, `park`, a callable). `durability`: `step` writes as it goes, `exit` when the run
        stops. `listener`: called with each event as it happens, before it is durable.

        Returns a `RunResult`; a run that fails is a result with status `failed`, not an exception. Raises
        `CheckFailed`, `InputError` and `StoreError` before anything is written.
        """
        program, options = self._sound_program(), Options(deps, human, durability, listener, target)
        beginning = prepared(program, input, state, run_id, _checked_limits_or_none(limits), options)
        async with as_store(store) as opened:
            return await self._tracked(beginning.run_id, lifecycle.start(program, beginning, opened, options), options)

    def astream(self, input: Any = None, **options: Any) -> RunStream:
        """Run the conversation and stream its events as they happen, token deltas among them.

        Takes the options of `arun`. Returns an async iterator of events; when it is through, its `result` is the
        `RunResult`.
        """
        return RunStream(lambda listener: self.arun(input, listener=listener, **options))

    def resume(self, run_id: str, **options: Any) -> RunResult:
        """Go on with a run that has stopped or whose process has died. See `aresume` for the options."""
        return run_sync(self.aresume(run_id, **options))

    async def aresume(
        self,
        run_id: str,
        *,
        store: StoreLike,
        answers: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        redo_turn: bool = False,
        deps: Any = None,
        human: Human = "auto",
        durability: Durability = "step",
        listener: Callable[[Any], None] | None = None,
    ) -> RunResult:
        """Go on with a run from its last complete step, in any process.

        `answers`: values for open questions, by their ids. `limits`: new ones, for a run that had reached its limits.
        `redo_turn`: make the unfinished turn anew instead of reading its model calls back.

        A run that is finished or stuck is given back as stored. Raises `RunNotFound`, `RunBusy`, `GraphChanged`,
        `AnswerError`, before anything is written, and `ReplayDivergence` where the unfinished turn does not ask
        for what it had asked for.
        """
        async with as_store(store) as opened:
            options = Options(deps, human, durability, listener)
            work = lifecycle.resume(self.program(), run_id, opened, answers, _checked_limits_or_none(limits), redo_turn, options)
            return await self._tracked(run_id, work, options)

    def replay(self, run_id: str, *, store: StoreLike, live: bool = False, deps: Any = None) -> RunResult:
        """Re-execute a run with its recorded effects only. See `areplay`."""
        return run_sync(self.areplay(run_id, store=store, live=live, deps=deps))

    async def areplay(self, run_id: str, *, store: StoreLike, live: bool = False, deps: Any = None) -> RunResult:
        """Re-execute a run with its recorded effects only: no model, tool or person is asked, nothing is written.

        Raises `ReplayDivergence`, with the step and a diff, at the first difference between what the code does
        and what the record says. With a changed graph, `live=True` goes on for real from there, as a new run that
        shares the steps that agreed. Returns the result as it was recorded.
        """
        from convgraph.runtime.replay import replay

        async with as_store(store) as opened:
            return self._with_picture(await replay(self._sound_program(), run_id, opened, Options(deps), live=live))

    def fork(
        self,
        run_id: str,
        *,
        store: StoreLike,
        at: int,
        message: Any = None,
        state: Mapping[str, Any] | None = None,
        new_id: str | None = None,
    ) -> str:
        """Make a new run that shares the steps 1 to `at` of another, by reference. Returns its id; `resume` runs it.

        `message` replaces the last message of step `at`, `state` changes fields of the state there; with either,
        the transition after the step is chosen anew.
        """
        return run_sync(self.afork(run_id, store=store, at=at, message=message, state=state, new_id=new_id))

    async def afork(
        self,
        run_id: str,
        *,
        store: StoreLike,
        at: int,
        message: Any = None,
        state: Mapping[str, Any] | None = None,
        new_id: str | None = None,
    ) -> str:
        """See `fork`."""
        async with as_store(store) as opened:
            return await lifecycle.fork(self.program(), run_id, opened, at, message, state, new_id)

    def continue_(self, run_id: str, input: Any, **options: Any) -> RunResult:
        """Go on with an ended conversation with its user's next message. See `acontinue`."""
        return run_sync(self.acontinue(run_id, input, **options))

    async def acontinue(
        self,
        run_id: str,
        input: Any,
        *,
        store: StoreLike,
        state: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        deps: Any = None,
        human: Human = "auto",
        durability: Durability = "step",
        listener: Callable[[Any], None] | None = None,
    ) -> RunResult:
        """Go on with an ended conversation: `input` is its user's next message, and the start node has the turn.

        `state` changes fields of the conversation's state before.
        """
        async with as_store(store) as opened:
            options = Options(deps, human, durability, listener)
            work = lifecycle.carry_on(self.program(), run_id, input, opened, state, _checked_limits_or_none(limits), options)
            return await self._tracked(run_id, work, options)

    def cancel(self, run_id: str) -> bool:
        """Stop a run of this graph at its next await, from any thread: it ends `cancelled`, and can be resumed.

        Says whether a run of that id was running in this process, through this graph.
        """
        running = self._running.get(run_id)
        if running is None:
            return False
        running.loop.call_soon_threadsafe(self._stop, run_id, running)
        return True

    def explain(self, run_id: str, *, store: StoreLike, step: int) -> Explanation:
        """Why the run went where it went after `step`: every guard's value, who chose, what the model answered.

        Steps count from 1; step 0 is the choice of who begins, where the graph leaves that to be chosen.
        """
        return run_sync(self.aexplain(run_id, store=store, step=step))

    async def aexplain(self, run_id: str, *, store: StoreLike, step: int) -> Explanation:
        """See `explain`."""
        from convgraph.runtime.explain import explain

        async with as_store(store) as opened:
            return await explain(self.program(), run_id, opened, step)

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

    def _sound_program(self) -> Program:
        program = self.program()
        program.require_sound()
        return program

    async def _tracked(self, run_id: str, work: Coroutine[Any, Any, RunResult], options: Options) -> RunResult:
        """Do the work so that `cancel(run_id)` can stop it."""
        task = asyncio.current_task()
        if task is None or run_id in self._running:  # a second attempt at a run in progress: it will be told that the run is busy
            return self._with_picture(await work)
        self._running[run_id] = _Running(asyncio.get_running_loop(), task, options)
        try:
            return self._with_picture(await work)
        finally:
            del self._running[run_id]

    def _stop(self, run_id: str, running: _Running) -> None:
        if self._running.get(run_id) is running and not running.options.stop.requested:
            running.options.stop.requested = True
            running.task.cancel()


@dataclass(frozen=True, slots=True)
class _Running:
    """A run in progress: what `cancel` needs to stop it."""

    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[Any]
    options: Options


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


def _checked_limits_or_none(limits: Any) -> Limits | None:
    if limits is not None and not isinstance(limits, Limits):
        raise InputError(f"limits= takes Limits(turns=…, usd=…), not {limits!r:.100}")
    return limits


def _default_selector_model(definition: Definition) -> Model | None:
    """The environment's model, where some choice is left to a model and the graph names none. Read when it is called."""
    if definition.select != "auto" and all(node.select != "auto" for node in definition.nodes.values()):
        return None
    from convgraph.models.openai_chat import OpenAIChatModel

    return OpenAIChatModel()


def _shown(end: Any) -> str:
    return end if isinstance(end, str) else str(getattr(end, "name", None) or getattr(end, "__name__", type(end).__name__))


__all__ = ["END", "START", "ConversationGraph"]
