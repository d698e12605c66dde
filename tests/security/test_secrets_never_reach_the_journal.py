"""A secret that a run was given is in no file of its store: whatever gives it back, what is recorded has its name instead."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from convgraph import (
    END,
    Context,
    ConversableAgent,
    ConversationGraph,
    Message,
    Nested,
    Parallel,
    Reply,
    ScriptedModel,
    ToolCall,
    UserProxyAgent,
    open_store,
)
from convgraph.coding import LocalCommandLineCodeExecutor
from convgraph.errors import InputError
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.tools import Injected, run_tool_calls, tool

TOKEN = 'tök"3n/+&-9d41<5f0c>'
DEPS = {"token": SecretStr(TOKEN)}


def everything_in(folder: Path) -> bytes:
    """The bytes of a store's files, the write-ahead log among them."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("runs.db*")))


def traces_of(value: str, found: bytes) -> list[bytes]:
    """The forms of a value that a text may hold, as far as they are there."""
    raw = value.encode()
    forms = {raw, json.dumps(value)[1:-1].encode(), json.dumps(value, ensure_ascii=False)[1:-1].encode(), base64.b64encode(raw)}
    forms |= {urllib.parse.quote(value, safe="").encode(), urllib.parse.quote_plus(value).encode(), raw.hex().encode()}
    return [form for form in forms if form in found]


def graph_of(*nodes: Any, **options: Any) -> ConversationGraph:
    graph = ConversationGraph("g", **options)
    names = [graph.add_node(node) for node in nodes]
    for name, after in zip(names, [*names[1:], END], strict=True):
        graph.add_edge(name, after)
    graph.set_start(names[0])
    return graph


async def silent(ctx: Context) -> None:
    """Says nothing."""


def had(graph: ConversationGraph, folder: Path, deps: Any = DEPS, **options: Any) -> list[Message]:
    """The messages of a run that is recorded in a file, the same from its replay, with nothing of the secret in the file."""
    with open_store(folder / "runs.db") as store:
        result = graph.run("go", store=store, run_id="r", deps=deps, **options)
        found = everything_in(folder)
        assert result.status == "finished", result.stop_reason
        assert list(graph.replay("r", store=store, deps=deps).messages) == list(result.messages)
    assert not traces_of(TOKEN, found + everything_in(folder))
    return list(result.messages)


@tool
def whoami(token: Annotated[SecretStr, Injected()], form: str) -> Any:
    """Say who is logged in, and far too much."""
    value = token.get_secret_value()
    raw = f"Bearer {value}!".encode()
    forms = {
        "plain": f"you are {value}",
        "json": {"user": "ada", "headers": [{"authorization": value}]},
        "key": {value: 1},
        "base64": base64.b64encode(raw).decode(),
        "base64url": base64.urlsafe_b64encode(b"?" + raw).decode(),
        "url": f"http://x/?{urllib.parse.urlencode({'t': value})}",
        "hex": raw.hex(),
        "json in json": json.dumps({"inner": json.dumps({"t": value})}),
    }
    if form == "error":
        raise PermissionError(f"{value} is not allowed here")
    return forms[form]


@pytest.mark.parametrize("form", ["plain", "json", "key", "base64", "base64url", "url", "hex", "json in json", "error"])
def test_what_a_tool_gives_back_is_recorded_and_told_without_it(tmp_path: Path, form: str) -> None:
    """The model is told the same live as in the replay: the secret's name."""
    told: list[str] = []

    def answer(request: ModelRequest) -> Any:
        results = [message.text for message in request.messages if message.role == "tool"]
        told.extend(results)
        return results[-1] if results else ModelReply(tool_calls=(ToolCall("a", "whoami", json.dumps({"form": form})),))

    async def asker(ctx: Context) -> str:
        first = await ctx.call_model(model, ModelRequest(ctx.messages, ctx.node, tools=()))
        outcome = await run_tool_calls(ctx, first.tool_calls, [whoami])
        said = [*ctx.messages, Message(ctx.node, "", tool_calls=outcome.calls), *outcome.messages]
        return (await ctx.call_model(model, ModelRequest(said, ctx.node))).content

    model = ScriptedModel(answer)
    *_, last = had(graph_of(asker), tmp_path)

    assert "[secret token]" in last.text
    assert told
    assert not any(traces_of(TOKEN, text.encode()) for text in told)


