"""What every store promises: one writer, appends that are all or nothing, forks by reference, questions answered once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from convgraph import Message
from convgraph.errors import AnswerError, Fenced, InputError, RunBusy, RunExists, RunNotFound
from convgraph.graph.state import Status
from convgraph.journal.events import Edited, EffectFinished, EffectStarted, Ended, Event, Question, Recorded, RunStarted, Stepped
from convgraph.journal.runs import Claim, NewRun
from convgraph.journal.store import Store

STARTED = RunStarted("chat", "print", "document")
HOSTILE = [
    "'; DROP TABLE runs; --",
    '" OR 1=1',
    "%",
    "_",
    "run\\",
    "ключ",
    "\N{PILE OF POO}",
    "a b",
    "../../etc/passwd",
    "?1",
    ":name",
    "NULL",
    "0",
]


def step(number: int) -> Stepped:
    return Stepped(str(number), "speaker", (Message("speaker", f"turn {number}"),), target="speaker", edge=0)


def inside(number: int) -> list[Event]:
    """What turn `number` does before its step."""
    intent = EffectStarted(str(number), "tool", "dig", 0, "digest", "key")
    return [intent, EffectFinished(str(number), "tool", "dig", 0, "digest", {"found": [1, None, "zwei"]})]


def new(run_id: str = "run", graph: str = "chat", **options: Any) -> NewRun:
    return NewRun(run_id, graph, "print", **options)


async def made(store: Store, run_id: str = "run", steps: int = 0, **options: Any) -> Claim:
    """A run with its first steps, each of which has an effect inside."""
    claim = await store.create(new(run_id, **options), [STARTED])
    for number in range(1, steps + 1):
        await store.append(claim, inside(number))
        await store.append(claim, [step(number)])
    return claim


async def ended(store: Store, run_id: str = "run", steps: int = 1, status: Status = "finished", **options: Any) -> None:
    claim = await made(store, run_id, steps, **options)
    await store.append(claim, [Ended(status, "because")])
    await store.release(claim)


def kinds(events: list[Recorded]) -> list[str]:
    return [recorded.event.kind for recorded in events]


class TestWriting:
    async def test_what_is_appended_is_read_back_in_order(self, store: Store) -> None:
        await made(store, steps=2)
        events = await store.load("run")
        assert [recorded.event for recorded in events] == [STARTED, *inside(1), step(1), *inside(2), step(2)]
        assert [recorded.seq for recorded in events] == list(range(7))
        assert [recorded.at for recorded in events] == sorted(recorded.at for recorded in events)

    async def test_appends_made_at_the_same_time_are_all_written_in_the_order_they_were_made(self, store: Store) -> None:
        """Parallel branches of one run commit while others of its commits, and other runs', are under way."""
        claims = [await made(store, f"run-{number}") for number in range(3)]
        await asyncio.gather(*(store.append(claim, [step(number)]) for number in range(1, 6) for claim in claims))
        for claim in claims:
            assert [recorded.event for recorded in await store.load(claim.run_id)] == [STARTED, *map(step, range(1, 6))]

    async def test_a_run_id_is_taken_once(self, store: Store) -> None:
        await made(store, steps=1)
        with pytest.raises(RunExists, match="'run'"):
            await store.create(new(), [STARTED])
        assert len(await store.load("run")) == 4

    @pytest.mark.parametrize("run_id", HOSTILE)
    async def test_a_run_id_is_only_ever_data(self, store: Store, run_id: str) -> None:
        await ended(store, "bystander")
        await ended(store, run_id)
        assert (await store.info(run_id)).run_id == run_id
        assert [info.run_id for info in await store.aruns()] == [run_id, "bystander"]
        await store.adelete(run_id)
        assert [info.run_id for info in await store.aruns()] == ["bystander"]

    async def test_what_is_not_there_is_said(self, store: Store) -> None:
        for ask in (store.info, store.load, store.claim, store.adelete, store.aquestions):
            with pytest.raises(RunNotFound, match="nowhere"):
                await ask("nowhere")
        assert await store.content("nowhere") is None

    async def test_a_content_is_kept_once_and_for_all_runs(self, store: Store) -> None:
        claim = await made(store)
        await store.append(claim, [step(1)], {"digest": "a system prompt"})
        await store.append(claim, [step(2)], {"digest": "a system prompt"})
        assert await store.content("digest") == "a system prompt"


