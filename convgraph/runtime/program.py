"""A graph ready to run: its definition, and the live objects that the definition only describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from convgraph.errors import CheckFailed
from convgraph.graph.definition import Definition
from convgraph.graph.guards import GuardView
from convgraph.journal.values import ValueCodec, digest_text
from convgraph.protocols import Model, Speaker
from convgraph.runtime.redaction import Redact
from convgraph.runtime.selector_prompt import SelectorPrompt
from convgraph.runtime.setups import Setups

if TYPE_CHECKING:
    from convgraph.graph.checks import Finding
    from convgraph.graph.documents import Change
    from convgraph.runtime.nested import Doors

Selector: TypeAlias = Callable[[GuardView, tuple[str, ...]], Any]
"""A selector of one's own: given a view of the conversation and the names of the enabled targets, it returns one of them."""

Migration: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Given `{"node": …, "state": {…}}` of a stopped run, the same for the changed graph."""

GRAPH = ""
"""The key under which a program keeps what belongs to the graph as a whole, rather than to a node."""


@dataclass(frozen=True)
class Program:
    """A definition with its speakers (by node, or `group/branch`), nested programs, and selectors."""

    definition: Definition
    speakers: Mapping[str, Speaker]
    inner: Mapping[str, Program] = field(default_factory=dict[str, "Program"])
    selectors: Mapping[str, Selector] = field(default_factory=dict[str, Selector])
    selector_model: Model | None = None
    models: tuple[Model, ...] = ()
    codec: ValueCodec = field(default_factory=ValueCodec)
    migrations: Mapping[str, Migration] = field(default_factory=dict[str, Migration])
    doors: Mapping[str, Doors] = field(default_factory=dict[str, "Doors"])
    selector_prompt: SelectorPrompt = field(default_factory=SelectorPrompt)
    setups: Setups = field(default_factory=Setups, compare=False, repr=False)
    redact: Redact | None = None

    @cached_property
    def redactions(self) -> tuple[Redact, ...]:
        """What is taken out of every text before it is recorded, here and in the graphs nested in this one."""
        inner = (each for program in self.inner.values() for each in program.redactions)
        return tuple(dict.fromkeys([*([self.redact] if self.redact is not None else []), *inner]))

    @cached_property
    def document(self) -> dict[str, Any]:
        """The definition as plain data."""
        from convgraph.graph.documents import to_document

        return to_document(self.definition)

    @cached_property
    def recorded_document(self) -> dict[str, Any]:
        """What a run stores of its graph: not what is never to be recorded, which a pattern may say word for word."""
        from convgraph.graph.documents import as_recorded

        return as_recorded(self.document)

    @cached_property
    def document_text(self) -> str:
        """The recorded document as canonical JSON."""
        from convgraph.graph.documents import canonical_json

        return canonical_json(self.recorded_document)

    @cached_property
    def document_digest(self) -> str:
        """The name under which a store keeps the document."""
        return digest_text(self.document_text)

    @cached_property
    def fingerprint(self) -> str:
        """The hash of the canonical document."""
        from convgraph.graph.documents import fingerprint

        return fingerprint(self.definition)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What `check` says of the graph."""
        from convgraph.graph.checks import check

        return tuple(check(self.definition))

    def require_sound(self) -> None:
        """Raise `CheckFailed` where the graph has errors."""
        errors = [finding for finding in self.findings if finding.severity == "error"]
        if errors:
            lines = "\n".join(f"  {finding}" for finding in errors)
            raise CheckFailed(f"graph {self.definition.name!r} cannot run:\n{lines}", errors)

    def changes_from(self, document: Mapping[str, Any]) -> list[Change]:
        """How this graph differs from the one that the recorded `document` describes."""
        from convgraph.graph.documents import difference

        return difference(document, self.recorded_document)

    @cached_property
    def has_opaque_guards(self) -> bool:
        """Whether any guard is a Python callable, whose values must be journaled."""
        return any(edge.guard is not None and edge.guard.opaque for edge in self.definition.edges)

    def selector_at(self, node: str) -> Selector:
        """The callable selector that applies after `node`."""
        return self.selectors.get(node) or self.selectors[GRAPH]

    def unpriced_models(self) -> list[str]:
        """The names of the models whose calls cannot be counted in US dollars, nested graphs included."""
        own = [model for model in (*self.models, self.selector_model) if model is not None]
        names = [model.name for model in own if not model.priced]
        for program in self.inner.values():
            names.extend(program.unpriced_models())
        return sorted(set(names))
