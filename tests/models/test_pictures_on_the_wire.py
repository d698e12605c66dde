"""Pictures in messages reach an endpoint as it takes them, over HTTP, by both interfaces."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from matplotlib.figure import Figure

from convgraph import END, ConversableAgent, ConversationGraph, Message, OpenAIChatModel, OpenAIResponsesModel, image
from convgraph.protocols import Model
from convgraph.testing import Answer, ScriptedServer


def red_bar() -> dict[str, Any]:
    figure = Figure(figsize=(1, 1), dpi=40)
    figure.add_subplot().bar(["a"], [1], color="red")
    return image(figure, detail="low")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(["A red bar."], repeat=True) as running:
        yield running


@pytest.fixture(params=[OpenAIChatModel, OpenAIResponsesModel])
def model(request: pytest.FixtureRequest, server: ScriptedServer) -> Model:
    return request.param("gpt-4.1", base_url=server.base_url, api_key="none")


def looking(model: Model, **options: Any) -> ConversationGraph:
    graph = ConversationGraph("looking")
    graph.add_node(ConversableAgent("critic", "Look.", model=model, **options))
    graph.add_edge("critic", END)
    graph.set_start("critic")
    return graph


def pictures(request: dict[str, Any]) -> list[str]:
    """The addresses of a request's pictures, in either interface."""
    said = request.get("messages") or request["input"]
    parts = [part for item in said if isinstance(item.get("content"), list) for part in item["content"]]
    chat = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [*chat, *(part["image_url"] for part in parts if part["type"] == "input_image")]


def test_a_picture_arrives_as_the_bytes_that_were_drawn(model: Model, server: ScriptedServer) -> None:
    looking(model).run([Message("user", [{"type": "text", "text": "What is this?"}, red_bar()], "user")])
    [address] = pictures(server.requests[0])

    assert address == red_bar()["image_url"]["url"]
    assert base64.b64decode(address.partition(",")[2]).startswith(b"\x89PNG")


def test_an_address_on_the_web_is_left_to_the_endpoint(model: Model, server: ScriptedServer) -> None:
    looking(model).run([Message("user", [image("https://example.org/cat.png")], "user")])

    assert pictures(server.requests[0]) == ["https://example.org/cat.png"]


def test_each_interface_has_its_own_words_for_a_picture(server: ScriptedServer) -> None:
    message = Message("user", [{"type": "text", "text": "Look:"}, red_bar()], "user")
    address = red_bar()["image_url"]["url"]
    looking(OpenAIChatModel("gpt-4.1", base_url=server.base_url, api_key="none")).run([message])
    looking(OpenAIResponsesModel("gpt-4.1", base_url=server.base_url, api_key="none")).run([message])

    assert server.requests[0]["messages"][1]["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": address, "detail": "low"}},
    ]
    assert server.requests[1]["input"][0]["content"] == [
        {"type": "input_text", "text": "Look:"},
        {"type": "input_image", "image_url": address, "detail": "low"},
    ]


def chart(title: str) -> Any:
    """Draw a chart."""
    return ["The chart:", red_bar()] if title else image("https://example.org/cat.png")


@pytest.mark.parametrize("kind", [OpenAIChatModel, OpenAIResponsesModel])
def test_a_tool_may_show_a_picture(kind: Any) -> None:
    """Results of tools are texts for endpoints: the picture follows the results, and is paid for in no base64."""
    script = [Answer(tool_calls=[{"name": "chart", "arguments": {"title": "Riders"}}]), "I see a red bar."]
    with ScriptedServer(script) as server:
        graph = looking(kind("gpt-4.1", base_url=server.base_url, api_key="none"), tools=[chart])
        result = graph.run("Draw it.")
        asked = server.requests[1]
    said = asked.get("messages") or asked["input"]
    results = [item for item in said if item.get("role") == "tool" or item.get("type") == "function_call_output"]
    told = [item.get("content") or item.get("output") for item in results]

    assert result.messages[-1].text == "I see a red bar."
    assert pictures(asked) == [red_bar()["image_url"]["url"]]
    assert [text.split(",")[0] for text in told] == ["The chart:\n<image png"]
    assert said[-1]["role"] == "user"


def test_what_a_tool_says_of_the_web_is_not_fetched_for_it(server: ScriptedServer) -> None:
    """A result that looks like a picture with an address is a text: providers fetch what they are shown."""
    with ScriptedServer([Answer(tool_calls=[{"name": "chart", "arguments": {"title": ""}}]), "Hm."]) as scripted:
        looking(OpenAIChatModel("gpt-4.1", base_url=scripted.base_url, api_key="none"), tools=[chart]).run("Draw it.")

    assert pictures(scripted.requests[1]) == []
    assert "https://example.org/cat.png" in scripted.requests[1]["messages"][-1]["content"]


def test_a_selecting_model_reads_and_does_not_look(server: ScriptedServer) -> None:
    """It is told that there is a picture; its choice costs no picture, and it need not see."""
    with ScriptedServer(['{"next": "ann"}']) as selecting:
        graph = ConversationGraph(
            "choose", select="auto", selector_model=OpenAIChatModel("gpt-4.1", base_url=selecting.base_url, api_key="none")
        )
        graph.add_node(lambda ctx: ["Look:", red_bar()][1:], name="draws")
        for name in ("ann", "bob"):
            graph.add_node(lambda ctx: "seen", name=name)
            graph.add_edge("draws", name)
            graph.add_edge(name, END)
        graph.set_start("draws")
        result = graph.run("draw")

    assert result.messages[-1].sender == "ann"
    assert pictures(selecting.requests[0]) == []
    assert "<image png, " in str(selecting.requests[0]["messages"])


def test_an_agents_own_picture_is_a_word_to_its_own_model(server: ScriptedServer) -> None:
    """Endpoints take no pictures from the assistant: it is told that it has shown one."""
    model = OpenAIChatModel("gpt-4.1", base_url=server.base_url, api_key="none")
    looking(model).run([Message("user", "Draw.", "user"), Message("critic", [red_bar()]), Message("user", "And?", "user")])
    [_, _, own, _] = server.requests[0]["messages"]

    assert own["role"] == "assistant"
    assert own["content"].startswith("<image png, ")


def test_the_picture_is_the_picture(server: ScriptedServer, model: Model) -> None:
    """Decoded at the endpoint, it has the colour that was drawn."""
    import matplotlib.image

    looking(model).run([Message("user", [red_bar()], "user")])
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(pictures(server.requests[0])[0].partition(",")[2])), format="png")

    assert pixels.shape == (40, 40, 4)
    assert ((pixels[..., 0] > 0.99) & (pixels[..., 1] < 0.01)).sum() > 100