class TestOwning:
    async def test_an_owned_run_is_busy_until_it_is_released(self, store: Store) -> None:
        claim = await made(store)
        with pytest.raises(RunBusy):
            await store.claim("run")
        await store.release(claim)
        assert (await store.claim("run")).epoch == claim.epoch + 1

    async def test_a_run_that_ended_has_no_owner(self, store: Store) -> None:
        await ended(store)
        assert (await store.claim("run")).epoch == 2

    async def test_a_new_owner_goes_on_where_the_old_one_stopped(self, store: Store) -> None:
        await store.release(await made(store, steps=1))
        claim = await store.claim("run")
        await store.append(claim, [step(2)])
        assert [recorded.seq for recorded in await store.load("run")] == [0, 1, 2, 3, 4]

    async def test_the_owner_before_writes_nothing(self, store: Store) -> None:
        old = await made(store, steps=1)
        await store.release(old)
        now = await store.claim("run")
        await store.append(now, [step(2)])
        for events in ([step(2)], [Ended("cancelled", "late")]):
            with pytest.raises(Fenced):
                await store.append(old, events)
        with pytest.raises(Fenced):
            await store.append(old, [step(3)], {"late": "content"})
        await store.release(old)
        assert kinds(await store.load("run"))[-1] == "step"
        assert (await store.info("run")).status == "running"
        await store.append(now, [step(3)])

    async def test_a_fenced_append_fails_no_other(self, store: Store) -> None:
        old = await made(store, "taken")
        await store.release(old)
        await store.claim("taken")
        others = [await made(store, f"other-{number}") for number in range(3)]
        outcomes = await asyncio.gather(
            *(store.append(claim, [step(1)]) for claim in [others[0], old, *others[1:]]), return_exceptions=True
        )
        assert [type(outcome).__name__ for outcome in outcomes] == ["NoneType", "Fenced", "NoneType", "NoneType"]
        assert [len(await store.load(claim.run_id)) for claim in others] == [2, 2, 2]

    async def test_an_unclaimed_run_is_ready(self, store: Store) -> None:
        await store.create(new(), [STARTED], claim=False)
        assert (await store.info("run")).status == "ready"
        await store.claim("run")
        assert (await store.info("run")).status == "running"


class TestReading:
    async def test_steps_only_leaves_out_what_finished_turns_did_inside(self, store: Store) -> None:
        claim = await made(store, steps=2)
        nested = [Stepped("3/1", "inner", target="END", edge=0), *inside(3)]
        await store.append(claim, nested)
        events = [recorded.event for recorded in await store.load("run", steps_only=True)]
        assert events == [STARTED, step(1), step(2), *nested]
        await store.append(claim, [step(3)])
        assert [recorded.event for recorded in await store.load("run", steps_only=True)] == [STARTED, step(1), step(2), step(3)]

    async def test_upto_step_ends_with_that_step(self, store: Store) -> None:
        await made(store, steps=3)
        assert kinds(await store.load("run", upto_step=2)) == ["run_started", *["effect_started", "effect_finished", "step"] * 2]
        for wrong in (0, 4):
            with pytest.raises(InputError, match=f"no step {wrong}"):
                await store.load("run", upto_step=wrong)

    async def test_a_run_is_followed_by_what_was_added(self, store: Store) -> None:
        claim = await made(store, steps=2)
        known = await store.load("run")
        assert await store.load("run", after=known[-1].seq) == []
        await store.append(claim, [*inside(3), step(3)])
        everything = await store.load("run")
        assert everything[: len(known)] == known
        for after in range(-1, 12):
            assert await store.load("run", after=after) == everything[after + 1 :]
        assert await store.load("run", after=10**9) == []
        with pytest.raises(RunNotFound, match="nowhere"):
            await store.load("nowhere", after=3)

    async def test_a_fork_is_followed_from_any_event_that_it_shares_or_has(self, store: Store) -> None:
        await made(store, "one", steps=3)
        for parent, child, at in (("one", "two", 2), ("two", "three", 3)):
            seq = (await store.load(parent, upto_step=at))[-1].seq
            await store.create(new(child, parent=parent, parent_seq=seq, parent_step=at), [Edited("forked")], claim=False)
            await store.append(await store.claim(child), [*inside(at + 1), step(at + 1)])
        everything = await store.load("three")
        assert len(everything) > 10
        for after in range(-1, len(everything) + 1):
            assert await store.load("three", after=after) == everything[after + 1 :]

    @pytest.mark.parametrize(
        "other", [{"steps_only": True}, {"upto_step": 1}, {"after": "0"}, {"after": True}, {"after": 0.5}, {"after": 2**70}], ids=str
    )
    async def test_what_follows_an_event_is_given_whole_or_not_at_all(self, store: Store, other: dict[str, Any]) -> None:
        await made(store, steps=1)
        with pytest.raises(InputError, match="after="):
            await store.load("run", **{"after": 0, **other})

    async def test_a_fork_shares_its_prefix_by_reference(self, store: Store) -> None:
        await made(store, steps=3)
        at = (await store.load("run", upto_step=2))[-1].seq
        mark = Edited("forked", parent="run", step=2)
        await store.create(new("fork", parent="run", parent_seq=at, parent_step=2), [mark], claim=False)
        claim = await store.claim("fork")
        await store.append(claim, [step(3)])
        shared = await store.load("run", upto_step=2)
        assert await store.load("fork") == [*shared, *(await store.load("fork"))[-2:]]
        assert [recorded.event for recorded in await store.load("fork")][-2:] == [mark, step(3)]
        assert [recorded.seq for recorded in await store.load("fork")] == list(range(9))
        assert len(await store.load("run")) == 10

    async def test_a_fork_of_a_fork_reads_through_both(self, store: Store) -> None:
        await made(store, "one", steps=3)
        for parent, child, at in (("one", "two", 2), ("two", "three", 3)):
            seq = (await store.load(parent, upto_step=at))[-1].seq
            await store.create(
                new(child, parent=parent, parent_seq=seq, parent_step=at), [Edited("forked", parent=parent, step=at)], claim=False
            )
            claim = await store.claim(child)
            await store.append(claim, [*inside(at + 1), step(at + 1)])
            await store.append(claim, [Ended("finished", "because")])
        assert [event.path for recorded in await store.load("three", steps_only=True) if isinstance(event := recorded.event, Stepped)] == [
            "1",
            "2",
            "3",
            "4",
        ]
        # A fork at a step that its parent had only borrowed itself.
        seq = (await store.load("three", upto_step=1))[-1].seq
        await store.create(new("four", parent="three", parent_seq=seq, parent_step=1), [Edited("forked")], claim=False)
        assert kinds(await store.load("four")) == ["run_started", "effect_started", "effect_finished", "step", "edited"]


