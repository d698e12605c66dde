"""A reply's tool calls: made together, each once over crash, resume and replay, and every failure told to the model."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from convgraph import END, ConversationGraph, Message, Reply, Retry, ScriptedModel, ToolCall, open_store
from convgraph.journal.events import EffectFinished
from convgraph.journal.store import Store
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.tools import Handoff, Injected, ToolOutcome, ToolSet, run_tool_calls, tool


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened: Store = open_store(tmp_path / "runs.db")
    yield opened
    opened.close()


def calling(*calls: tuple[str, Any] | ToolCall) -> ModelReply:
    """A model's reply that calls tools, with the arguments given."""
    made = [
        call
        if isinstance(call, ToolCall)
        else ToolCall(f"c{number}", call[0], call[1] if isinstance(call[1], str) else json.dumps(call[1]))
        for number, call in enumerate(calls)
    ]
    return ModelReply(tool_calls=tuple(made))


def summing_up(request: ModelRequest) -> str:
    """A model's last word: what the tools have told it."""
    return " | ".join(message.text for message in request.messages if message.role == "tool")


class Scripted:
    """A model that gives its lines anew in each process: by how many tool messages it has been shown."""

    def __init__(self, *replies: ModelReply) -> None:
        self.requests: list[ModelRequest] = []
        self._replies = replies
        self.model = ScriptedModel(self._answer)

    def _answer(self, request: ModelRequest) -> Any:
        self.requests.append(request)
        rounds = sum(1 for message in request.messages if message.tool_calls)
        return self._replies[rounds] if rounds < len(self._replies) else summing_up(request)


def graph_of(model: ScriptedModel, tools: Any, **options: Any) -> ConversationGraph:
    """A node that asks a model, carries out its tool calls, and asks again, until there are none."""
    known = ToolSet(tools)

    async def worker(ctx: Any) -> Any:
        said: list[Message] = []
        while True:
            request = ModelRequest([*ctx.messages, *said], "worker", tools=known.schemas())
            reply = await ctx.call_model(model, request)
            if not reply.tool_calls:
                return reply.content
            outcome = await run_tool_calls(ctx, reply.tool_calls, known)
            said += [Message("worker", reply.content, tool_calls=outcome.calls), *outcome.messages]
            if outcome.handoff is not None:
                return Reply(outcome.handoff.text, goto=outcome.handoff.target)

    graph = ConversationGraph("work")
    graph.add_node(worker, **options)
    graph.add_edge("worker", END)
    graph.set_start("worker")
    return graph


def told(*calls: Any, tools: Any, **options: Any) -> str:
    """What the model is told in the end of the calls it makes in one reply."""
    result = graph_of(Scripted(calling(*calls)).model, tools).run("go", **options)
    assert result.status == "finished", result.stop_reason
    return result.messages[-1].text


class Reading(BaseModel):
    celsius: float


def test_results_come_back_in_the_order_of_the_calls_with_their_ids() -> None:
    @tool
    async def slow(x: int) -> str:
        """Slow."""
        await asyncio.sleep(0.03)
        return f"slow {x}"

    @tool
    def fast(x: int) -> Reading:
        """Fast."""
        return Reading(celsius=x)

    script = Scripted(calling(("slow", {"x": 1}), ("fast", {"x": 2}), ("slow", {"x": 3})))
    result = graph_of(script.model, [slow, fast]).run("go")

    assert result.messages[-1].text == 'slow 1 | {"celsius":2.0} | slow 3'
    last = script.requests[-1]
    assert [tool["function"]["name"] for tool in last.tools] == ["slow", "fast"]
    assert [message.tool_call_id for message in last.messages if message.role == "tool"] == ["c0", "c1", "c2"]


def test_calls_of_one_reply_run_at_the_same_time_sync_ones_in_threads() -> None:
    together = threading.Barrier(4, timeout=5)

    @tool
    def meet() -> str:
        """Wait for the others."""
        together.wait()
        return "met"

    assert told(("meet", {}), ("meet", {}), ("meet", "null"), ("meet", ""), tools=[meet]) == "met | met | met | met"


@pytest.mark.parametrize(
    ("value", "text"),
    [("as is", "as is"), (None, "null"), ({"ä": (1, 2)}, '{"ä": [1, 2]}'), ([Reading(celsius=1)], '[{"celsius": 1.0}]'), (True, "true")],
)
def test_results_are_told_as_text(value: Any, text: str) -> None:
    assert told(("give", {}), tools=[tool(lambda: value, name="give", description="Give.")]) == text


