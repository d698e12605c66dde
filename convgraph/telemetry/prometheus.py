"""What a process's runs come to, in the text that Prometheus reads. Needs nothing but the standard library."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from convgraph.journal.events import AttemptFailed, BranchFinished, Delta, EffectFinished, Ended, Event, Said, Stepped
from convgraph.runtime.observing import Watch, Watched
from convgraph.telemetry.counts import Count, Labels

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS: Mapping[str, str] = {
    "convgraph_runs_stopped_total": "Runs that stopped here, by how they did.",
    "convgraph_turns_total": "Turns made, by node.",
    "convgraph_turn_seconds_total": "Time that turns took, by node.",
    "convgraph_attempts_failed_total": "Attempts at turns that failed, by the type of the error.",
    "convgraph_model_calls_total": "Calls of models, by whether they were answered.",
    "convgraph_model_seconds_total": "Time that models took.",
    "convgraph_model_tokens_total": "Tokens that models were given (input) and have written (output).",
    "convgraph_model_cost_usd_total": "What models were paid, in US dollars.",
    "convgraph_tool_calls_total": "Calls of tools and executions of code, by whether they succeeded.",
    "convgraph_tool_seconds_total": "Time that tools and code took.",
}


class Tallies:
    """An observer that counts what the runs of this process do."""

    def __init__(self) -> None:
        self._began = time.time()
        self._counts = {name: Count() for name in _COUNTERS}

    def watch(self, run: Watched) -> Watch:
        """See `Observer.watch`."""
        return _Tally(run.graph, self._counts)

    def here(self) -> str:
        """See `Observer.here`."""
        return ""

    def text(self, gauges: Mapping[str, tuple[str, float]] | None = None) -> str:
        """All counts as Prometheus reads them, and `gauges`: by name, what they say and their value at this moment."""
        lines: list[str] = []
        for name, count in self._counts.items():
            lines += _family(name, "counter", _COUNTERS[name], count.sums())
        for name, (about, value) in (gauges or {}).items():
            lines += _family(name, "gauge", about, [((), value)])
        lines += _family("process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.", [((), self._began)])
        return "\n".join([*lines, ""])


class _Tally(Watch):
    """Counts what one run does."""

    def __init__(self, graph: str, counts: Mapping[str, Count]) -> None:
        self._graph = ("graph", graph)
        self._counts = counts

    def __call__(self, event: Event | Delta | Said) -> None:
        if isinstance(event, Stepped):
            node = self._graph, ("node", event.node)
            self._counts["convgraph_turns_total"].add(1, *node)
            self._counts["convgraph_turn_seconds_total"].add(event.seconds, *node)
        elif isinstance(event, BranchFinished):
            self._counts["convgraph_turns_total"].add(1, self._graph, ("node", event.node))
        elif isinstance(event, EffectFinished):
            self._effect(event)
        elif isinstance(event, AttemptFailed):
            self._counts["convgraph_attempts_failed_total"].add(1, self._graph, ("error", event.error.type))
        elif isinstance(event, Ended):
            self._counts["convgraph_runs_stopped_total"].add(1, self._graph, ("status", event.status))

    def _effect(self, event: EffectFinished) -> None:
        outcome = "outcome", "error" if event.error is not None else "ok"
        if event.effect == "model":
            about, usage = (self._graph, ("model", event.name)), event.usage
            self._counts["convgraph_model_calls_total"].add(1, *about, outcome)
            self._counts["convgraph_model_seconds_total"].add(event.seconds, *about)
            self._counts["convgraph_model_tokens_total"].add(usage.input_tokens, *about, ("type", "input"))
            self._counts["convgraph_model_tokens_total"].add(usage.output_tokens, *about, ("type", "output"))
            self._counts["convgraph_model_cost_usd_total"].add(usage.usd, *about)
        elif event.effect in ("tool", "code"):
            self._counts["convgraph_tool_calls_total"].add(1, self._graph, ("tool", event.name), outcome)
            self._counts["convgraph_tool_seconds_total"].add(event.seconds, self._graph, ("tool", event.name))


def _family(name: str, kind: str, about: str, sums: Iterable[tuple[Labels, float]]) -> list[str]:
    samples = [f"{name}{_labels(labels)} {value!r}" for labels, value in sums]
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *samples]


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
