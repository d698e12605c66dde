"""A run is a tree of spans by the conventions for generative AI, with the names, kinds, attributes and parents that these ask for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import SecretStr

from convgraph import (
    END,
    Context,
    ConversationGraph,
    OpenAIChatModel,
    Parallel,
    Retry,
    ScriptedModel,
    ToolCall,
    Usage,
    telemetry,
)
from convgraph.protocols import Distribution, ModelReply, ModelRequest
from convgraph.testing import HttpError, ScriptedServer
from convgraph.tools import ToolSet, run_tool_calls, tool
from tests.telemetry.conftest import Collected


def asking(model: Any, name: str = "writer") -> Any:
    """A node that says what a model says."""

    async def speak(ctx: Context) -> str:
        return (await ctx.call_model(model, ModelRequest(ctx.messages, name))).content

    speak.__name__ = name
    return speak


def line(*nodes: Any, name: str = "line") -> ConversationGraph:
    """Nodes, one after the other."""
    graph = ConversationGraph(name)
    for node in nodes:
        graph.add_node(node)
    names = [node.__name__ for node in nodes]
    for here, there in zip(names, [*names[1:], END], strict=True):
        graph.add_edge(here, there)
    graph.set_start(names[0])
    return graph


def test_a_run_is_a_workflow_with_agents_in_it_who_ask_models(collected: Collected) -> None:
    """Run, turn, and model call lie inside of one another, and say which graph, agent and model they are of."""
    with ScriptedServer(["Once upon a time."]) as server:
        model = OpenAIChatModel("gpt-x", base_url=server.base_url, api_key="k", temperature=0.5, max_tokens=50, stop="END")
        graph = line(asking(model))
        result = graph.run("Tell me.")

    assert collected.tree() == [
        "invoke_workflow line",
        "invoke_workflow line > invoke_agent writer",
        "invoke_workflow line > invoke_agent writer > chat gpt-x",
    ]
    workflow, agent, chat = (collected.one(name) for name in ("invoke_workflow line", "invoke_agent writer", "chat gpt-x"))
    assert workflow.kind is SpanKind.INTERNAL
    assert agent.kind is SpanKind.INTERNAL
    assert chat.kind is SpanKind.CLIENT
    told = dict(workflow.attributes or {})
    assert told["gen_ai.operation.name"] == "invoke_workflow"
    assert told["gen_ai.workflow.name"] == "line"
    assert told["gen_ai.conversation.id"] == result.run_id
    assert told["convgraph.graph.fingerprint"] == graph.fingerprint
    assert told["convgraph.run.status"] == "finished"
    assert (agent.attributes or {})["gen_ai.agent.name"] == "writer"
    told = dict(chat.attributes or {})
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.request.model"] == "gpt-x"
    assert (told["gen_ai.request.temperature"], told["gen_ai.request.max_tokens"]) == (0.5, 50)
    assert told["gen_ai.request.stop_sequences"] == ("END",)
    assert told["server.address"] == "127.0.0.1"
    assert isinstance(told["server.port"], int)
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["gen_ai.usage.input_tokens"] == result.usage.input_tokens > 0
    assert told["gen_ai.usage.output_tokens"] == result.usage.output_tokens > 0


def test_spans_lie_inside_of_one_another_in_time_too(collected: Collected) -> None:
    """No child begins before its parent, none ends after it, and none takes less than no time."""
    line(asking(ScriptedModel(["a"]), "one"), asking(ScriptedModel(["b"], latency=0.02), "two")).run("go")

    by_id = {span.context.span_id: span for span in collected.spans if span.context is not None}
    for span in collected.spans:
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time
        outer = by_id.get(span.parent.span_id) if span.parent is not None else None
        if outer is not None:
            assert outer.start_time is not None
            assert outer.end_time is not None
            assert outer.start_time <= span.start_time
            assert span.end_time <= outer.end_time + 2_000_000  # the clock of a turn's seconds is not the clock of the calendar
    two = collected.one("invoke_agent two")
    assert two.start_time is not None
    assert two.end_time is not None
    assert two.end_time - two.start_time >= 15_000_000


def test_the_run_lies_in_the_span_of_whoever_starts_it(collected: Collected) -> None:
    """An application's own span is the parent of the run, and is current again when the run is over."""
    tracer = collected.tracers.get_tracer("application")
    with tracer.start_as_current_span("request") as request:
        line(asking(ScriptedModel(["a"]))).run("go")
        assert trace.get_current_span() is request

    assert "request > invoke_workflow line > invoke_agent writer > chat scripted" in collected.tree()


