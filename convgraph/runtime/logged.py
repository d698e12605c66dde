"""What a run says to `logging`: a record for each thing that happened, its facts as fields beside its words.

Nothing is configured here. Where the program has configured nothing either, nothing is said and nothing is done.
"""

from __future__ import annotations

import logging
from typing import Any

from convgraph.journal.events import AttemptFailed, Delta, EffectFinished, EffectStarted, Ended, Event, Moved, Said, Stepped
from convgraph.journal.turn_paths import is_inner
from convgraph.runtime.observing import Watch, Watched

log = logging.getLogger("convgraph.run")

_AS_IT_SHOULD = frozenset({"finished", "waiting", "cancelled"})
"""How a run may stop without anybody having to look."""


class LoggedRun(Watch):
    """Says what happens in one run. Messages hold names and numbers: what was said in the conversation is in its journal."""

    def __init__(self, run: Watched) -> None:
        self._about: dict[str, Any] = {"run_id": run.run_id, "graph": run.graph}
        self._fine = log.isEnabledFor(logging.DEBUG)
        self._said = False
        log.info("run %s: %s", run.run_id, "resumed" if run.resumed else "begun", extra=self._about | {"fingerprint": run.fingerprint})

    def __call__(self, event: Event | Delta | Said) -> None:
        if isinstance(event, Ended):
            self._ended(event)
        elif isinstance(event, AttemptFailed):
            about = self._at(event.path, error_type=event.error.type, node=event.error.node, attempt=event.attempt, seconds=event.seconds)
            log.warning("run %s, turn %s: attempt %d failed: %s", self._run, event.path, event.attempt, event.error.type, extra=about)
        elif isinstance(event, EffectStarted) and event.question is not None and event.question.due is None:
            question = event.question
            about = self._at(event.path, question=question.id, to=question.to)
            log.info("run %s, turn %s: asks %s (question %s)", self._run, event.path, question.to, question.id, extra=about)
        elif self._fine:
            self._tell_all(event)

    def closed(self, error: BaseException | None) -> None:
        """A run that stopped without an end was handed over, or refused, or its store was lost."""
        if not self._said:
            why = "" if error is None else type(error).__name__
            log.info("run %s: left (%s)", self._run, why, extra=self._about | {"status": "interrupted", "error_type": why})

    @property
    def _run(self) -> str:
        return self._about["run_id"]

    def _ended(self, event: Ended) -> None:
        self._said = True
        level = logging.INFO if event.status in _AS_IT_SHOULD else logging.WARNING
        log.log(level, "run %s: %s", self._run, event.status, extra=self._about | {"status": event.status})

    def _tell_all(self, event: Event | Delta | Said) -> None:
        if isinstance(event, Stepped):
            usage = event.usage + event.move_usage
            about = self._at(
                event.path, node=event.node, target=event.target, chosen_by=event.chosen_by, tokens=usage.tokens, seconds=event.seconds
            )
            onward = f", then {event.target}" if event.target is not None else ""
            log.debug("run %s, turn %s: %s%s", self._run, event.path, event.node, onward, extra=about)
        elif isinstance(event, Moved):
            about = self._at(event.path, target=event.target, chosen_by=event.chosen_by)
            log.debug("run %s, turn %s: then %s", self._run, event.path, event.target, extra=about)
        elif isinstance(event, EffectFinished):
            outcome = "done" if event.error is None else event.error.type
            about = self._at(event.path, effect=event.effect, effect_name=event.name, seconds=event.seconds, tokens=event.usage.tokens)
            log.debug("run %s, turn %s: %s %s: %s", self._run, event.path, event.effect, event.name, outcome, extra=about)

    def _at(self, path: str, **fields: Any) -> dict[str, Any]:
        """The fields of what happened at `path`; `turn` is its path, `nested` says whether it lies inside of another turn."""
        return {**self._about, "turn": path, "nested": is_inner(path), **fields}