class Progress(BaseModel):
    seen: list[str] = []


def test_what_a_node_says_and_changes_is_recorded_without_it(tmp_path: Path) -> None:
    async def says(ctx: Context) -> str:
        return f"é {ctx.deps['token'].get_secret_value()}"

    async def says_in_ascii(ctx: Context) -> str:
        return base64.b64encode(ctx.deps["token"].get_secret_value().encode()).decode()

    async def changes(ctx: Context) -> Reply:
        value = ctx.deps["token"].get_secret_value()
        call = ToolCall("a", "login", json.dumps({"with": value}))
        return Reply(Message("changes", [{"type": "text", "text": value}], tool_calls=(call,), data={"t": value}), {"seen": [value]})

    async def declines(ctx: Context) -> Reply:
        return Reply(reason=f"no: {ctx.deps['token'].get_secret_value()}")

    _, said, in_ascii, changed = had(graph_of(says, says_in_ascii, changes, declines, state=Progress), tmp_path)

    assert said.text == "é [secret token]"
    assert in_ascii.text == "[secret token]"
    assert (changed.text, changed.data) == ("[secret token]", {"t": "[secret token]"})
    assert changed.tool_calls[0].arguments == '{"with": "[secret token]"}'


def test_branches_and_nested_conversations_say_it_no_more_than_others(tmp_path: Path) -> None:
    async def one(ctx: Context) -> str:
        return ctx.deps["token"].get_secret_value()

    async def two(ctx: Context) -> str:
        return f"and {ctx.deps['token'].get_secret_value()}"

    inner = graph_of(two)
    graph = ConversationGraph("g")
    graph.add_node(Parallel(one), name="both")
    graph.add_node(inner, name="inner")
    graph.add_edge("both", "inner")
    graph.add_edge("inner", END)
    graph.set_start("both")

    assert [message.text for message in had(graph, tmp_path)] == ["go", "[secret token]", "and [secret token]"]


def test_what_a_nested_conversation_begins_with_is_without_it(tmp_path: Path) -> None:
    heard: list[str] = []

    async def hears(ctx: Context) -> str:
        heard.extend(message.text for message in ctx.messages)
        return "Understood."

    graph = ConversationGraph("g")
    graph.add_node(Nested(graph_of(hears), opening=lambda ctx: f"Use {ctx.deps['token'].get_secret_value()}."), name="inner")
    graph.add_edge("inner", END)
    graph.set_start("inner")
    had(graph, tmp_path)

    assert heard == ["Use [secret token]."] * 2, "live, and in the replay"


def test_an_effect_s_typed_value_is_searched_too_and_goes_on_as_it_is_recorded(tmp_path: Path) -> None:
    got: list[Any] = []
    identity = UUID("6f1ec1d4-4c43-4f0e-9d6b-0a7a9f1f2c11")
    deps = {**DEPS, "identity": SecretStr(str(identity)), "pin": SecretStr("271828")}

    async def node(ctx: Context) -> str:
        value = ctx.deps["token"].get_secret_value()
        made = {"raw": b"\xff" + value.encode(), "set": {value}, "pair": (value, 1), "id": identity, "pin": 271828, "no": 1.5}
        got.append(await ctx.effect("fetch", lambda: made))
        return "done"

    had(graph_of(node), tmp_path, deps)

    assert (
        got[0]
        == got[1]
        == {
            "raw": b"\xff[secret token]",
            "set": {"[secret token]"},
            "pair": ("[secret token]", 1),
            "id": "[secret identity]",
            "pin": "[secret pin]",
            "no": 1.5,
        }
    )
    assert b"271828" not in everything_in(tmp_path)
    assert str(identity).encode() not in everything_in(tmp_path)


