"""`continue_` is the user's next message of a conversation that has ended, however it ended, in any process, any number of times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convgraph import END, AssistantAgent, ConversationGraph, Limits, ScriptedModel, UserProxyAgent, open_store
from convgraph.errors import GraphChanged, InputError, RunNotFound


def echo(prompt: str = "You answer.", limits: Limits | None = None, *, name: str = "agent") -> ConversationGraph:
    """Answers with what was said; a conversation in which `quiet` was said is stuck."""
    graph = ConversationGraph("echo", limits=limits)
    graph.add_node(AssistantAgent(name, prompt, model=ScriptedModel(lambda request: f"re: {request.messages[-1].text}")))
    graph.add_edge(name, END, when='last.content != "re: quiet"')
    graph.set_start(name)
    return graph


def texts(result: Any) -> list[str]:
    return [message.text for message in result.messages]


def test_a_finished_conversation_is_continued_twice_in_another_process(tmp_path: Path) -> None:
    """Each time with a graph that was made anew, as another process has it; the whole is one run, and replays."""
    path = tmp_path / "runs.db"
    echo().run("one", store=path, run_id="r")
    echo().continue_("r", "two", store=path)
    result = echo().continue_("r", "three", store=path)

    assert texts(result) == ["one", "re: one", "two", "re: two", "three", "re: three"]
    assert (result.run_id, result.status, result.steps) == ("r", "finished", 3)
    assert texts(echo().replay("r", store=path)) == texts(result)
    with open_store(path) as store:
        assert [run.run_id for run in store.runs()] == ["r"]


def test_a_stuck_conversation_is_continued() -> None:
    """A resume gives it back as it is; another message may lead on, and get stuck again."""
    graph, store = echo(), open_store(":memory:")
    assert graph.run("quiet", store=store, run_id="r").status == "stuck"
    assert graph.resume("r", store=store).status == "stuck"
    assert graph.continue_("r", "more", store=store).status == "finished"
    assert graph.continue_("r", "quiet", store=store).status == "stuck"
    assert graph.continue_("r", "at last", store=store).status == "finished"


def test_limits_count_the_whole_conversation_and_may_be_given_anew() -> None:
    """A message to a conversation that is at its limit is kept, and answered once there is room: by a resume with new limits."""
    graph, store = echo(limits=Limits(turns=2)), open_store(":memory:")
    graph.run("one", store=store, run_id="r")
    graph.continue_("r", "two", store=store)
    limited = graph.continue_("r", "three", store=store)
    assert (limited.status, limited.stop_reason) == ("limited", "limit reached: turns (2 of 2)")
    assert texts(limited)[-1] == "three"

    resumed = graph.resume("r", store=store, limits=Limits(turns=5))
    assert (resumed.status, texts(resumed)[-1]) == ("finished", "re: three")
    roomy = graph.continue_("r", "four", store=store, limits=Limits(turns=9))
    assert (roomy.status, texts(graph.replay("r", store=store))) == ("finished", texts(roomy))


def test_a_run_that_has_not_ended_is_to_be_resumed_first() -> None:
    async def ask(ctx: Any) -> str:
        return await ctx.ask("Well?")

    graph, store = ConversationGraph("asks"), open_store(":memory:")
    graph.add_node(ask)
    graph.add_edge(ask, END)
    graph.set_start(ask)
    graph.run("x", store=store, run_id="r", human="park")

    with pytest.raises(InputError, match="is waiting, not ended; resume it before"):
        graph.continue_("r", "y", store=store)
    assert store.questions("r"), "the question is still open"


def test_a_changed_prompt_goes_on_and_another_graph_is_refused() -> None:
    store = open_store(":memory:")
    echo().run("one", store=store, run_id="r")
    before = len(store.events("r"))
    with pytest.raises(GraphChanged, match="node-renamed"):
        echo(name="other").continue_("r", "two", store=store)
    assert len(store.events("r")) == before
    assert texts(echo("You answer kindly.").continue_("r", "two", store=store))[-1] == "re: two"


@pytest.mark.parametrize("said", [None, [], 5, {"text": "x"}])
def test_what_is_no_message_is_refused_before_anything_is_written(said: Any) -> None:
    store = open_store(":memory:")
    echo().run("one", store=store, run_id="r")
    before = len(store.events("r"))
    with pytest.raises(InputError):
        echo().continue_("r", said, store=store)
    with pytest.raises(RunNotFound):
        echo().continue_("nope", "x", store=store)
    assert len(store.events("r")) == before


def test_the_state_goes_on_and_may_be_changed() -> None:
    def count(ctx: Any) -> Any:
        from convgraph import Reply

        return Reply(f"{ctx.state.n}", update={"n": ctx.state.n + 1})

    graph, store = ConversationGraph("count", state={"n": {"type": "integer", "default": 0}}), open_store(":memory:")
    graph.add_node(count)
    graph.add_edge(count, END)
    graph.set_start(count)
    graph.run("x", store=store, run_id="r")

    assert texts(graph.continue_("r", "y", store=store))[-1] == "1"
    assert texts(graph.continue_("r", "z", store=store, state={"n": 40}))[-1] == "40"
    with pytest.raises(InputError):
        graph.continue_("r", "z", store=store, state={"m": 1})


def test_a_chat_goes_on_with_the_next_message_in_this_process_and_in_the_next(tmp_path: Path) -> None:
    """`clear_history=False` is the chat's word for it: the same run, whose agent sees all that was said."""
    seen: list[int] = []

    def chat(message: str, **options: Any) -> Any:
        def answer(request: Any) -> str:
            seen.append(len(request.messages))
            return f"re: {request.messages[-1].text}"

        expert = AssistantAgent("expert", model=ScriptedModel(answer))
        user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
        return user.initiate_chat(expert, message=message, max_turns=1, silent=True, store=tmp_path / "runs.db", run_id="chat", **options)

    chat("one")
    chat("two", clear_history=False)
    result = chat("three", clear_history=False)

    assert [message["content"] for message in result.chat_history] == ["one", "re: one", "two", "re: two", "three", "re: three"]
    assert seen == [1, 3, 5]


def test_the_command_line_continues_what_it_has_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from convgraph.cli import main

    monkeypatch.chdir(tmp_path)
    document = echo(limits=Limits(turns=2)).to_yaml().replace("type: scripted", "type: scripted\n      replies: [one, two, three]")
    Path("echo.yaml").write_text(document)
    assert main(["run", "echo.yaml", "hello", "--id", "r"]) == 0
    assert main(["continue", "r", "more"]) == 0
    assert "[2] agent: " in capsys.readouterr().out
    assert main(["continue", "r", "again"]) == 6
    assert "resume it (with a limit that leaves room, --max-turns or another)" in capsys.readouterr().out
    assert main(["resume", "r", "--max-turns", "9"]) == 0
    assert main(["continue", "nope", "x"]) == 2
    assert main(["continue", "r", "x", "--store", "missing.db"]) == 2
    assert main(["replay", "r"]) == 0