@pytest.mark.parametrize("ending", ["parked", "failed"])
async def test_what_was_current_before_a_run_is_so_after_it_however_it_ends(collected: Collected, ending: str) -> None:
    """A run that stops inside of a tool leaves nothing behind in the task that had started it."""

    async def stop(ctx: Context) -> str:
        async def inside() -> str:
            from convgraph.runtime.context import current_turn

            turn = current_turn()
            assert turn is not None
            return await turn.ask("Well?") if ending == "parked" else str(1 / 0)

        return await ctx.effect("inside", inside)

    before = trace.get_current_span()
    result = await line(stop).arun("go", human="park")
    assert result.status == ("waiting" if ending == "parked" else "failed")
    assert trace.get_current_span() is before


def test_a_tool_is_executed_inside_of_the_turn_that_calls_it(collected: Collected) -> None:
    """`execute_tool`, with the tool's own traces inside of it: the span is current where the tool runs, in whichever thread."""
    tracer = collected.tracers.get_tracer("application")

    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        with tracer.start_as_current_span("look it up"):
            return f"rain in {city}"

    tools = ToolSet([weather])
    model = ScriptedModel([ModelReply(tool_calls=(ToolCall("1", "weather", '{"city": "Bonn"}'),)), "It rains."])

    async def speak(ctx: Context) -> Any:
        reply = await ctx.call_model(model, ModelRequest(ctx.messages, "speak", tools=tools.schemas()))
        await run_tool_calls(ctx, reply.tool_calls, tools)
        return (await ctx.call_model(model, ModelRequest(ctx.messages, "speak"))).content

    line(speak).run("go")

    within = "invoke_workflow line > invoke_agent speak"
    assert collected.tree() == [
        "invoke_workflow line",
        within,
        f"{within} > chat scripted",
        f"{within} > chat scripted",
        f"{within} > execute_tool weather",
        f"{within} > execute_tool weather > look it up",
    ]
    told = collected.one("execute_tool weather").attributes or {}
    assert (told["gen_ai.operation.name"], told["gen_ai.tool.name"]) == ("execute_tool", "weather")


def test_what_a_model_client_traces_itself_lies_inside_of_the_call(collected: Collected) -> None:
    """Instrumented HTTP clients find the call's span as the current one, at once, and with it the trace to propagate."""
    tracer = collected.tracers.get_tracer("http")

    def answer(_: ModelRequest) -> str:
        assert trace.get_current_span().get_span_context().is_valid
        with tracer.start_as_current_span("POST"):
            return "a"

    line(asking(ScriptedModel(answer))).run("go")
    assert "invoke_workflow line > invoke_agent writer > chat scripted > POST" in collected.tree()


def test_a_trace_that_is_not_sampled_has_no_spans_and_is_measured_all_the_same() -> None:
    """The sampler of the program decides about spans; metrics are of everything."""
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    made = Collected()
    made.tracers.sampler = ALWAYS_OFF
    made.enable()
    try:
        line(asking(ScriptedModel(["a"], usage=Usage(1, 10, 5, 0.0)))).run("go")
    finally:
        telemetry.disable()
    assert made.spans == []
    assert sum(amount for _, amount in made.metric("gen_ai.client.token.usage")) == 15


def test_a_fork_is_linked_to_the_run_that_it_shares_its_beginning_with(collected: Collected, tmp_path: Path) -> None:
    """The fork's trace leads to the one in which its first steps were made."""
    model = ScriptedModel(lambda _: "a")
    graph, store = line(asking(model, "one"), asking(model, "two")), str(tmp_path / "runs.db")
    run_id = graph.run("go", store=store).run_id
    first = collected.one("invoke_workflow line")
    collected.exporter.clear()
    graph.resume(graph.fork(run_id, store=store, at=1), store=store)

    assert [link.context for link in collected.one("invoke_workflow line").links] != []
    assert first.context is not None
    assert collected.one("invoke_workflow line").links[0].context.span_id == first.context.span_id
    assert [span.name for span in collected.spans if span.name.startswith("invoke_agent")] == ["invoke_agent two"]