def test_what_the_model_can_mend_is_told_to_it() -> None:
    @tool
    def divide(a: int, b: int) -> float:
        """Divide."""
        return a / b

    @tool(timeout=0.02)
    async def hang() -> None:
        """Hang."""
        await asyncio.sleep(30)

    @tool(timeout=0.02)
    def block() -> None:
        """Hang in a thread."""
        time.sleep(0.1)

    calls = [("nothing", {}), ("divide", "{"), ("divide", "[1]"), ("divide", {"a": "x", "c": 1}), ("divide", {"a": 1, "b": 0})]
    answers = told(*calls, ("hang", {}), ("block", {}), tools=[divide, hang, block]).split(" | ")
    assert answers[0] == "Error: there is no tool 'nothing'; there are: divide, hang, block"
    assert answers[1].startswith("Error: the arguments are not valid JSON")
    assert answers[2].startswith("Error: the arguments are to be a JSON object")
    assert answers[3].startswith("Error: the arguments do not fit: b: is required; a: Input should be a valid integer")
    assert "c: there is no such parameter (there are: a, b)" in answers[3]
    assert answers[4] == "Error: ZeroDivisionError: division by zero"
    assert answers[5] == answers[6] == "Error: TimeoutError: no result within 0.02 s; whether it took effect is not known"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (("open", {"path": "x"}), "Error: ValueError: no '\\ud800' here"),
        (("open", '{"path": "x", "\\ud800": 1}'), "Error: the arguments do not fit: ?: there is no such parameter (there are: path)"),
    ],
)
def test_an_error_s_text_can_be_told_whatever_it_quotes(store: Store, call: Any, text: str) -> None:
    @tool(name="open")
    def open_it(path: str) -> str:
        """Open."""
        raise ValueError("no '\ud800' here")

    assert told(call, tools=[open_it], store=store) == text


def test_calls_without_an_id_or_with_one_used_twice_get_one_of_their_own() -> None:
    script = Scripted(
        calling(ToolCall("", "one"), ToolCall("a", "one"), ToolCall("a", "one"), ToolCall("call_1", "one"), ToolCall("", "one"))
    )
    graph_of(script.model, [tool(lambda: 1, name="one", description="One.")]).run("go")

    messages = script.requests[-1].messages
    called = [call.id for message in messages for call in message.tool_calls]
    answered = [message.tool_call_id for message in messages if message.role == "tool"]
    assert called == answered == ["call_2", "a", "a_1", "call_1", "call_3"]


def test_the_turn_gives_what_the_model_does_not() -> None:
    @tool
    def look(q: str, ctx: Any, deps: Any, idempotency_key: str, db: Annotated[dict[str, str], Injected()]) -> list[Any]:
        """Look it up."""
        return [db[q], ctx.last.text, len(deps), idempotency_key]

    answer = told(("look", {"q": "k"}), ("look", {"q": "k"}), tools=[look], deps={"db": {"k": "v"}}, run_id="r")
    assert answer == '["v", "go", 1, "r:1:tool:look:0"] | ["v", "go", 1, "r:1:tool:look:1"]'


def test_a_replay_needs_no_deps_and_a_run_says_which_one_it_lacks(store: Store) -> None:
    @tool
    def look(db: Annotated[dict[str, str], Injected("base")]) -> str:
        """Look it up."""
        return db["k"]

    graph = graph_of(Scripted(calling(("look", {}))).model, [look])
    lacking = graph.run("go", store=store, run_id="r", deps={"other": 1})
    assert lacking.status == "failed"
    assert "'base'" in lacking.stop_reason
    assert graph.resume("r", store=store, deps={"base": {"k": "v"}}).messages[-1].text == "v"
    assert graph.replay("r", store=store).messages[-1].text == "v"


def test_a_tool_may_have_effects_of_its_own_which_are_read_back_when_it_is_entered_again(store: Store) -> None:
    sent: list[str] = []

    @tool
    async def publish(ctx: Any) -> str:
        """Publish it."""
        at = ctx.now()
        draft = await ctx.effect("upload", lambda: sent.append("draft") or len(sent))
        answer = await ctx.ask("Really?", schema=bool)
        return f"{draft} {answer} {at}"

    graph = graph_of(Scripted(calling(("publish", {}))).model, [publish])
    parked = graph.run("go", human="park", store=store, run_id="r")
    assert parked.status == "waiting"
    done = graph.resume("r", store=store, answers={parked.questions[0].id: True})
    assert done.status == "finished"
    assert sent == ["draft"], "the tool was entered again, its finished effect was not"
    assert done.messages[-1].text.startswith("1 True 20")
    assert graph.replay("r", store=store).messages == done.messages


