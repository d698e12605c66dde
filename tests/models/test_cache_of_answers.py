"""The cache of answers: off unless asked for, keyed by all that is sent and where to, honest about what was paid."""

import asyncio
import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convgraph import END, AssistantAgent, ConversationGraph, ScriptedModel, open_store
from convgraph.errors import InputError, ModelConfigError, ModelError, ModelOutputError, StoreCorrupt, StoreUnavailable
from convgraph.journal.events import EffectFinished
from convgraph.messages import NO_USAGE, Message, ToolCall, Usage
from convgraph.models.cache import Cache
from convgraph.models.cached import CachedModel, with_cache
from convgraph.models.config import model_from_config
from convgraph.models.fallback import FallbackModel
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.protocols import Model, ModelReply, ModelRequest
from convgraph.testing import Answer, HttpError, ScriptedServer

HELLO = ModelRequest([Message("user", "hello", "user")], speaker="writer")
FRUIT = ModelRequest(HELLO.messages, schema={"type": "object", "properties": {"fruit": {"type": "string"}}, "required": ["fruit"]})


@pytest.fixture(params=["disk", "memory"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Cache:
    return Cache.disk(42, tmp_path) if request.param == "disk" else Cache.memory()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    answers = (Answer(f"answer {number}", usage=(1000, 100)) for number in range(1, 1000))
    with ScriptedServer(lambda _: next(answers)) as scripted:
        yield scripted


def ask(model: Model, request: ModelRequest = HELLO, **asked: Any) -> ModelReply:
    return asyncio.run(model.respond(request, **asked))


def test_nothing_is_cached_unless_it_is_asked_for(server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = model_from_config({"model": "m", "base_url": server.base_url, "temperature": 0, "seed": 41, "cache_seed": None})

    assert [ask(model).content, ask(model).content] == ["answer 1", "answer 2"]
    assert server.requests[0]["seed"] == 41
    assert list(tmp_path.iterdir()) == []


def test_an_equal_request_is_answered_from_the_cache_and_costs_nothing_again(server: ScriptedServer, cache: Cache) -> None:
    model = CachedModel(OpenAIChatModel("gpt-5.5", base_url=server.base_url), cache)
    first, second = ask(model), ask(model)

    assert (first.content, second.content, len(server.log)) == ("answer 1", "answer 1", 1)
    assert first.usage == pytest.approx(Usage(1, 1000, 100, 0.008))
    assert first.saved == NO_USAGE
    assert (second.usage, second.saved) == (NO_USAGE, first.usage)
    assert (second.model, second.finish_reason) == (first.model, first.finish_reason)


def test_a_cache_seed_in_a_configuration_keeps_answers_on_disk(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"config_list": [{"model": "m", "base_url": server.base_url}], "cache_seed": 42}

    assert ask(model_from_config(config)).content == ask(model_from_config(config)).content == "answer 1"
    assert ask(model_from_config({**config, "cache_seed": 43})).content == "answer 2"
    assert "cache_seed" not in server.requests[0]
    assert (tmp_path / ".cache/42/answers.db").exists()


def test_a_cache_object_goes_before_a_seed(server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Cache.memory() as cache:
        ask(model_from_config({"model": "m", "base_url": server.base_url, "cache_seed": 42, "cache": cache}))

    assert not (tmp_path / ".cache").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"},
        {"temperature": 1},
        {"extra_body": {"grammar": "x"}},
        {"extra_headers": {"x-route": "b"}},
        {"extra_query": {"route": "b"}},
    ],
)
def test_whatever_is_sent_makes_a_request_another(server: ScriptedServer, cache: Cache, changed: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"model": "m", "base_url": server.base_url}

    assert ask(with_cache(OpenAIChatModel(**settings), cache)).content == "answer 1"
    assert ask(with_cache(OpenAIChatModel(**{**settings, **changed}), cache)).content == "answer 2"


@pytest.mark.parametrize(
    "other",
    [
        ModelRequest([Message("user", "hello!", "user")], speaker="writer"),
        ModelRequest(HELLO.messages, speaker="user"),
        ModelRequest(HELLO.messages, speaker="writer", system="Be brief."),
        ModelRequest(HELLO.messages, speaker="writer", params={"temperature": 0}),
        ModelRequest(HELLO.messages, speaker="writer", tools=({"type": "function", "function": {"name": "f"}},)),
    ],
)
def test_another_request_is_asked_anew(server: ScriptedServer, cache: Cache, other: ModelRequest) -> None:
    model = with_cache(OpenAIChatModel("m", base_url=server.base_url), cache)

    assert [ask(model).content, ask(model, other).content, ask(model).content] == ["answer 1", "answer 2", "answer 1"]


def test_two_endpoints_never_share_an_answer(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(["from one"]) as one, ScriptedServer(["from two"]) as two:
        assert ask(with_cache(OpenAIChatModel("m", base_url=one.base_url), cache)).content == "from one"
        assert ask(with_cache(OpenAIChatModel("m", base_url=two.base_url), cache)).content == "from two"
        monkeypatch.setenv("OPENAI_BASE_URL", two.base_url)
        assert ask(with_cache(OpenAIChatModel("m", api_key="another key"), cache)).content == "from two"


def test_no_key_is_written_to_the_cache(tmp_path: Path) -> None:
    with ScriptedServer(["hi"]) as server:
        ask(with_cache(OpenAIChatModel("m", base_url=server.base_url, api_key="sk-secret"), Cache.disk(1, tmp_path)))

    assert b"sk-secret" not in (tmp_path / "1/answers.db").read_bytes()


def test_each_model_of_a_fallback_has_its_own_answers(cache: Cache) -> None:
    with ScriptedServer([HttpError(401), "from one"]) as one, ScriptedServer(["from two"]) as two:
        model = with_cache(FallbackModel([OpenAIChatModel("m", base_url=url.base_url) for url in (one, two)]), cache)
        said = [ask(model).content for _ in range(3)]

    assert said == ["from two", "from one", "from one"]
    assert isinstance(model, FallbackModel)


def test_tool_calls_and_parsed_answers_come_back_whole(cache: Cache) -> None:
    with ScriptedServer(
        [Answer("let me see", tool_calls=[{"id": "a", "name": "f", "arguments": '{"x": 1}'}]), '{"fruit": "pear"}']
    ) as server:
        model = with_cache(OpenAIChatModel("m", base_url=server.base_url), cache)
        called = [ask(model), ask(model)]
        parsed = [ask(model, FRUIT), ask(model, FRUIT)]

    assert called[0].tool_calls == called[1].tool_calls == (ToolCall("a", "f", '{"x": 1}'),)
    assert called[1].finish_reason == "tool_calls"
    assert parsed[0].data == parsed[1].data == {"fruit": "pear"}


def test_failures_and_answers_that_do_not_fit_are_not_kept(cache: Cache) -> None:
    with ScriptedServer([HttpError(400), "no JSON", '{"fruit": "pear"}']) as server:
        model = with_cache(OpenAIChatModel("m", base_url=server.base_url, max_retries=0), cache)
        with pytest.raises(ModelError):
            ask(model, FRUIT)
        with pytest.raises(ModelOutputError):
            ask(model, FRUIT)
        assert ask(model, FRUIT).data == {"fruit": "pear"}


def test_an_unchecked_answer_is_not_given_to_who_wants_a_checked_one(cache: Cache) -> None:
    unchecked = ModelRequest(FRUIT.messages, schema=FRUIT.schema, checked=False)
    with ScriptedServer(["a pear", '{"fruit": "pear"}']) as server:
        model = with_cache(OpenAIChatModel("m", base_url=server.base_url), cache)
        assert ask(model, unchecked).content == "a pear"
        assert ask(model, FRUIT).data == {"fruit": "pear"}


def test_a_listener_hears_a_kept_answer_too(server: ScriptedServer, cache: Cache) -> None:
    model = with_cache(OpenAIChatModel("m", base_url=server.base_url), cache)
    heard: list[str] = []
    ask(model, on_delta=heard.append)
    ask(model, on_delta=heard.append)

    assert heard == ["answer", " 1", "answer 1"]


def test_it_is_a_model_that_says_that_it_is_cached(tmp_path: Path) -> None:
    model = with_cache(OpenAIChatModel("gpt-5.5"), Cache.disk(7, tmp_path))

    assert isinstance(model, Model)
    assert (model.name, model.priced) == ("gpt-5.5", True)
    assert model.describe() == {
        "type": "cached",
        "model": {"type": "openai_chat", "model": "gpt-5.5", "params": {}},
        "cache": {"type": "disk", "seed": 7},
    }


def test_a_second_cache_takes_the_place_of_the_first(server: ScriptedServer) -> None:
    first, second = Cache.memory(), Cache.memory()
    model = with_cache(with_cache(OpenAIChatModel("m", base_url=server.base_url), first), second)

    assert isinstance(model, CachedModel)
    assert isinstance(model.model, OpenAIChatModel)
    ask(model)
    assert ask(with_cache(model, first)).content == "answer 2"


def test_a_model_that_cannot_say_what_it_sends_is_not_cached() -> None:
    class Mine:
        name = "mine"
        priced = True

        def describe(self) -> dict[str, Any]:
            return {}

        async def respond(self, request: ModelRequest, on_delta: Any = None) -> ModelReply:
            return ModelReply("x")

    with pytest.raises(ModelConfigError, match=r"sends\(request\)"):
        CachedModel(Mine(), Cache.memory())


def test_a_runs_usage_is_what_was_paid_and_its_journal_says_what_was_saved(cache: Cache, tmp_path: Path) -> None:
    script = ScriptedModel(["hi"], usage=Usage(1, 10, 5, 0.25))
    graph = ConversationGraph("cached")
    graph.add_node(AssistantAgent("agent", "You greet.", model=with_cache(script, cache)))
    graph.add_edge("agent", END)
    graph.set_start("agent")
    store = str(tmp_path / "runs.db")
    first, second = (graph.run("hello", store=store, run_id=name) for name in ("first", "second"))

    assert script.calls == 1
    assert (first.usage, second.usage) == (Usage(1, 10, 5, 0.25), NO_USAGE)
    assert [_saved(store, name) for name in ("first", "second")] == [None, [1, 10, 5, 0.25, 0]]
    graph.replay("second", store=store)


def _saved(store: str, run_id: str) -> Any:
    with open_store(store) as opened:
        (answer,) = (each.event for each in opened.events(run_id) if isinstance(each.event, EffectFinished))
    return answer.result.get("saved")


def test_a_cache_keeps_json_under_keys(cache: Cache) -> None:
    with cache as opened:
        opened.set("a", {"list": [1, "two \ud800"]})
        assert opened.get("a") == {"list": [1, "two \ud800"]}
        assert opened.get("b") is None
        assert opened.get("b", 7) == 7
        with pytest.raises(InputError, match="JSON"):
            opened.set("c", object())


def test_a_cache_stays_where_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever folder the process goes to."""
    monkeypatch.chdir(tmp_path)
    cache = Cache.disk()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    cache.set("a", 1)

    assert (tmp_path / ".cache/42/answers.db").exists()


def test_a_file_that_is_no_cache_is_left_alone(tmp_path: Path) -> None:
    cache = Cache.disk(1, tmp_path)
    file = tmp_path / "1/answers.db"
    file.parent.mkdir()
    file.write_text("precious" * 200)
    with pytest.raises(StoreCorrupt, match="no cache of answers"):
        cache.get("a")
    assert file.read_text() == "precious" * 200


def test_a_place_that_cannot_be_written_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cache_path_root"):
        Cache.disk(1, tmp_path / "file").set("a", 1)


def _write(root: Path, writer: int) -> None:
    for number in range(15):
        Cache.disk("shared", root).set(f"{number}", {"writer": writer, "text": "x" * 5000})


def test_threads_and_processes_share_one_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(tmp_path, writer)) for writer in range(2)]
    threads = [threading.Thread(target=_write, args=(tmp_path, writer)) for writer in range(2, 4)]
    for writer in (*processes, *threads):
        writer.start()
    for writer in (*processes, *threads):
        writer.join()

    cache = Cache.disk("shared", tmp_path)
    assert all(len(cache.get(f"{number}")["text"]) == 5000 for number in range(15))
    assert [process.exitcode for process in processes] == [0, 0]