async def test_a_run_that_is_handed_over_by_its_worker_is_no_failure(collected: Collected, tmp_path: Path) -> None:
    """A worker that drains leaves a span that says so, and the next worker's trace is linked to it."""
    from convgraph import open_store
    from convgraph.engines.local import LocalEngine
    from convgraph.engines.worker import Worker

    graph, url = (
        line(asking(ScriptedModel(lambda _: "a", latency=0.05), "one"), asking(ScriptedModel(["b"]), "two")),
        str(tmp_path / "runs.db"),
    )
    await graph.asubmit("go", store=url)
    with open_store(url) as store:
        worker = Worker([graph], store)
        engine = LocalEngine(store, graphs=worker.graphs, poll=0.01)
        working = asyncio.create_task(worker.work(engine))
        while not worker.under_way:  # noqa: ASYNC110  # there is nobody to say that the run has begun
            await asyncio.sleep(0.005)
        await worker.drain(engine)
        await working
        handed_over = collected.one("invoke_workflow line")
        assert dict(handed_over.attributes or {})["convgraph.run.status"] == "handed_over"
        assert handed_over.status.status_code is StatusCode.UNSET
        collected.exporter.clear()
        second = Worker([graph], store)
        await second.advance(store.runs()[0].run_id)
        assert handed_over.context is not None
        assert [link.context.span_id for link in collected.one("invoke_workflow line").links] == [handed_over.context.span_id]


def test_branches_at_work_at_the_same_time_have_their_own_parents(collected: Collected) -> None:
    """Each branch's calls lie in the branch, the branches in the group, whatever the order in which they finish."""
    slow, fast = ScriptedModel(["s"], name="slow", latency=0.03), ScriptedModel(["f"], name="fast")
    graph = ConversationGraph("group")
    graph.add_node(Parallel(_named(asking(slow, "legal")), _named(asking(fast, "style"))), name="panel")
    graph.add_edge("panel", END)
    graph.set_start("panel")
    graph.run("go")

    panel = "invoke_workflow group > invoke_workflow panel"
    assert collected.tree() == [
        "invoke_workflow group",
        panel,
        f"{panel} > invoke_agent legal",
        f"{panel} > invoke_agent legal > chat slow",
        f"{panel} > invoke_agent style",
        f"{panel} > invoke_agent style > chat fast",
    ]


def _named(node: Any) -> Any:
    return node


def test_conversations_inside_of_conversations_are_workflows_inside_of_workflows(collected: Collected) -> None:
    """A graph as a node, and a chat that a tool opens: both in one trace, under the turn that they belong to."""
    inner = line(asking(ScriptedModel(["deep"], name="m")), name="inner")

    async def host(ctx: Context) -> str:
        async def consult() -> str:
            from convgraph.runtime.context import current_turn

            turn = current_turn()
            assert turn is not None
            state = await turn.converse(line(asking(ScriptedModel(["x"], name="n"), "advisor"), name="advice").program(), ())
            return state.history[-1].text

        return await ctx.effect("consult", consult)

    graph = ConversationGraph("outer")
    graph.add_node(inner, name="review")
    graph.add_node(host)
    graph.add_edge("review", "host")
    graph.add_edge("host", END)
    graph.set_start("review")
    assert graph.run("go").status == "finished"

    tree = collected.tree()
    assert "invoke_workflow outer > invoke_workflow review > invoke_agent writer > chat m" in tree
    consult = "invoke_workflow outer > invoke_agent host > execute_tool consult"
    assert f"{consult} > invoke_workflow advice > invoke_agent advisor > chat n" in tree


