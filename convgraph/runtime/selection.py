"""Selectors: who picks one of the enabled transitions. Whoever picks, the enabled ones are a closed choice."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convgraph.errors import EffectFailed, SelectionFailed
from convgraph.graph.definition import END, METHODS, START, Edge
from convgraph.graph.guards import GuardView
from convgraph.graph.round_robin import longest_waiting
from convgraph.graph.state import State
from convgraph.messages import NO_USAGE, Joined, Message, Usage, as_texts
from convgraph.plain_data import PlainData, replaced
from convgraph.protocols import Choices, Model, ModelRequest
from convgraph.runtime.context import Context, entered
from convgraph.runtime.effects import ask_model, ask_person, instant
from convgraph.runtime.selector_prompt import choice_schema, filled, picked_name

if TYPE_CHECKING:
    from convgraph.runtime.run import Run
    from convgraph.runtime.scope import Scope, Turning

_OBSERVER = "(observer)"
"""Whose point of view a selecting model has: nobody's in the conversation, so that it is told who said what."""


class Choice(PlainData, frozen=True):
    """The transition chosen, by whom, and what the choice cost."""

    edge: Edge
    by: str
    usage: Usage = NO_USAGE


async def choose(run: Run, scope: Scope, turning: Turning, state: State, edges: tuple[Edge, ...]) -> Choice:
    """Pick one of `edges` by the selector that applies here. Raises `SelectionFailed` where it cannot and there is no fallback."""
    method = scope.program.definition.select_at(state.node)
    if method != "callable":
        return await _by_method(run, scope, turning, state, edges, method)
    edges = _one_for_each_target(edges)
    if len(edges) == 1:
        return Choice(edges[0], "only")
    picked = await _call_selector(run, scope, turning, state, edges)
    if isinstance(picked, str):  # the callable leaves the choice to another way of choosing, which does not end conversations
        return await _by_method(run, scope, turning, state, tuple(edge for edge in edges if edge.target != END) or edges, picked)
    return _settled(scope, turning, state, edges, method, picked)


async def _by_method(run: Run, scope: Scope, turning: Turning, state: State, edges: tuple[Edge, ...], method: str) -> Choice:
    if method == "first":
        return Choice(edges[0], method)
    if method == "round_robin":
        return Choice(longest_waiting(state, edges), method)
    if method == "random":
        drawn = instant(run, turning, "random", "select", _random)
        return Choice(edges[int(drawn * len(edges))], method)
    edges = _one_for_each_target(edges)
    if len(edges) == 1:
        return Choice(edges[0], "only")
    if method == "manual":
        return Choice(await _ask_person_to_select(run, turning, state, edges), method)
    return _settled(scope, turning, state, edges, method, await _ask_selecting_model(run, scope, turning, state, edges))


def _settled(scope: Scope, turning: Turning, state: State, edges: tuple[Edge, ...], method: str, picked: Edge | str | None) -> Choice:
    """The choice that was made, or the fallback; `picked` then says what came of asking."""
    if isinstance(picked, Edge):
        return Choice(picked, method, turning.usage)
    return Choice(_fallback(scope, state, edges, picked or ""), "fallback", turning.usage)


def _random() -> float:
    import random

    return random.random()