def test_a_result_that_has_no_text_fails_the_turn_and_is_never_asked_for_again(store: Store) -> None:
    calls: list[int] = []

    @tool
    def connect() -> Any:
        """Connect."""
        calls.append(1)
        return object()

    graph = graph_of(Scripted(calling(("connect", {}))).model, [connect], retry=Retry(attempts=2, wait=0))
    failed = graph.run("go", store=store, run_id="r")
    assert (failed.status, len(calls)) == ("failed", 1)
    assert "'connect'" in failed.stop_reason
    assert graph.resume("r", store=store).status == "failed"
    assert len(calls) == 1


def test_a_call_that_fails_the_turn_lets_the_others_finish(store: Store) -> None:
    done: list[str] = []

    @tool(approval=True)
    def pay() -> str:
        """Pay."""
        return "paid"

    @tool
    def connect() -> Any:
        """Connect."""
        return object()

    @tool
    async def slow() -> str:
        """Take time."""
        await asyncio.sleep(0.03)
        done.append("slow")
        return "done"

    graph = graph_of(Scripted(calling(("pay", {}), ("connect", {}), ("slow", {}))).model, [pay, connect, slow])
    failed = graph.run("go", store=store, run_id="r", human="park")
    assert (failed.status, done) == ("failed", ["slow"])
    assert [event.name for event in (recorded.event for recorded in store.events("r")) if isinstance(event, EffectFinished)][-1] == "slow"


def test_replay_calls_nothing_and_resume_only_what_is_missing(store: Store) -> None:
    calls: list[str] = []

    @tool
    async def work(x: str) -> str:
        """Work."""
        calls.append(x)
        await asyncio.sleep(0.01 if x == "a" else 0)
        if x == "bad":
            raise ValueError("bad")
        return x * 2

    script = Scripted(calling(("work", {"x": "a"}), ("work", {"x": "bad"}), ("work", {"x": "c"})), calling(("work", {"x": "d"})))
    graph = graph_of(script.model, [work])
    result = graph.run("go", store=store, run_id="r")
    assert result.messages[-1].text == "aa | Error: ValueError: bad | cc | dd"
    asked = script.model.calls
    assert graph.replay("r", store=store).messages == result.messages
    assert (calls, script.model.calls) == (["a", "bad", "c", "d"], asked)


async def stop_amid(graph: ConversationGraph, store: Store, hanging: asyncio.Event, *, finished: int) -> None:
    """Run the graph, and cancel it as soon as a tool hangs and so many other effects are recorded."""
    running = asyncio.create_task(graph.arun("go", store=store, run_id="r"))
    await hanging.wait()
    for _ in range(500):
        if sum(isinstance(recorded.event, EffectFinished) for recorded in store.events("r")) == finished:
            break
        await asyncio.sleep(0.01)
    else:
        pytest.fail(f"never were {finished} effects recorded")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_run_that_was_stopped_amid_its_calls_repeats_none_that_is_done(store: Store) -> None:
    calls: list[str] = []
    hanging = asyncio.Event()

    @tool(idempotent=True)
    async def work(x: str, idempotency_key: str) -> str:
        """Work."""
        calls.append(idempotency_key[-1] + x)
        if x == "slow" and calls.count("1slow") == 1:
            hanging.set()
            await asyncio.sleep(30)
        return x

    script = Scripted(calling(("work", {"x": "a"}), ("work", {"x": "slow"}), ("work", {"x": "c"})))
    graph = graph_of(script.model, [work])
    await stop_amid(graph, store, hanging, finished=3)  # the model's answer, and two tools

    done = await graph.aresume("r", store=store)
    assert done.messages[-1].text == "a | slow | c"
    assert calls == ["0a", "1slow", "2c", "1slow"]
    assert (await graph.areplay("r", store=store)).messages == done.messages


