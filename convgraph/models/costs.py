"""What runs have cost, model by model, read from their journals: for people, and in the form of AutoGen's documents.

Two amounts are told apart: what was paid, and what it would have come to without a cache of answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from convgraph.errors import InputError
from convgraph.journal.events import BranchFinished, EffectFinished, Event, Recorded, Stepped
from convgraph.journal.turn_paths import around, is_choice, without_attempts
from convgraph.messages import NO_USAGE, Usage
from convgraph.wording import counted, money

Costs: TypeAlias = Mapping[str, Usage]
"""Usage by the names of models."""


class ModelCall(NamedTuple):
    """One answer of a model in a run: who asked (a node, or nobody for a choice between turns), who answered, what it cost.

    `saved` is what a cache saved: then `usage` is nothing.
    """

    node: str
    model: str
    usage: Usage
    saved: Usage


def model_calls(events: Iterable[Event | Recorded]) -> Iterator[ModelCall]:
    """Every answer that a run's events hold, those of nested conversations, choices and failed attempts included."""
    known = [event.event if isinstance(event, Recorded) else event for event in events]
    nodes = {without_attempts(event.path): event.node for event in known if isinstance(event, Stepped | BranchFinished)}
    for event in known:
        if isinstance(event, EffectFinished) and event.effect == "model":
            result = cast("Mapping[str, Any]", event.result or {})
            saved = Usage(*result.get("saved", ()))
            yield ModelCall(_node(event.path, nodes), str(result.get("model") or event.name), event.usage, saved)


def usage_by_model(events: Iterable[Event | Recorded], *, cached: bool = False) -> dict[str, Usage]:
    """What was paid to each model; with `cached`, what it would have come to had no answer come from a cache."""
    return _added((call.model, call.usage + call.saved if cached else call.usage) for call in model_calls(events))


def usage_by_node(events: Iterable[Event | Recorded], *, cached: bool = False) -> dict[str, dict[str, Usage]]:
    """The same for each node that asked. Choices of who is next count for the name `""`; a turn that never ended, too."""
    found: dict[str, dict[str, Usage]] = {}
    for call in model_calls(events):
        models = found.setdefault(call.node, {})
        models[call.model] = models.get(call.model, NO_USAGE) + (call.usage + call.saved if cached else call.usage)
    return found


def added(costs: Iterable[Costs]) -> dict[str, Usage]:
    """Several of these as one: over runs, or over agents."""
    return _added(pair for each in costs for pair in each.items())


def usage_document(costs: Costs) -> dict[str, Any]:
    """AutoGen's form: `{"total_cost": …, "<model>": {"cost", "prompt_tokens", "completion_tokens", "total_tokens"}}`."""
    spent = {model: usage for model, usage in costs.items() if any(usage)}
    return {
        "total_cost": sum((usage.usd for usage in spent.values()), 0.0),
        **{
            model: {
                "cost": usage.usd,
                "prompt_tokens": usage.input_tokens,
                "completion_tokens": usage.output_tokens,
                "total_tokens": usage.tokens,
            }
            for model, usage in spent.items()
        },
    }


def cost_document(events: Iterable[Event | Recorded]) -> dict[str, Any]:
    """AutoGen's `ChatResult.cost` of one run's events, or of several runs' one after another."""
    known = list(events)
    return {
        "usage_including_cached_inference": usage_document(usage_by_model(known, cached=True)),
        "usage_excluding_cached_inference": usage_document(usage_by_model(known)),
    }


def usage_summary(total: Costs, paid: Costs, mode: str | Sequence[str] = ("actual", "total")) -> str:
    """The words of `print_usage_summary`: what was paid (`actual`), what it would be without a cache (`total`), or both.

    One paragraph where the two are the same. Raises `InputError` for another mode.
    """
    modes = _modes(mode)
    if not any(any(usage) for usage in total.values()):
        return "No model was asked."
    if set(modes) == {"actual", "total"} and usage_document(total) == usage_document(paid):
        return f"{_paragraph('Usage', paid)}\nNothing came from a cache."
    titles = {"actual": ("Usage, as paid", paid), "total": ("Usage, had nothing come from a cache", total)}
    return "\n".join(_paragraph(*titles[each]) for each in modes)


def _modes(mode: str | Sequence[str]) -> list[Literal["actual", "total"]]:
    modes = ["actual", "total"] if mode == "both" else [mode] if isinstance(mode, str) else list(mode)
    if not modes or not set(modes) <= {"actual", "total"}:
        raise InputError(f"mode is 'actual', 'total', 'both', or a list of the first two, not {mode!r}")
    return cast("list[Literal['actual', 'total']]", modes)


def _paragraph(title: str, costs: Costs) -> str:
    lines = [f"{title}: {money(sum(usage.usd for usage in costs.values()))}"]
    lines += [
        f"  {model}: {money(usage.usd)}, {counted(usage.calls, 'call')}, {counted(usage.input_tokens, 'input token')}, "
        f"{counted(usage.output_tokens, 'output token')}"
        for model, usage in costs.items()
        if any(usage)
    ]
    return "\n".join(lines)


def _node(path: str, nodes: Mapping[str, str]) -> str:
    """Whose turn something at `path` belongs to: the innermost one that ended."""
    path = without_attempts(path)
    while path and path not in nodes:
        if is_choice(path):
            return ""
        path = around(path)
    return nodes.get(path, "")


def _added(pairs: Iterable[tuple[str, Usage]]) -> dict[str, Usage]:
    total: dict[str, Usage] = {}
    for model, usage in pairs:
        total[model] = total.get(model, NO_USAGE) + usage
    return total
