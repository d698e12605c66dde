"""The commands that let a conversation go on: run, resume, continue, replay, fork, answer."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convgraph.cli import options as o
from convgraph.cli.exit_codes import ExitCode, code_of_status
from convgraph.cli.output import Output, complain, is_terminal
from convgraph.cli.session import Place, existing, graph_of, place_of
from convgraph.cli.traced import traced

if TYPE_CHECKING:
    from convgraph.cli.progress import Progress
    from convgraph.conversation import ConversationGraph
    from convgraph.graph.definition import Limits
    from convgraph.journal.store import Store
    from convgraph.runtime.people import Human
    from convgraph.runtime.result import RunResult


def run(
    target: o.Target,
    said: Annotated[str | None, typer.Argument(metavar="INPUT", help="What the user says; `-` reads standard input.")] = None,
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    run_id: Annotated[str | None, typer.Option("--id", metavar="ID", help="A name for the run, instead of a made one.")] = None,
    state: Annotated[str | None, typer.Option("--state", metavar="JSON", help="The initial state: JSON, or @file.")] = None,
    label: o.Labels = None,
    allow: o.Allow = None,
    max_turns: o.MaxTurns = None,
    max_seconds: o.MaxSeconds = None,
    max_tokens: o.MaxTokens = None,
    max_usd: o.MaxUsd = None,
    no_input: o.NoInput = False,
    as_json: o.AsJson = False,
) -> int:
    """Run a conversation.

    Its journal is kept in the store, from which it can be resumed, replayed, forked, explained and drawn.
    """
    from convgraph.loading import absolute, load_target

    output = Output(as_json=as_json)
    graph = load_target(target, allow=allow or ())
    limits = o.limits_with(graph.definition.limits, max_turns, max_seconds, max_tokens, max_usd)
    name = run_id if run_id is not None else uuid.uuid4().hex
    begin = sys.stdin.read() if said == "-" else said
    initial = o.json_object(state, "--state")
    conduct = _Conduct(graph, name, Place(store, None, tuple(allow or ())), output, no_input)
    output.line(f"run {name} of {graph.name}, kept in {store}")

    def work(human: Human, listener: Callable[[Any], None]) -> Awaitable[RunResult]:
        return graph.arun(
            begin,
            state=initial,
            store=store,
            run_id=name,
            limits=limits,
            human=human,
            target=absolute(target),
            listener=listener,
            labels=label or (),
        )

    return conduct.through(work)


def resume(
    run_id: o.RunId,
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    graph: o.Graph = None,
    answer: Annotated[list[str] | None, typer.Option("--answer", metavar="ID=VALUE", help="An answer (repeatable).")] = None,
    allow: o.Allow = None,
    redo_turn: Annotated[bool, typer.Option("--redo-turn", help="Make the unfinished turn anew: its models are asked again.")] = False,
    max_turns: o.MaxTurns = None,
    max_seconds: o.MaxSeconds = None,
    max_tokens: o.MaxTokens = None,
    max_usd: o.MaxUsd = None,
    no_input: o.NoInput = False,
    as_json: o.AsJson = False,
) -> int:
    """Go on with a run that has stopped or died."""
    output = Output(as_json=as_json)
    with existing(store) as opened:
        info = asyncio.run(opened.info(run_id))
        live = graph_of(info, graph, allow)
        answers = _answers(opened, run_id, answer)
        limits = o.limits_with(_limits_of(opened, run_id), max_turns, max_seconds, max_tokens, max_usd)
        conduct = _Conduct(live, run_id, Place(store, graph, tuple(allow or ())), output, no_input)

        def work(human: Human, listener: Callable[[Any], None]) -> Awaitable[RunResult]:
            return live.aresume(run_id, store=opened, answers=answers, limits=limits, redo_turn=redo_turn, human=human, listener=listener)

        return conduct.through(work)


def go_on(
    run_id: o.RunId,
    said: Annotated[str, typer.Argument(metavar="INPUT", help="What the user says next; `-` reads standard input.")],
    *,
    state: Annotated[
        str | None, typer.Option("--state", metavar="JSON", help="Fields of the state, changed before: JSON, or @file.")
    ] = None,
    store: o.StoreUrl = o.DEFAULT_STORE,
    graph: o.Graph = None,
    allow: o.Allow = None,
    max_turns: o.MaxTurns = None,
    max_seconds: o.MaxSeconds = None,
    max_tokens: o.MaxTokens = None,
    max_usd: o.MaxUsd = None,
    no_input: o.NoInput = False,
    as_json: o.AsJson = False,
) -> int:
    """Go on with an ended conversation: its user's next message.

    The run (finished, stuck or limited) gets the message, and the turn goes to where the graph begins. For a run that was
    interrupted, waits or has failed, it is `resume`.
    """
    output = Output(as_json=as_json)
    said = sys.stdin.read() if said == "-" else said
    with existing(store) as opened:
        info = asyncio.run(opened.info(run_id))
        live = graph_of(info, graph, allow)
        limits = o.limits_with(_limits_of(opened, run_id), max_turns, max_seconds, max_tokens, max_usd)
        changed = o.json_object(state, "--state")
        conduct = _Conduct(live, run_id, Place(store, graph, tuple(allow or ())), output, no_input)

        def work(human: Human, listener: Callable[[Any], None]) -> Awaitable[RunResult]:
            return live.acontinue(run_id, said, store=opened, state=changed, limits=limits, human=human, listener=listener)

        return conduct.through(work)


def replay(
    run_id: o.RunId,
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    graph: o.Graph = None,
    allow: o.Allow = None,
    live: Annotated[bool, typer.Option("--live", help="Go on for real, as a new run, from the first difference.")] = False,
    as_json: o.AsJson = False,
) -> int:
    """Re-execute a run from its record.

    No model, tool or person is asked. Exits with 3 at the first difference from the record, and shows it.
    """
    from convgraph.cli.interrupts import run_stoppable
    from convgraph.cli.report import as_document, report

    output = Output(as_json=as_json)
    place = Place(store, graph, tuple(allow or ()))
    with existing(store) as opened:
        loaded = graph_of(asyncio.run(opened.info(run_id)), graph, allow)
        result = run_stoppable(loaded.areplay(run_id, store=opened, live=live))
    if result.run_id != run_id:
        report(output, result, place)
        return code_of_status(result.status)
    output.line(f"run {run_id} replayed: {result.steps} turns as recorded, 0 calls; it is {result.status}: {result.stop_reason}")
    for warning in result.warnings:
        output.line(f"warning: {warning}")
    output.result({**as_document(result, place), "replayed": True})
    return 0


def fork(
    run_id: o.RunId,
    *,
    at: Annotated[int, typer.Option("--at", metavar="N", help="The last step to share, from 1.")],
    message: Annotated[str | None, typer.Option("--message", metavar="TEXT", help="What step N said, instead.")] = None,
    state: Annotated[
        str | None, typer.Option("--state", metavar="JSON", help="Fields of the state, changed there: JSON, or @file.")
    ] = None,
    new_id: Annotated[str | None, typer.Option("--id", metavar="ID", help="A name for the new run.")] = None,
    store: o.StoreUrl = o.DEFAULT_STORE,
    graph: o.Graph = None,
    allow: o.Allow = None,
    as_json: o.AsJson = False,
) -> int:
    """Make a new run from another's first steps.

    It shares the steps 1 to N, by reference, and may differ from there; `resume` runs it.
    """
    output = Output(as_json=as_json)
    place = Place(store, graph, tuple(allow or ()))
    with existing(store) as opened:
        loaded = graph_of(asyncio.run(opened.info(run_id)), graph, allow)
        forked = loaded.fork(run_id, store=opened, at=at, message=message, state=o.json_object(state, "--state"), new_id=new_id)
    output.line(f"run {forked} shares steps 1 to {at} of {run_id}")
    output.line("resume it:")
    output.line(f"  {place.command('resume', forked)}")
    output.result({"run_id": forked, "status": "ready", "parent": run_id, "at": at, "resume": place.command("resume", forked)})
    return 0


def answer(
    run_id: o.RunId,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question's id, as `show` prints it.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The answer: text, or JSON where the question asks for more.")],
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    as_json: o.AsJson = False,
) -> int:
    """Answer a question of a waiting run.

    The run uses the answer when it is resumed.
    """
    output = Output(as_json=as_json)
    with existing(store) as opened:
        opened.answer(run_id, question, _typed(opened, run_id, question, value))
        info = asyncio.run(opened.info(run_id))
    place = place_of(info, store)
    output.line(f"question {question} of run {run_id} is answered")
    output.line("resume it:")
    output.line(f"  {place.command('resume', run_id)}")
    document = {"run_id": run_id, "status": info.status, "question": question, "answered": True}
    output.result({**document, "resume": place.command("resume", run_id)})
    return 0


@dataclass(frozen=True, slots=True)
class _Conduct:
    """Takes a run from its begin to its report: shows it, asks for it, stops it in good order."""

    graph: ConversationGraph
    run_id: str
    place: Place
    output: Output
    no_input: bool

    def through(self, work: Callable[[Human, Callable[[Any], None]], Awaitable[RunResult]]) -> int:
        """Do the work, report, and return the exit code."""
        from convgraph.cli.interrupts import LeftAtOnce, leave, run_stoppable
        from convgraph.cli.report import report

        try:
            with traced(), self._progress() as progress:
                result = run_stoppable(self._done(work, progress), lambda: self.graph.cancel(self.run_id))
        except LeftAtOnce:
            self._tell_left()
            leave(ExitCode.CANCELLED)
        if result.exception is not None and os.environ.get("CONVGRAPH_DEBUG"):
            import traceback

            complain("".join(traceback.format_exception(result.exception)).rstrip())
        report(self.output, result, self.place)
        return code_of_status(result.status)

    async def _done(self, work: Callable[[Human, Callable[[Any], None]], Awaitable[RunResult]], progress: Progress) -> RunResult:
        return await work(self._human(progress), progress)

    def _tell_left(self) -> None:
        resume = self.place.command("resume", self.run_id)
        self.output.line(f"run {self.run_id} was left where it stood; resume it:")
        self.output.line(f"  {resume}")
        self.output.result({"run_id": self.run_id, "status": "interrupted", "resume": resume})

    def _progress(self) -> Progress:
        if not self.output.as_json and is_terminal(sys.stdout) and os.environ.get("TERM", "dumb") != "dumb":
            from convgraph.cli.live import LiveProgress

            return LiveProgress(self.graph.definition)
        from convgraph.cli.progress import PlainProgress

        return PlainProgress(self.output, self.graph.definition)

    def _human(self, progress: Progress) -> Human:
        if self.no_input or not is_terminal(sys.stdin):
            return "park"
        from convgraph.cli.asking import Asking

        return Asking(self.run_id, progress.pause, sys.stderr if self.output.as_json else sys.stdout)


def _answers(store: Store, run_id: str, texts: list[str] | None) -> dict[str, Any]:
    given = o.pairs(texts, "--answer")
    return {name: _typed(store, run_id, name, text) for name, text in given.items()}


def _typed(store: Store, run_id: str, question_id: str, text: str) -> Any:
    """The value that a typed answer stands for; for a question that is not open the text, which the store then refuses."""
    from convgraph.journal.answers import parse_answer

    schema = next((question.schema for question in store.questions(run_id) if question.id == question_id), None)
    return text if schema is None else parse_answer(schema, text)


def _limits_of(store: Store, run_id: str) -> Limits:
    """The limits that the run was last run with."""
    from convgraph.journal.events import Resumed, RunStarted
    from convgraph.runtime.fold import limits_from

    last: dict[str, Any] = {}
    for recorded in asyncio.run(store.load(run_id, steps_only=True)):
        if isinstance(recorded.event, RunStarted | Resumed) and recorded.event.limits is not None:
            last = recorded.event.limits
    return limits_from(last)