@pytest.mark.parametrize(
    ("decision", "status", "text"),
    [
        ("retry", "finished", "fine | charged"),
        ({"result": "paid by hand"}, "finished", "fine | paid by hand"),
        ({"result": {"paid": 1}}, "finished", 'fine | {"paid": 1}'),
        ("fail", "failed", ""),
    ],
)
async def test_a_call_in_doubt_waits_for_a_person(store: Store, decision: Any, status: str, text: str) -> None:
    calls: list[str] = []
    hanging = asyncio.Event()

    @tool
    async def charge() -> str:
        """Charge."""
        calls.append("charge")
        if len(calls) == 1:
            hanging.set()
            await asyncio.sleep(30)
        return "charged"

    @tool
    async def fine() -> str:
        """Do no harm."""
        return "fine"

    graph = graph_of(Scripted(calling(("fine", {}), ("charge", {}))).model, [charge, fine])
    await stop_amid(graph, store, hanging, finished=2)

    waiting = await graph.aresume("r", store=store, human="park")
    assert (waiting.status, calls) == ("waiting", ["charge"])
    [question] = waiting.questions
    done = await graph.aresume("r", store=store, answers={question.id: decision})
    assert (done.status, len(calls)) == (status, 2 if decision == "retry" else 1)
    assert text in ("", done.messages[-1].text)


KILLED = """
    import asyncio, os, sys
    from pathlib import Path
    sys.path.insert(0, {here!r})
    from test_tool_calls import Scripted, calling, graph_of
    from convgraph import open_store
    from convgraph.tools import tool

    log = Path({log!r})

    def note(text):
        with log.open("a") as file:
            file.write(text + "\\n")

    @tool
    def step(x: int) -> int:
        "Take a step."
        note(f"step {{x}}")
        return x

    @tool(idempotent=True)
    def trip(idempotency_key: str) -> str:
        "Trip once."
        note(idempotency_key)
        if log.read_text().count(idempotency_key) == 1:
            os.kill(os.getpid(), 9)
        return "up again"

    script = Scripted(calling(("step", {{"x": 1}}), ("step", {{"x": 2}})), calling(("trip", {{}})), calling(("step", {{"x": 3}})))
    graph = graph_of(script.model, [step, trip])
    store = open_store({store!r})
    result = graph.resume("r", store=store) if store.runs() else graph.run("go", store=store, run_id="r")
    print(result.messages[-1].text)
"""


def test_a_killed_process_goes_on_where_it_was(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = textwrap.dedent(KILLED.format(here=str(Path(__file__).parent), log=str(log), store=str(tmp_path / "runs.db")))
    killed, resumed = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False) for _ in range(2)
    )
    assert killed.returncode == -9, killed.stderr
    assert resumed.stdout.strip() == "1 | 2 | up again | 3", resumed.stderr
    lines = log.read_text().splitlines()
    assert sorted(lines[:2]) == ["step 1", "step 2"]
    assert lines[2:] == ["r:1:tool:trip:0", "r:1:tool:trip:0", "step 3"]


def test_a_handoff_reaches_the_node_that_is_named() -> None:
    @tool
    def to_billing() -> Handoff:
        """Hand over to billing."""
        return Handoff("billing", "Billing will help.")

    @tool
    def to_sales() -> Handoff:
        """Hand over to sales."""
        return Handoff("sales")

    script = Scripted(calling(("to_billing", {}), ("to_sales", {})))
    graph = graph_of(script.model, [to_billing, to_sales])
    for name in ("sales", "billing"):

        async def speak(ctx: Any) -> str:
            return f"{ctx.node}: {ctx.last.text}"

        graph.add_node(speak, name=name)
        graph.add_edge("worker", name)
        graph.add_edge(name, END)
    result = graph.run("go")
    assert result.messages[-1].text == "billing: Billing will help."


async def test_only_the_first_handoff_of_a_reply_counts() -> None:
    outcomes: list[ToolOutcome] = []

    async def node(ctx: Any) -> str:
        outcomes.append(await run_tool_calls(ctx, [ToolCall("1", "go", '{"to": "b"}'), ToolCall("2", "go", '{"to": "c"}')], [go]))
        return "ok"

    @tool
    def go(to: str) -> Handoff:
        """Hand over."""
        return Handoff(to)

    graph = ConversationGraph("one")
    graph.add_node(node)
    graph.add_edge("node", END)
    graph.set_start("node")
    await graph.arun("x")
    assert outcomes[0].handoff == Handoff("b")
    assert [message.text for message in outcomes[0].messages] == [
        "Handed over to b.",
        "Not handed over to c: another call of this reply hands over to b.",
    ]
