"""AutoGen's protocol for a client of one's own: named in a configuration, registered, asked, counted."""

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from convgraph.errors import ModelConfigError, ModelOutputError, ModelUnavailable
from convgraph.messages import NO_USAGE, Message, ToolCall, Usage
from convgraph.models.cache import Cache
from convgraph.models.client_model import ClientModel, register_model_client
from convgraph.models.config import model_from_config
from convgraph.models.rate_limit import RateLimit
from convgraph.models.scripted import ScriptedModel
from convgraph.protocols import Model, ModelReply, ModelRequest

HELLO = ModelRequest([Message("user", "hello", "user")], speaker="a", system="Be brief.")


class Shouting:
    """A client as AutoGen's documentation has them: objects with attributes, and a usage that may say nothing."""

    def __init__(self, config: dict[str, Any], mark: str = "!") -> None:
        self.config = config
        self.mark = mark
        self.asked: list[dict[str, Any]] = []
        self.threads: set[int] = set()

    def create(self, params: dict[str, Any]) -> Any:
        self.asked.append(params)
        self.threads.add(threading.get_ident())
        text = params["messages"][-1]["content"].upper() + self.mark
        return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=text))], model="shouting-1")

    def message_retrieval(self, response: Any) -> list[str]:
        return [choice.message.content for choice in response.choices]

    def cost(self, response: Any) -> float:
        response.cost = 0.5
        return response.cost

    @staticmethod
    def get_usage(response: Any) -> dict[str, Any]:
        return {}