def test_a_retried_turn_is_one_span_that_tells_of_its_attempts(collected: Collected) -> None:
    """By the conventions a span covers the retries: the attempts are events on it, and each attempt's calls lie inside of it."""
    tries: list[int] = []

    async def shaky(ctx: Context) -> str:
        async def work() -> str:
            tries.append(1)
            if len(tries) == 1:
                raise ValueError("the word is xyzzy")
            return "there"

        return await ctx.effect("work", work)

    graph = ConversationGraph("retried")
    graph.add_node(shaky, retry=Retry(attempts=2, wait=0.0))
    graph.add_edge("shaky", END)
    graph.set_start("shaky")
    assert graph.run("go").status == "finished"

    turn = collected.one("invoke_agent shaky")
    assert [event.name for event in turn.events] == ["convgraph.attempt_failed"]
    assert dict(turn.events[0].attributes or {})["error.type"] == "ValueError"
    assert turn.status.status_code is StatusCode.UNSET
    first, second = sorted(collected.named("execute_tool work"), key=lambda span: span.start_time or 0)
    assert first.status.status_code is StatusCode.ERROR
    assert (first.attributes or {})["error.type"] == "ValueError"
    assert second.status.status_code is StatusCode.UNSET
    assert first.parent == second.parent == turn.context
    assert "xyzzy" not in json.dumps([span.to_json() for span in collected.spans])


def test_a_model_that_fails_is_an_error_all_the_way_up(collected: Collected) -> None:
    """`error.type` stands on the call, the turn and the run; words that may quote the conversation do not."""
    with ScriptedServer([HttpError(400, "no such thing as Bonn")]) as server:
        graph = line(asking(OpenAIChatModel("gpt-x", base_url=server.base_url, api_key="k")))
        assert graph.run("go").status == "failed"

    for name in ("chat gpt-x", "invoke_agent writer", "invoke_workflow line"):
        span = collected.one(name)
        assert span.status.status_code is StatusCode.ERROR, name
        assert (span.attributes or {})["error.type"]
    assert "Bonn" not in json.dumps([span.to_json() for span in collected.spans])


def test_a_choice_says_who_was_there_to_choose_from_and_how_sure_the_chooser_was(collected: Collected) -> None:
    """The selection stands on the turn that it follows, and what was asked for it in a span of its own."""
    sure = ModelReply('{"choice": "b"}', distribution=Distribution({"b": 0.75, "c": 0.25}, "decision"))
    selector = ScriptedModel([sure], name="chooser")
    graph = ConversationGraph("choosing", select="auto", selector_model=selector)

    def a(ctx: Context) -> str:
        return "a"

    def b(ctx: Context) -> str:
        return "b"

    def c(ctx: Context) -> str:
        return "c"

    for node in (a, b, c):
        graph.add_node(node)
    graph.add_edge("a", "b")
    graph.add_edge("a", "c")
    graph.add_edge("b", END)
    graph.add_edge("c", END)
    graph.set_start("a")
    assert graph.run("go").status == "finished"

    assert "invoke_workflow choosing > convgraph.select > chat chooser" in collected.tree()
    for name in ("invoke_agent a", "convgraph.select"):
        told = dict(collected.one(name).attributes or {})
        assert told["convgraph.selection.chosen"] == "b"
        assert told["convgraph.selection.chosen_by"] == "auto"
        assert told["convgraph.selection.candidates"] == ("b", "c")
        assert told["convgraph.selection.edge"] == 0
        assert json.loads(str(told["convgraph.selection.distribution"])) == {"b": 0.75, "c": 0.25}
        assert told["convgraph.selection.distribution_by"] == "decision"
    assert (collected.one("invoke_agent b").attributes or {})["convgraph.selection.chosen"] == END


def test_waiting_for_a_person_is_a_span_and_the_run_goes_on_in_a_trace_linked_to_the_first(collected: Collected, tmp_path: Path) -> None:
    """Parked and resumed, maybe by another process days later: two traces, the second with a link to the first."""

    async def ask(ctx: Context) -> str:
        return await ctx.ask("Well?", id="well", to="ada")

    graph, store = line(ask), str(tmp_path / "runs.db")
    parked = graph.run("go", store=store, human="park")
    assert parked.status == "waiting"
    question = collected.one("convgraph.ask ada")
    assert dict(question.attributes or {})["convgraph.question.answered"] is False
    assert question.status.status_code is StatusCode.UNSET
    first = collected.one("invoke_workflow line")
    assert dict(first.attributes or {})["convgraph.run.status"] == "waiting"

    collected.exporter.clear()
    graph.resume(parked.run_id, store=store, answers={"well": "Well."})
    second = collected.one("invoke_workflow line")
    assert second.context is not None
    assert first.context is not None
    assert second.context.trace_id != first.context.trace_id
    assert [(link.context.trace_id, link.context.span_id) for link in second.links] == [(first.context.trace_id, first.context.span_id)]
    assert dict(second.attributes or {})["convgraph.run.resumed"] is True


