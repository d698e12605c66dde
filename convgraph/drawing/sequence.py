"""A run's journal as a sequence diagram: who said what to whom, why it went on there, and what was done on the way.

    events -> sequence_of -> Sequence -> sequence_mermaid, sequence_svg

What happens inside a turn (a nested conversation, the branches of a group, a conversation that a tool has opened) stands in
a box above that turn's own message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Items
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from convgraph.drawing.picture import join_path
from convgraph.drawing.text import one_line
from convgraph.graph.definition import END, START, Definition
from convgraph.journal.events import (
    AttemptFailed,
    BranchFinished,
    Edited,
    EffectFinished,
    EffectStarted,
    Ended,
    Event,
    Moved,
    Recorded,
    Resumed,
    RunStarted,
    Stepped,
)
from convgraph.journal.turn_paths import (
    around,
    beginning_path,
    conversation_name,
    is_frame,
    is_numbered,
    opened_path,
    opener_path,
    turn_path,
)
from convgraph.messages import Message
from convgraph.runtime.distributions import recorded_distribution
from convgraph.wording import counted, money

_MAY_OPEN = frozenset({"tool", "code", "reply", "human", "conversation"})
_NO_CHOICE = frozenset({"", "only", "first", "limit"})
PERSON = "person"
USER = "user"


@dataclass(frozen=True, slots=True)
class Arrow:
    """Something said. `reason` is why the conversation went on there; `kind` is how it is drawn."""

    source: str
    target: str
    text: str
    reason: str = ""
    kind: Literal["say", "ask", "error"] = "say"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened at a participant, or, without one, to the run as a whole."""

    over: str
    text: str
    kind: Literal["effect", "error", "run"] = "effect"


@dataclass(frozen=True, slots=True)
class Box:
    """What went on inside a turn."""

    title: str
    items: tuple[Item, ...]


Item: TypeAlias = Arrow | Note | Box


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence diagram: the participants from left to right, and what happened from top to bottom."""

    participants: tuple[str, ...]
    items: tuple[Item, ...]


def sequence_of(
    events: Iterable[Recorded | Event], graph: Definition | None = None, opened: Mapping[str, Definition] | None = None
) -> Sequence:
    """The sequence diagram of a run. With its `graph`, transitions show their labels and guards.

    `opened` does that for the conversations that its turns have opened: their graphs, by digest (see `opened_graphs`).
    """
    plain = [item.event if isinstance(item, Recorded) else item for item in events]
    tale = _Tale(graph, plain, opened or {})
    for event in plain:
        tale.tell(event)
    tale.tell_unfinished()
    return Sequence(_participants(tale.items), tuple(tale.items))


def who(participant: str) -> str:
    """A participant's own name: `critic` for `review/critic`."""
    return participant.rpartition("/")[2]