class Waiting(Shouting):
    """One whose `create` is async, and which counts."""

    async def create(self, params: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        return super().create(params)

    @staticmethod
    def get_usage(response: Any) -> dict[str, Any]:
        return {"prompt_tokens": 2000, "completion_tokens": 1000, "total_tokens": 3000, "cost": response.cost, "model": "waiting-1"}

    def message_retrieval(self, response: Any) -> list[Any]:
        response.cost = 0.5
        return [choice.message for choice in response.choices]


class Broken(Shouting):
    def create(self, params: dict[str, Any]) -> Any:
        raise OSError(f"no connection with {self.config['api_key']}")


def config(client: str, **more: Any) -> dict[str, Any]:
    return {"model": "mine", "model_client_cls": client, "api_key": "sk-secret", "temperature": 0, **more}


def ask(model: Model, request: ModelRequest = HELLO, **asked: Any) -> ModelReply:
    return asyncio.run(model.respond(request, **asked))


def registered(client: type[Any], **more: Any) -> ClientModel:
    model = register_model_client(model_from_config(config(client.__name__, **more)), client)
    assert isinstance(model, ClientModel)
    return model


def test_a_client_is_asked_with_the_conversation_and_its_settings() -> None:
    model = register_model_client(model_from_config(config("Shouting", device="cpu")), Shouting, mark="?")
    reply = ask(model)

    assert reply == ModelReply("HELLO?", usage=Usage(1, 0, 0, 0.5), model="shouting-1")
    assert isinstance(model, ClientModel)
    assert isinstance(model.client, Shouting)
    assert model.client.config["api_key"] == "sk-secret"
    assert model.client.asked == [
        {
            "model": "mine",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
            "model_client_cls": "Shouting",
            "temperature": 0,
            "device": "cpu",
        }
    ]


def test_a_plain_client_runs_in_a_thread_and_an_async_one_in_the_loop() -> None:
    plain, waiting = registered(Shouting), registered(Waiting)
    ask(plain)
    assert ask(waiting).usage == Usage(1, 2000, 1000, 0.5)

    assert threading.get_ident() not in plain.client.threads  # type: ignore[attr-defined]
    assert waiting.client.threads == {threading.get_ident()}  # type: ignore[attr-defined]


def test_a_price_in_the_configuration_goes_before_the_clients_own_cost() -> None:
    assert ask(registered(Waiting, price=[1, 2])).usage == Usage(1, 2000, 1000, 4.0)


def test_tool_calls_of_a_client_are_read_from_objects_and_from_mappings() -> None:
    function = {"name": "look", "arguments": '{"x": 1}'}

    class Calling(Shouting):
        def message_retrieval(self, response: Any) -> list[Any]:
            calls = [{"id": "a", "function": function}, SimpleNamespace(id="b", function=SimpleNamespace(**function))]
            return [{"content": None, "tool_calls": calls}]

    reply = ask(registered(Calling))
    assert reply.tool_calls == (ToolCall("a", "look", '{"x": 1}'), ToolCall("b", "look", '{"x": 1}'))
    assert (reply.content, reply.finish_reason) == ("", "tool_calls")


def test_a_listener_hears_the_answer_and_a_schema_is_checked() -> None:
    heard: list[str] = []
    ask(registered(Shouting), on_delta=heard.append)
    assert heard == ["HELLO!"]

    with pytest.raises(ModelOutputError, match="JSON"):
        ask(registered(Shouting), ModelRequest(HELLO.messages, schema={"type": "integer"}))


@pytest.mark.parametrize("cached", [False, True])
def test_a_class_that_was_not_registered_is_asked_for_by_name(cached: bool) -> None:
    model = model_from_config(config("Shouting", **({"cache": Cache.memory()} if cached else {})))

    with pytest.raises(ModelConfigError, match=r"config_list\[0\] wants the client class 'Shouting'.*register_model_client\(Shouting\)"):
        ask(model)


def test_registering_a_class_that_no_entry_names_is_refused() -> None:
    with pytest.raises(ModelConfigError, match="'model_client_cls': 'Waiting'"):
        register_model_client(model_from_config(config("Shouting")), Waiting)
    with pytest.raises(ModelConfigError, match="Shouting"):
        register_model_client(ScriptedModel(["x"]), Shouting)


def test_a_class_without_the_methods_is_no_client() -> None:
    class Half:
        def __init__(self, config: dict[str, Any]) -> None: ...

        def create(self, params: dict[str, Any]) -> Any: ...

    with pytest.raises(ModelConfigError, match="Half is no model client: it has no message_retrieval, cost, get_usage"):
        register_model_client(model_from_config(config("Half")), Half)  # type: ignore[arg-type]


def test_several_classes_in_one_list_each_find_their_entries() -> None:
    model = model_from_config(
        {"config_list": [config("Broken"), config("Shouting"), config("Shouting", model="two")], "cache": Cache.memory()}
    )
    model = register_model_client(register_model_client(model, Shouting), Broken)

    reply = ask(model)
    assert (reply.content, reply.usage) == ("HELLO!", Usage(1, 0, 0, 0.5))
    again = ask(model)
    assert (again.content, again.usage, again.saved) == ("HELLO!", NO_USAGE, Usage(1, 0, 0, 0.5))


def test_what_a_client_raises_says_so_without_the_key() -> None:
    with pytest.raises(ModelUnavailable, match=r"'mine' failed with OSError: no connection with \*\*\*"):
        ask(registered(Broken))


def test_an_answer_that_is_none_is_an_error() -> None:
    class Silent(Shouting):
        def message_retrieval(self, response: Any) -> list[str]:
            return []

    with pytest.raises(ModelOutputError, match="no answer"):
        ask(registered(Silent))


def test_a_client_is_a_model_whose_identity_holds_no_secret_and_does_not_change_by_registering() -> None:
    waiting = model_from_config(config("Shouting"))
    model = register_model_client(waiting, Shouting)

    assert isinstance(waiting, Model)
    assert isinstance(model, Model)
    assert waiting.describe() == model.describe() == {"type": "client", "client": "Shouting", "model": "mine"}
    assert "sk-secret" not in f"{model!r} {waiting!r} {model.describe()}"


def test_a_clients_requests_wait_for_their_turn() -> None:
    model = registered(Waiting, rate_limit=RateLimit(20))

    async def three() -> None:
        await asyncio.gather(*(model.respond(HELLO) for _ in range(3)))

    started = time.perf_counter()
    asyncio.run(three())
    assert time.perf_counter() - started >= 0.1