class TestQuestions:
    ASKED = EffectStarted("1", "human", "speaker", 0, "digest", question=Question("name", "Your name?", {"type": "string"}))
    ANSWERED = EffectFinished("1", "human", "speaker", 0, "digest", "Ada", question="name")

    async def waiting(self, store: Store) -> Claim:
        claim = await made(store)
        await store.append(claim, [self.ASKED])
        await store.append(claim, [Ended("waiting", "for a name")])
        await store.release(claim)
        return claim

    async def test_a_question_is_listed_until_it_is_answered_in_the_journal(self, store: Store) -> None:
        await self.waiting(store)
        [question] = await store.aquestions()
        assert (question.run_id, question.id, question.prompt, question.schema) == ("run", "name", "Your name?", {"type": "string"})
        assert (question.node, question.path, question.answered) == ("speaker", "1", False)
        await store.aanswer("run", "name", "Ada")
        [question] = await store.aquestions("run")
        assert (question.answered, question.answer) == (True, "Ada")
        await store.append(await store.claim("run"), [self.ANSWERED])
        assert await store.aquestions() == []

    @pytest.mark.parametrize(
        ("question", "value"), [("age", "Ada"), ("name", 7), ("name", None), ("name", ["Ada"]), ("' OR 1=1; --", "Ada")], ids=str
    )
    async def test_an_answer_that_does_not_fit_is_refused_and_nothing_is_written(self, store: Store, question: str, value: Any) -> None:
        await self.waiting(store)
        with pytest.raises(AnswerError):
            await store.aanswer("run", question, value)
        assert [question.answered for question in await store.aquestions()] == [False]

    async def test_a_question_is_answered_once(self, store: Store) -> None:
        await self.waiting(store)
        await store.deliver("run", "name", "Ada")
        for again in (store.deliver, store.aanswer):
            with pytest.raises(AnswerError):
                await again("run", "name", "Grace")
        [question] = await store.aquestions("run")
        assert question.answer == "Ada"

    async def test_of_many_answers_at_once_one_is_taken(self, store: Store) -> None:
        await self.waiting(store)
        outcomes = await asyncio.gather(*(store.deliver("run", "name", f"{n}") for n in range(5)), return_exceptions=True)
        assert sum(outcome is None for outcome in outcomes) == 1
        assert sum(isinstance(outcome, AnswerError) for outcome in outcomes) == 4

    async def test_an_answer_of_null_is_an_answer(self, store: Store) -> None:
        claim = await made(store)
        await store.append(claim, [EffectStarted("1", "human", "s", 0, "d", question=Question("maybe", "?", {"type": ["string", "null"]}))])
        await store.aanswer("run", "maybe", None)
        [question] = await store.aquestions()
        assert (question.answered, question.answer) == (True, None)

    async def test_an_answer_that_is_no_json_is_refused(self, store: Store) -> None:
        claim = await made(store)
        await store.append(claim, [EffectStarted("1", "human", "s", 0, "d", question=Question("any", "?", {}))])
        for value in ({1, 2}, object(), b"bytes"):
            with pytest.raises(AnswerError):
                await store.aanswer("run", "any", value)
        assert [question.answered for question in await store.aquestions()] == [False]

    async def test_a_run_that_is_over_asks_nothing(self, store: Store) -> None:
        await self.waiting(store)
        await store.append(await store.claim("run"), [Ended("finished", "because")])
        assert await store.aquestions() == []