def _one_for_each_target(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """The first enabled edge to each target: a model or a person chooses among targets."""
    by_target: dict[str, Edge] = {}
    for edge in edges:
        by_target.setdefault(edge.target, edge)
    return tuple(by_target.values())


def _fallback(scope: Scope, state: State, edges: tuple[Edge, ...], heard: str) -> Edge:
    definition = scope.program.definition
    name = definition.fallback_at(state.node)
    for edge in edges:
        if edge.target == name:
            return edge
    targets = ", ".join(repr(edge.target) for edge in edges)
    why = f"the fallback {name!r} is not among them" if name else "there is no fallback="
    method = definition.select_at(state.node)
    raise SelectionFailed(
        f"graph {definition.name!r}, {_place(state)}: "
        f"the selector {method!r} chose none of {targets}, and {why}{'; ' if heard else ''}{heard}"
    )


def _place(state: State) -> str:
    return START if state.node == START else f"after node {state.node!r} (turn {state.turn})"


async def _ask_selecting_model(run: Run, scope: Scope, turning: Turning, state: State, edges: tuple[Edge, ...]) -> Edge | str:
    """Ask the model, a bounded number of times, for one of the targets. An exact answer counts, nothing else.

    Of several votes, the target that was named most often is taken, the first declared of those. Returns the transition, or,
    where there is none, what came of asking.
    """
    model, prompt = _selecting_model(scope), scope.program.selector_prompt
    if model is None:
        return "the choice was left to a model, but the graph has none; give it a selector_model="
    by_name = {edge.target: edge for edge in edges}
    roles = _roles(scope, edges)
    request = _selection_request(scope, state, roles)
    seen = as_texts(state.history if prompt.view is None else prompt.view(state.history))
    said: tuple[Message, ...] = ()
    if prompt.question:
        said = (Message("user", filled(prompt.question, roles), prompt.question_role),)
    choices = Choices(roles, prompt.asked(roles), seen)
    votes: list[str] = []
    heard = ""
    for _ in range(prompt.attempts + prompt.votes - 1):
        try:
            asked = replaced(request, messages=Joined(seen, said) if said else seen, choices=choices)
            reply = await ask_model(run, turning, "select", model, asked)
        except EffectFailed as error:
            heard = f"the model could not be asked: {error}"
            break
        picked = picked_name(reply.content, by_name)
        if picked is not None:
            votes.append(picked)
            if len(votes) == prompt.votes:
                break
            continue
        heard = reply.misfit or f"the model last said {reply.content!r:.200}"
        if reply.distribution is not None:  # it has weighed every choice: asking again would tell nothing new
            break
        said = (
            *said,
            Message(_OBSERVER, reply.content, "assistant"),
            Message("user", prompt.again(reply.content, roles), "user"),
        )
    return max(by_name.values(), key=lambda edge: votes.count(edge.target)) if votes else heard


def _selecting_model(scope: Scope) -> Model | None:
    found: Scope | None = scope
    while found is not None:
        if found.program.selector_model is not None:
            return found.program.selector_model
        found = found.outer.scope if found.outer is not None else None
    return None


def _roles(scope: Scope, edges: tuple[Edge, ...]) -> dict[str, str]:
    """The choices, with what is said of each."""
    nodes = scope.program.definition.nodes
    return {edge.target: _described(edge.target, nodes[edge.target].description if edge.target in nodes else "", edge) for edge in edges}


def _selection_request(scope: Scope, state: State, roles: Mapping[str, str]) -> ModelRequest:
    """The request without its messages. Kept per set of targets, so that asking costs the same in every round."""
    key = state.node, tuple(roles)
    known = scope.requests.get(key)
    if known is not None:
        return known
    # Not checked on the way: the answer is judged here, and more strictly than a schema can say.
    request = ModelRequest((), _OBSERVER, scope.program.selector_prompt.system(roles), (), choice_schema(roles), "choice", checked=False)
    scope.requests[key] = request
    return request


def _described(name: str, description: str, edge: Edge) -> str:
    if name == END:
        return edge.label or "end the conversation"
    return " ".join((description or edge.label or name).split())


async def _ask_person_to_select(run: Run, turning: Turning, state: State, edges: tuple[Edge, ...]) -> Edge:
    names = [edge.target for edge in edges]
    schema = {"type": "string", "enum": names}
    prompt = "Who begins?" if state.node == START else f"Who is next after {state.node}?"
    picked = await ask_person(run, turning, "select", prompt, schema, None)
    return edges[names.index(picked)]


async def _call_selector(run: Run, scope: Scope, turning: Turning, state: State, edges: tuple[Edge, ...]) -> Edge | str | None:
    """What the callable selector picks: one of the transitions, the name of another method, or None."""
    names = tuple(edge.target for edge in edges)
    select = scope.program.selector_at(state.node)
    with entered(Context(run, turning, state.node, state, state.history)):
        picked: Any = select(GuardView(state), names)
        if inspect.isawaitable(picked):
            picked = await picked
    if picked is None:
        return None
    name = picked if isinstance(picked, str) else getattr(picked, "name", None)
    if name in names:
        return edges[names.index(name)]
    if name in METHODS:
        return name
    raise SelectionFailed(
        f"graph {scope.program.definition.name!r}, {_place(state)}: "
        f"the selector returned {picked!r:.100}; it may return one of {', '.join(map(repr, names))}, or a method ({', '.join(METHODS)})"
    )