def test_errors_questions_and_answers_are_recorded_without_it(tmp_path: Path) -> None:
    async def asks(ctx: Context) -> str:
        return str(await ctx.ask(f"Is {ctx.deps['token'].get_secret_value()} yours?", schema=str))

    async def fails(ctx: Context) -> str:
        raise RuntimeError(f"{ctx.deps['token'].get_secret_value()} was refused")

    async def comforts(ctx: Context) -> str:
        return str(ctx.error.message)

    asked: list[str] = []
    graph = graph_of(asks, fails)
    graph.add_node(comforts)
    graph.add_edge("fails", "comforts", on="error")
    graph.add_edge("comforts", END)
    said = had(graph, tmp_path, human=lambda question: asked.append(question.prompt) or f"yes, {TOKEN}")

    assert asked == ["Is [secret token] yours?"]
    assert [message.text for message in said[1:]] == ["yes, [secret token]", "[secret token] was refused"]


def test_a_run_that_fails_says_why_without_it(tmp_path: Path) -> None:
    async def fails(ctx: Context) -> str:
        raise RuntimeError(f"{ctx.deps['token'].get_secret_value()} was refused")

    result = graph_of(fails).run("go", store=str(tmp_path / "runs.db"), deps=DEPS)

    assert result.status == "failed"
    assert "[secret token] was refused" in result.stop_reason
    assert not traces_of(TOKEN, everything_in(tmp_path))


def test_a_user_who_says_it_is_recorded_without_it(tmp_path: Path) -> None:
    async def echoes(ctx: Context) -> str:
        return ctx.last.text if ctx.last else ""

    graph = graph_of(echoes)
    with open_store(tmp_path / "runs.db") as store:
        graph.run(f"use {TOKEN}", store=store, run_id="r", deps=DEPS)
        result = graph.continue_("r", f"again {TOKEN}", store=store, deps=DEPS)

    assert [message.text for message in result.messages] == ["use [secret token]"] * 2 + ["again [secret token]"] * 2
    assert not traces_of(TOKEN, everything_in(tmp_path))


def test_a_model_that_repeats_it_and_code_that_prints_it(tmp_path: Path) -> None:
    """However a model came to know it (here: it was in a file that code has printed), its reply is recorded without."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / ".env").write_text(f"TOKEN={TOKEN}", encoding="utf-8")
    code = "```python\nprint(open('.env', encoding='utf-8').read())\n```"
    coder = ConversableAgent("coder", model=ScriptedModel([code, f"it is {TOKEN} TERMINATE"]))
    executor = LocalCommandLineCodeExecutor(work_dir=tmp_path / "work")
    runner = UserProxyAgent("runner", human_input_mode="NEVER", code_execution_config={"executor": executor})
    with open_store(tmp_path / "runs.db") as store:
        result = runner.initiate_chat(coder, message="go", max_turns=2, store=store, deps=DEPS)

    assert "Code output: TOKEN=[secret token]" in result.messages[2].text
    assert result.messages[3].text == "it is [secret token] TERMINATE"
    assert not traces_of(TOKEN, everything_in(tmp_path))


def test_a_chat_that_a_tool_opens_and_what_an_agent_is_told_of_itself_are_without_it(tmp_path: Path) -> None:
    """A model is sent what is recorded, and so never a secret, however hard the code around it tries."""
    sent: list[ModelRequest] = []

    def answer(request: ModelRequest) -> str:
        sent.append(request)
        return "Understood."

    model = ScriptedModel(answer)
    expert = ConversableAgent("expert", model=model, human_input_mode="NEVER")
    asker = UserProxyAgent("asker", human_input_mode="NEVER", code_execution_config=False)

    async def node(ctx: Context) -> str:
        value = ctx.deps["token"].get_secret_value()

        async def consult() -> str:
            return str((await asker.a_initiate_chat(expert, message=f"My token is {value}.", max_turns=1, silent=True)).summary)

        await ctx.effect("consult", consult)
        return (await ctx.call_model(model, ModelRequest((), "me", f"You log in with {value}."))).content

    with open_store(tmp_path / "runs.db") as store:
        graph_of(node).run("go", store=store, run_id="r", deps=DEPS)
        found = everything_in(tmp_path)

    assert sent[0].messages[-1].text == "My token is [secret token]."
    assert sent[1].system == "You log in with [secret token]."
    assert not traces_of(TOKEN, found)


def test_a_graph_that_describes_one_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Also one that is opened inside of a turn."""
    knowing = ConversableAgent("knowing", f"You log in with {TOKEN}.", model=ScriptedModel(["hello"]), human_input_mode="NEVER")
    other = UserProxyAgent("other", human_input_mode="NEVER", code_execution_config=False)
    with pytest.raises(InputError, match="describes a secret of deps"):
        graph_of(knowing).run("go", deps=DEPS, store=str(tmp_path / "runs.db"))
    assert list(tmp_path.iterdir()) == []

    async def node(ctx: Context) -> str:
        return str((await other.a_initiate_chat(knowing, message="hello", max_turns=1, silent=True)).summary)

    result = graph_of(node).run("go", deps=DEPS, store=str(tmp_path / "runs.db"))

    assert "describes a secret of deps" in result.stop_reason
    assert not traces_of(TOKEN, everything_in(tmp_path))