def test_a_submitted_run_is_linked_to_whoever_has_submitted_it(collected: Collected, tmp_path: Path) -> None:
    """The request that makes a run, and the worker that goes on with it, find each other."""
    graph, store = line(asking(ScriptedModel(["a"]))), str(tmp_path / "runs.db")
    with collected.tracers.get_tracer("application").start_as_current_span("request") as request:
        run_id = graph.submit("go", store=store)
    graph.resume(run_id, store=store)

    assert [link.context.span_id for link in collected.one("invoke_workflow line").links] == [request.get_span_context().span_id]


def test_a_replay_and_what_is_read_back_are_not_told_again(collected: Collected, tmp_path: Path) -> None:
    """A replay is no run: no span, no token. A resumed turn tells of the calls that are made, not of those read back."""
    model = ScriptedModel(["thought", "said"], usage=Usage(1, 10, 5, 0.0))

    async def think(ctx: Context) -> str:
        first = await ctx.call_model(model, ModelRequest(ctx.messages, "think"))
        await ctx.ask("Well?", id="well")
        second = await ctx.call_model(model, ModelRequest(ctx.messages, "think"))
        return f"{first.content} {second.content}"

    graph, store = line(think), str(tmp_path / "runs.db")
    run_id = graph.run("go", store=store, human="park").run_id
    result = graph.resume(run_id, store=store, answers={"well": "yes"})
    assert len(collected.named("chat scripted")) == 2
    tokens = collected.metric("gen_ai.client.token.usage")
    assert sum(amount for about, amount in tokens if about["gen_ai.token.type"] == "input") == result.usage.input_tokens == 20

    collected.exporter.clear()
    graph.replay(run_id, store=store)
    assert collected.spans == []
    assert collected.metric("gen_ai.client.token.usage") == tokens


def test_metrics_count_tokens_time_turns_runs_and_cost(collected: Collected) -> None:
    """What dashboards add up agrees with what the run says of itself."""
    graph = line(
        asking(ScriptedModel(["a", "b"], usage=Usage(1, 100, 20, 0.003)), "one"), asking(ScriptedModel(["c"], name="other"), "two")
    )
    result = graph.run("go")

    tokens = {
        (about["gen_ai.request.model"], about["gen_ai.token.type"]): amount
        for about, amount in collected.metric("gen_ai.client.token.usage")
    }
    assert (tokens["scripted", "input"], tokens["scripted", "output"]) == (100, 20)
    durations = collected.metric("gen_ai.client.operation.duration")
    assert {about["gen_ai.request.model"] for about, _ in durations} == {"scripted", "other"}
    assert {about["gen_ai.operation.name"] for about, _ in durations} == {"chat"}
    assert {(about["gen_ai.agent.name"], amount) for about, amount in collected.metric("convgraph.turns")} == {("one", 1), ("two", 1)}
    assert collected.metric("convgraph.runs") == [({"convgraph.graph.name": "line", "convgraph.run.status": "finished"}, 1)]
    assert sum(amount for _, amount in collected.metric("convgraph.cost")) == pytest.approx(result.usage.usd)