class TestListing:
    async def test_runs_are_listed_the_newest_first_and_filtered(self, store: Store) -> None:
        await ended(store, "one", status="finished")
        await ended(store, "two", status="failed", parent="one", parent_seq=3, parent_step=1)
        claim = await store.create(NewRun("three", "other", "print"), [STARTED])
        listed = await store.aruns()
        assert [(info.run_id, info.graph, info.status) for info in listed] == [
            ("three", "other", "running"),
            ("two", "chat", "failed"),
            ("one", "chat", "finished"),
        ]
        assert [info.run_id for info in await store.aruns(status="failed")] == ["two"]
        assert [info.run_id for info in await store.aruns(graph="chat", limit=1)] == ["two"]
        assert [info.run_id for info in await store.aruns(parent="one")] == ["two"]
        assert [info.run_id for info in await store.aruns(since=listed[0].updated)] == ["three"]
        assert await store.aruns(status="waiting") == []
        assert (await store.info("one")).reason == "because"
        await store.release(claim)

    @pytest.mark.parametrize("text", HOSTILE)
    async def test_a_filter_is_only_ever_data(self, store: Store, text: str) -> None:
        await ended(store)
        assert await store.aruns(graph=text) == []
        assert await store.aruns(parent=text) == []
        await ended(store, "hostile", graph=text)
        assert [info.run_id for info in await store.aruns(graph=text)] == ["hostile"]
        with pytest.raises(InputError, match="status="):
            await store.aruns(status=text)  # type: ignore[arg-type]  # on purpose

    async def test_a_run_is_deleted_with_all_that_is_its_own(self, store: Store) -> None:
        await ended(store, "gone")
        await ended(store, "kept")
        await store.adelete("gone")
        with pytest.raises(RunNotFound):
            await store.load("gone")
        assert len(await store.load("kept")) == 5
        await ended(store, "gone", steps=2)
        assert len(await store.load("gone")) == 8

    async def test_a_run_whose_events_a_fork_shares_is_not_deleted(self, store: Store) -> None:
        await ended(store, "parent")
        await store.create(new("child", parent="parent", parent_seq=3, parent_step=1), [Edited("forked")], claim=False)
        with pytest.raises(InputError, match="child"):
            await store.adelete("parent")
        assert await store.aprune(keep=0) == 1
        assert [info.run_id for info in await store.aruns()] == ["parent"]

    async def test_a_running_run_is_not_deleted(self, store: Store) -> None:
        await made(store)
        with pytest.raises(InputError, match="running"):
            await store.adelete("run")
        assert await store.aprune(keep=0) == 0

    async def test_pruning_says_what_it_means(self, store: Store) -> None:
        for number in range(4):
            await ended(store, f"run-{number}", status="failed" if number % 2 else "finished")
        with pytest.raises(InputError, match="every run"):
            await store.aprune()
        assert await store.aprune(older_than=3600) == 0
        assert await store.aprune(status="failed") == 2
        assert await store.aprune(keep=1) == 1
        assert [info.run_id for info in await store.aruns()] == ["run-2"]

    async def test_the_sync_face_says_the_same(self, store: Store) -> None:
        await ended(store)
        assert store.runs() == await store.aruns()
        assert store.events("run") == await store.load("run")
        store.delete("run")
        assert store.runs() == store.questions() == []
