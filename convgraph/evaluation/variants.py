# pyright: reportUnnecessaryIsInstance=false
# What callers really pass is checked, whether their code is typed or not.
"""A graph with other models than its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from convgraph.errors import InputError
from convgraph.protocols import Model

if TYPE_CHECKING:
    from convgraph.conversation import ConversationGraph


@dataclass(frozen=True, slots=True)
class Variant:
    """A graph, with other models than its own: `model` for all who ask one, `models` for some, by the speaker's name.

    A selecting model is called `(selector)` in `models`. Prompts, tools and transitions stay as they are. `name` is what it is
    called in reports, `target` where the graph is found (`file.py:name`): its runs keep that, so that commands find it again.
    """

    graph: ConversationGraph
    model: Model | None = None
    models: Mapping[str, Model] = field(default_factory=dict[str, Model])
    name: str = ""
    target: str = ""

    def __post_init__(self) -> None:
        for model in (self.model, *self.models.values()):
            if model is not None and not isinstance(model, Model):
                raise InputError(
                    f"Variant(model=…) takes a model, such as OpenAIChatModel('gpt-…') or ScriptedModel([…]), not {model!r:.100}"
                )

    @property
    def title(self) -> str:
        """What it is called in reports."""
        swapped = [self.model.name] if self.model is not None else []
        swapped += [f"{speaker}={model.name}" for speaker, model in self.models.items()]
        return self.name or " ".join([self.graph.name, *([f"({', '.join(swapped)})"] if swapped else [])])

    @property
    def has_models(self) -> bool:
        """Whether models of its own answer, rather than a case's script or the graph's."""
        return self.model is not None or bool(self.models)