def test_no_content_unless_it_is_wanted(collected: Collected) -> None:
    """What was said stands in no span; and with `content=True` it does, in the conventions' form, without secrets."""

    async def leak(ctx: Context) -> str:
        return await ctx.effect("leak", lambda word: f"{word} hunter2", "sesame")

    def graph() -> ConversationGraph:
        model = ScriptedModel(["My answer is blue."])

        async def say(ctx: Context) -> str:
            reply = await ctx.call_model(model, ModelRequest(ctx.messages, "say", system="Know that hunter2."))
            return reply.content

        return line(say, leak)

    graph().run("What colour?", deps={"password": SecretStr("hunter2")})
    written = json.dumps([span.to_json() for span in collected.spans])
    assert not any(word in written for word in ("colour", "blue", "sesame", "hunter2"))

    collected.exporter.clear()
    collected.enable(content=True)
    graph().run("What colour?", deps={"password": SecretStr("hunter2")})
    told = dict(collected.one("chat scripted").attributes or {})
    assert json.loads(str(told["gen_ai.input.messages"])) == [
        {"role": "user", "name": "user", "parts": [{"type": "text", "content": "What colour?"}]}
    ]
    assert json.loads(str(told["gen_ai.output.messages"]))[0]["parts"] == [{"type": "text", "content": "My answer is blue."}]
    assert "Know that" in str(told["gen_ai.system_instructions"])
    executed = dict(collected.one("execute_tool leak").attributes or {})
    assert "sesame" in str(executed["gen_ai.tool.call.arguments"])
    assert "sesame" in str(executed["gen_ai.tool.call.result"])
    assert "hunter2" not in json.dumps([span.to_json() for span in collected.spans])


def test_a_run_without_telemetry_writes_what_it_would_write_with_it_but_for_the_trace(tmp_path: Path) -> None:
    """Off, there is no trace in the journal; on, the events differ by where they are traced, and by nothing else."""
    from convgraph import open_store
    from convgraph.journal.events import RunStarted
    from convgraph.plain_data import replaced

    def recorded(name: str) -> list[Any]:
        store = str(tmp_path / name)
        run_id = line(asking(ScriptedModel(["a"]))).run("go", store=store).run_id
        with open_store(store) as opened:
            return [item.event for item in opened.events(run_id)]

    off = recorded("off.db")
    made = Collected()
    made.enable()
    on = recorded("on.db")
    telemetry.disable()
    assert isinstance(on[0], RunStarted)
    assert on[0].trace.startswith("00-")
    assert off[0].trace == ""
    assert replaced(on[0], trace="") == off[0]
    assert [type(event) for event in on] == [type(event) for event in off]


async def test_many_runs_in_one_loop_keep_their_spans_apart(collected: Collected) -> None:
    """Runs at the same time are traces of their own."""
    graph = line(asking(ScriptedModel(lambda _: "a", latency=0.005)))
    await asyncio.gather(*(graph.arun("go") for _ in range(20)))

    assert collected.tree() == sorted(
        20
        * [
            "invoke_workflow line",
            "invoke_workflow line > invoke_agent writer",
            "invoke_workflow line > invoke_agent writer > chat scripted",
        ]
    )
    assert len({span.context.trace_id for span in collected.spans if span.context is not None}) == 20


async def test_a_cancelled_run_ends_its_spans(collected: Collected) -> None:
    """Nothing stays open: what was cut short ends with the run."""
    graph = line(asking(ScriptedModel(["never"], latency=30)))
    work = asyncio.create_task(graph.arun("go", run_id="r"))
    while not graph.cancel("r"):  # noqa: ASYNC110  # there is nobody to say that the run has begun
        await asyncio.sleep(0.005)
    assert (await work).status == "cancelled"

    assert collected.tree()[-1] == "invoke_workflow line > invoke_agent writer > chat scripted"
    assert dict(collected.one("invoke_workflow line").attributes or {})["convgraph.run.status"] == "cancelled"


def test_off_again_nothing_is_told(collected: Collected) -> None:
    """`disable` ends it."""
    telemetry.disable()
    line(asking(ScriptedModel(["a"]))).run("go")
    assert collected.spans == []


def test_a_duration_that_is_kept_as_an_example_leads_to_the_span_of_its_call(collected: Collected) -> None:
    """Whoever sees a slow call in a histogram finds the trace that it is from, however late it was written down."""
    line(asking(ScriptedModel(["a"]), "one"), asking(ScriptedModel(["b"], name="other"), "two")).run("go")

    led_to = {
        (point.attributes["gen_ai.request.model"], example.span_id)
        for point in collected.points("gen_ai.client.operation.duration")
        for example in point.exemplars
    }
    calls = [collected.one("chat scripted"), collected.one("chat other")]
    assert led_to == {(call.name.removeprefix("chat "), call.context.span_id) for call in calls if call.context is not None}
