"""A database in the simulation: it keeps time itself, and fences off whoever has lost a run. Nothing in it ever fails."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from convgraph.errors import Fenced, RunBusy, RunExists
from convgraph.journal.events import Ended, Event, Stepped
from convgraph.journal.memory import MemoryStore
from convgraph.journal.runs import Claim, NewRun, RunInfo
from tests.simulation.evidence import Evidence


class Database(MemoryStore):
    """What a database server does, by the rules of the store on PostgreSQL: rows by number, claims by epoch, leases by its clock.

    `again` says that the client may have asked for the same before, and not been told what came of it.
    """

    def __init__(self, evidence: Evidence, lease: float) -> None:
        super().__init__()
        self.evidence = evidence
        self.lease = lease
        self._leases: dict[str, tuple[str, float]] = {}

    async def create_by(
        self, who: str, run: NewRun, events: Sequence[Event], contents: Mapping[str, str] | None, claim: bool, again: bool
    ) -> Claim:
        if again and run.run_id in self._runs:
            return Claim(run.run_id, self._runs[run.run_id].key, 1, self._runs[run.run_id].first_seq + len(events), 0.0)
        if run.run_id in self._runs:
            raise RunExists(run.run_id)
        taken = await super().create(run, events, contents, claim=claim)
        if claim:
            self._own(who, run.run_id)
        return taken

    async def claim_by(self, who: str, run_id: str, again: bool, holds: bool) -> Claim:
        """`holds`: the client has a claim of this run."""
        self.look_at_leases()
        run = self._run(run_id)
        owner = self._leases.get(run_id, ("", 0.0))[0]
        lost_answer = again and owner == who and not holds
        if run.claimed and not lost_answer:
            raise RunBusy(f"run {run_id!r} is being run by {owner}", run_id, owner)
        run.claimed = False
        claim = await super().claim(run_id)
        self._own(who, run_id)
        self.evidence.note(who, f"claims {run_id}, epoch {claim.epoch}")
        return claim

    async def append_by(self, who: str, claim: Claim, seq: int, events: Sequence[Event], contents: Mapping[str, str] | None) -> None:
        run = self._runs.get(claim.run_id)
        if run is None or not self.is_owned(run.info, claim):
            self.evidence.note(who, f"is fenced off from {claim.run_id}")
            raise Fenced(f"run {claim.run_id!r} was taken over by another owner")
        if run.info.epoch != claim.epoch:
            self.evidence.broken(who, f"an owner of epoch {claim.epoch} writes to {claim.run_id}, which has epoch {run.info.epoch}")
        here = run.first_seq + len(run.events)
        fresh = list(events)[max(here - seq, 0) :]
        if seq > here:
            self.evidence.broken(who, f"a hole in {claim.run_id}: {seq} comes after {here - 1}")
        if contents:
            self._contents.update(contents)
        if not fresh:
            return
        self.evidence.commits(who, claim.run_id, fresh)
        now = time.time()
        for event in fresh:
            run.events.append(event)
            run.times.append(now)
            if type(event) is not Stepped:
                self._note(run, event, now)
            if type(event) is Ended:  # it has no owner any more
                run.claimed = False
                self._leases.pop(claim.run_id, None)

    def is_owned(self, info: RunInfo, claim: Claim) -> bool:
        """The fence."""
        return info.epoch == claim.epoch

    async def confirm_by(self, claim: Claim) -> None:
        await super().confirm(claim)

    async def release_by(self, who: str, claim: Claim) -> None:
        await super().release(claim)
        run = self._runs.get(claim.run_id)
        if run is not None and run.info.epoch == claim.epoch:
            self._leases.pop(claim.run_id, None)
            self.evidence.note(who, f"releases {claim.run_id}")

    async def renew_by(self, who: str, claims: Sequence[Claim]) -> list[str]:
        """The ids of the runs whose leases were renewed."""
        mine = [claim.run_id for claim in claims if claim.run_id in self._runs and self._runs[claim.run_id].info.epoch == claim.epoch]
        for run_id in mine:
            self._leases[run_id] = who, time.time() + self.lease
            self._runs[run_id].claimed = True
        return mine

    async def deliver_by(self, who: str, run_id: str, question_id: str, value: Any, again: bool) -> None:
        open_one = self._run(run_id).questions.get(question_id)
        if again and open_one is not None and open_one.answered and open_one.answer == value:
            return
        await super().deliver(run_id, question_id, value)
        self.evidence.note(who, f"answers {run_id} {question_id}: {value!r}")
        self.evidence.answers[run_id, question_id].append(value)
        if open_one is not None and value == "retry" and question_id.startswith("doubt-"):
            self.evidence.allows(doubted_key(run_id, question_id))

    def look_at_leases(self) -> None:
        """Let go of the runs whose leases have run out."""
        now = time.time()
        for run_id, run in self._runs.items():
            if run.claimed and run_id in self._leases:
                run.claimed = self._leases[run_id][1] > now

    def _own(self, who: str, run_id: str) -> None:
        self._leases[run_id] = who, time.time() + self.lease
        self.evidence.owners[run_id] = who


def doubted_key(run_id: str, question_id: str) -> str:
    """The key of the effect that a question about a doubt is about. Names of effects in the simulation are single words."""
    _, place, kind, name, ordinal = question_id.split("-")
    return f"{run_id}:{place.replace('.', '/')}:{kind}:{name}:{ordinal}"