def test_a_secret_that_was_changed_meanwhile_is_the_same_secret(tmp_path: Path) -> None:
    """A request that holds one is known by the secret's name: a run goes on with a new value."""

    async def node(ctx: Context) -> str:
        value = ctx.deps["token"].get_secret_value()
        await ctx.effect("login", lambda given: f"in as {given}", value)
        return str(await ctx.ask("Go on?"))

    graph = graph_of(node)
    graph.run("go", store=str(tmp_path / "runs.db"), run_id="r", deps=DEPS, human="park")
    result = graph.resume("r", store=str(tmp_path / "runs.db"), deps={"token": SecretStr("another-one")}, answers={"node-1": "yes"})

    assert result.status == "finished"
    assert result.last is not None
    assert result.last.text == "yes"


@dataclass
class Service:
    key: SecretStr


class Settings(BaseModel):
    key: SecretStr
    url: str = "http://x"


class Plain:
    def __init__(self) -> None:
        self.key = SecretStr(TOKEN)


@pytest.mark.parametrize(
    ("deps", "name"),
    [
        (Service(SecretStr(TOKEN)), "key"),
        (Settings(key=SecretStr(TOKEN)), "key"),
        (Plain(), "key"),
        ({"api": Service(SecretStr(TOKEN))}, "api.key"),
        ({"api": {"a key": SecretStr(TOKEN)}}, "api.a_key"),
        ({"keys": [SecretStr(TOKEN)]}, "keys.0"),
    ],
)
def test_secrets_are_found_at_the_top_and_one_level_down(deps: Any, name: str) -> None:
    async def says(ctx: Context) -> str:
        return f"it is {TOKEN}"

    result = graph_of(says).run("go", deps=deps)

    assert result.last is not None
    assert result.last.text == f"it is [secret {name}]"


@pytest.mark.parametrize(
    ("deps", "said"),
    [
        ({"pin": SecretStr("1234")}, r"'pin' has 4 characters"),
        ({"key": SecretBytes(b"0123456789")}, r"'key' is a SecretBytes"),
    ],
)
def test_what_could_not_be_found_again_is_refused_before_anything_is_written(deps: Mapping[str, Any], said: str, tmp_path: Path) -> None:
    graph = graph_of(silent)
    with pytest.raises(InputError, match=said):
        graph.run("go", deps=deps, store=str(tmp_path / "runs.db"))

    assert list(tmp_path.iterdir()) == []


def test_a_state_that_holds_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="state=… holds a secret"):
        graph_of(silent, state=Progress).run("go", state={"seen": [TOKEN]}, deps=DEPS, store=str(tmp_path / "runs.db"))


def test_a_secret_that_is_not_set_hides_nothing() -> None:
    async def says(ctx: Context) -> str:
        return "as it is"

    result = graph_of(says).run("go", deps={"token": SecretStr("")})

    assert result.last is not None
    assert result.last.text == "as it is"