class _Tale:
    """Goes through the events; keeps what is inside a turn until the turn itself is told."""

    def __init__(self, graph: Definition | None, events: Items[Event], opened: Mapping[str, Definition]) -> None:
        self.graph = graph
        self.opened = {
            opened_path(event.path, event.effect, event.name, event.ordinal): opened[event.definition]
            for event in events
            if isinstance(event, EffectStarted) and event.definition in opened
        }
        self.items: list[Item] = []
        self.inside: dict[str, list[tuple[bool, Item]]] = {}
        self.speakers = {event.path: event.node for event in events if isinstance(event, Stepped | BranchFinished)}
        beginnings = [event.path for event in events if isinstance(event, Moved) and event.path not in self.speakers]
        self.speakers |= dict.fromkeys(beginnings, START)
        self.next: dict[str, str] = {}

    def tell(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            chosen = beginning_path(0, 0) in self.speakers or (self.graph is not None and self.graph.beginning == START)
            first = START if chosen else self._speaker("1")
            self.items += [Arrow(self._opener(message), first, _said(message)) for message in event.messages]
        elif isinstance(event, EffectStarted):
            if event.question is not None:
                self._put(event.path, Arrow(self._speaker(event.path), PERSON, event.question.prompt, kind="ask"))
        elif isinstance(event, EffectFinished):
            self._effect(event)
        elif isinstance(event, AttemptFailed):
            text = f"attempt {event.attempt} failed: {event.error.type}: {event.error.message}"
            self._put(event.path, Note(self._speaker(event.path), text, "error"))
        elif isinstance(event, BranchFinished):
            self._branch(event)
        elif isinstance(event, Stepped):
            self._step(event)
        elif isinstance(event, Moved):
            self._moved(event)
        else:
            self._run(event)

    def tell_unfinished(self) -> None:
        """A turn that was cut short shows what it did."""
        while self.inside:
            path = max(self.inside, key=lambda path: path.count("/"))  # the innermost first: it becomes part of what is around it
            if is_frame(path):
                self._close(path)
                continue
            self._put_all(around(path), self._unpacked(path, self._speaker(path)))

    def _run(self, event: Edited | Resumed | Ended) -> None:
        self.tell_unfinished()
        if isinstance(event, Edited):
            self.items.append(Note("", event.why, "run"))
            if event.node is not None:
                self.next[""] = event.node
            self.items += [Arrow(self._opener(message), self.next.get("", USER), _said(message)) for message in event.messages]
        elif isinstance(event, Resumed):
            self.items.append(Note("", "resumed", "run"))
        else:
            self.items.append(Note("", f"{event.status}: {event.reason}", "run"))

    def _step(self, event: Stepped) -> None:
        path, outer = event.path, around(event.path)
        speaker = self._speaker(path)
        items = self._unpacked(path, speaker)
        if event.error is not None:
            items.append(Note(speaker, f"failed with {event.error.type}: {event.error.message}", "error"))
        target = self._target(event, outer)
        reason = self._reason(event, outer, event.move_limit)
        kind = "error" if event.error is not None else "say"
        if target and not event.messages:
            items.append(Arrow(speaker, target, "" if event.error is not None else "(says nothing)", reason, kind))
        for number, message in enumerate(event.messages, start=1):
            last = number == len(event.messages)
            items.append(Arrow(speaker, target or speaker, _said(message), reason if last else "", kind))
        if event.target is not None:
            self.next[outer] = event.target
        self._put_all(outer, items)

    def _moved(self, event: Moved) -> None:
        """A transition apart from a turn: from START to whoever begins, or from where the run had stopped."""
        path, outer = event.path, around(event.path)
        speaker, reason = self._speaker(path), self._reason(event, outer, event.limit)
        items = self._unpacked(path, speaker)
        if self.speakers[path] != START:
            items.append(Note("", f"goes on at {event.target}" + (f" ({reason})" if reason else ""), "run"))
        else:
            items.append(Arrow(speaker, self._target(event, outer), "", reason, "say"))
        self.next[outer] = event.target
        self._put_all(outer, items)

    def _opener(self, message: Message) -> str:
        """Who has said what a run begins or goes on with: the user, unless it is somebody with a name who has no turns in it."""
        name = message.sender
        nodes = self.graph.nodes if self.graph is not None else ()
        apart = name not in ("", START, END, PERSON) and "/" not in name and name not in nodes and name not in self.speakers.values()
        return name if apart else USER

    def _branch(self, event: BranchFinished) -> None:
        group = self._speaker(around(event.path))
        branch = self._speaker(event.path)
        items = self._unpacked(event.path, branch)
        items += [Arrow(branch, group, _said(message)) for message in event.messages] or [Note(branch, "says nothing")]
        self._put_all(around(event.path), items)

    def _effect(self, event: EffectFinished) -> None:
        speaker = self._speaker(event.path)
        if event.effect in _MAY_OPEN:
            self._close(opened_path(event.path, event.effect, event.name, event.ordinal))
        if event.error is not None:
            self._put(event.path, Note(speaker, f"{event.effect} {event.name} failed: {event.error.type}: {event.error.message}", "error"))
        elif event.effect == "human":
            self._put(event.path, Arrow(PERSON, speaker, str(event.result), kind="ask"))
        elif event.effect == "model":
            told = [counted(event.usage.tokens, "token")] if event.usage.tokens else []
            told += [money(event.usage.usd)] if event.usage.usd else []
            chosen = recorded_distribution(event.result)
            told += [f"by {chosen.by}: {chosen}"] if chosen is not None else []
            self._put(event.path, Note(speaker, f"model {event.name}" + (f": {', '.join(told)}" if told else "")))
        elif event.effect in ("tool", "code"):
            self._put(event.path, Note(speaker, f"{event.effect} {event.name}: {one_line(str(event.result))}"))

    def _close(self, frame: str) -> None:
        """What an effect has done itself, or a conversation that code has opened, becomes part of the turn (or effect) around it."""
        items = self._unpacked(frame, self._speaker(frame), boxed=False)
        if not items:
            return
        conversation = conversation_name(frame)
        told: Items[Item] = items if conversation is None else [Box(conversation, tuple(items))]
        self.inside.setdefault(turn_path(around(frame)), []).extend((False, item) for item in told)

    def _put(self, path: str, item: Item) -> None:
        self.inside.setdefault(turn_path(path), []).append((False, item))

    def _put_all(self, outer: str, items: Iterable[Item]) -> None:
        if outer:
            self.inside.setdefault(turn_path(outer), []).extend((True, item) for item in items)
        else:
            self.items += items

    def _unpacked(self, path: str, speaker: str, *, boxed: bool = True) -> list[Item]:
        """What happened inside the turn at `path`: its effects as they are, what is nested in it in boxes."""
        items: list[Item] = []
        for nested, group in groupby(self.inside.pop(turn_path(path), ()), key=lambda pair: pair[0]):
            told = tuple(item for _, item in group)
            items += [Box(f"inside {who(speaker)}", told)] if nested and boxed else told
        return items

    def _speaker(self, path: str) -> str:
        """The participant that has the turn at `path`; in what an effect does itself, the one whose effect it is."""
        parent, _, last = path.rpartition("/")
        last = turn_path(last)
        outer = self._speaker(parent) if parent else ""
        if is_frame(last):
            conversation = conversation_name(last)
            return outer if conversation is None else join_path(outer, conversation)
        known = self.speakers.get(f"{parent}/{last}" if parent else last)
        if known is None and is_numbered(last):
            graph = self._graph_at(parent)
            known = self.next.get(parent) or (graph.beginning if graph is not None else None)
        elif known is None and last.startswith("#"):
            known = next((name for path, name in self.speakers.items() if path.startswith(f"{parent}/#")), None)
        return join_path(outer, known or last)

    def _target(self, event: Stepped | Moved, outer: str) -> str:
        if event.target is None:
            return ""
        if event.target == END and outer:
            return self._speaker(opener_path(outer))
        return join_path(self._speaker(outer) if outer else "", event.target)

    def _reason(self, event: Stepped | Moved, outer: str, limit: str | None) -> str:
        """Why the conversation goes on where it does: the edge's label and guard, and who chose if that was a choice."""
        parts: list[str] = []
        graph = self._graph_at(outer)
        if graph is not None and event.edge is not None and 0 <= event.edge < len(graph.edges):
            edge = graph.edge(event.edge)
            parts += [f"on {edge.on}"] if edge.on != "reply" else []
            parts += [edge.label] if edge.label else []
            parts += [f"when {edge.guard.text}"] if edge.guard is not None else []
        if limit:
            parts.append(f"limit: {limit}")
        if event.chosen_by == "goto":
            parts.append("handed over")
        elif event.chosen_by not in _NO_CHOICE:
            parts.append(f"chosen by {event.chosen_by}")
        return ", ".join(parts)

    def _graph_at(self, path: str) -> Definition | None:
        """The graph of the conversation nested at `path`."""
        if not path:
            return self.graph
        if path in self.opened:
            return self.opened[path]
        within = max((frame for frame in self.opened if path.startswith(f"{frame}/")), key=len, default="")
        graph = self.opened.get(within, self.graph)
        outside = f"{self._speaker(within)}/" if within else ""
        for name in self._speaker(path).removeprefix(outside).split("/"):
            if graph is not None and graph.name == name and name not in graph.nodes:
                continue  # the conversation that an agent has before it replies
            node = graph.nodes.get(name) if graph is not None else None
            graph = node.inner if node is not None else None
        return graph


def _participants(items: Iterable[Item]) -> tuple[str, ...]:
    found: dict[str, None] = {}

    def collect(items: Iterable[Item]) -> None:
        for item in items:
            if isinstance(item, Box):
                collect(item.items)
            elif isinstance(item, Note):
                found.update({item.over: None} if item.over else {})
            else:
                found.update({item.source: None, item.target: None})

    collect(items)
    nodes: dict[str, None] = {}
    for name in found:  # a node stands before what is inside it, though it speaks after that
        parts = name.split("/")
        nodes.update({around: None for depth in range(len(parts)) if (around := "/".join(parts[: depth + 1])) in found})
    people = [name for name in (USER, PERSON) if name in found]
    ends = [END] if END in found else []
    return (*people, *(name for name in nodes if name not in (USER, PERSON, END)), *ends)


def _said(message: Message) -> str:
    calls = ", ".join(f"{call.name}({call.arguments})" for call in message.tool_calls)
    return " ".join(part for part in (message.text, f"calls {calls}" if calls else "") if part) or "(empty)"
