"""Agents of every kind go to a document and come back the same; what is code in them comes back by its import path, or not at all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import convgraph as autogen
from convgraph import END, ConversationGraph, Nested, OpenAIChatModel, ScriptedModel, SelectorPrompt
from convgraph.coding import LocalCommandLineCodeExecutor
from convgraph.errors import DefinitionError

MODULE = "parts_of_agents"


def is_done(message: dict[str, Any]) -> bool:
    return "DONE" in message["content"]


def is_dear(arguments: Any) -> bool:
    return arguments["amount"] > 10


@autogen.tool(idempotent=True, timeout=5)
def transfer(amount: int) -> str:
    """Move money."""
    return f"moved {amount}"


def weather(city: str) -> str:
    """Say what the weather is."""
    return f"sun in {city}"


def anything(x, y=1):  # type: ignore[no-untyped-def]  # AutoGen's function_map takes what has no annotations
    return f"{x}{y}"


def brief(ctx: Any) -> str:
    return f"brief: {ctx.last.text}"


def verdict(ctx: Any, view: Any) -> str:
    return f"verdict after {len(view.messages)}"


def latest(messages: Sequence[Any]) -> Sequence[Any]:
    return messages[-1:]


@pytest.fixture(autouse=True)
def _parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the agents here are made of can be imported from one module, however the tests were started."""
    module = ModuleType(MODULE)
    for part in (is_done, is_dear, weather, anything, brief, verdict, latest):
        monkeypatch.setattr(part, "__module__", MODULE)
        setattr(module, part.__name__, part)
    monkeypatch.setattr(transfer.fn, "__module__", MODULE)
    module.transfer = transfer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MODULE, module)


def alone(agent: Any) -> ConversationGraph:
    graph = ConversationGraph("alone")
    graph.add_node(agent)
    graph.add_edge(agent, END)
    graph.set_start(agent)
    return graph


def there_and_back(graph: ConversationGraph) -> ConversationGraph:
    """The graph from its own document, which is the same again."""
    text = graph.to_yaml()
    loaded = ConversationGraph.from_yaml(text, allow=[MODULE])
    assert loaded.to_yaml() == text
    assert loaded.fingerprint == graph.fingerprint
    assert loaded.diff(graph) == []
    return loaded


def agent_in(graph: ConversationGraph, name: str = "a") -> Any:
    return graph.program().speakers[name]


MODEL = OpenAIChatModel("small")
AGENTS: dict[str, Callable[[], Any]] = {
    "a user proxy as it is": lambda: autogen.UserProxyAgent("a"),
    "a user proxy that runs no code": lambda: autogen.UserProxyAgent("a", code_execution_config=False, human_input_mode="NEVER"),
    "a description of its own": lambda: autogen.ConversableAgent("a", "You.", model=MODEL, description="Someone."),
    "a person at the end": lambda: autogen.AssistantAgent("a", llm_config=False, human_input_mode="TERMINATE"),
    "never a person": lambda: autogen.ConversableAgent("a", human_input_mode="NEVER"),
    "a limit": lambda: autogen.ConversableAgent("a", max_consecutive_auto_reply=0),
    "no default reply": lambda: autogen.ConversableAgent("a", default_auto_reply=None),
    "a termination": lambda: autogen.ConversableAgent("a", is_termination_msg=is_done),
    "a tool of its own": lambda: autogen.ConversableAgent("a", model=MODEL, tools=[transfer, weather]),
    "a tool under another name": lambda: autogen.ConversableAgent(
        "a", model=MODEL, tools=[autogen.tool(weather, name="sky", description="S")]
    ),
    "a tool with approval": lambda: autogen.ConversableAgent("a", model=MODEL, tools=[autogen.tool(transfer.fn, approval=is_dear)]),
    "a function map": lambda: autogen.UserProxyAgent("a", code_execution_config=False, function_map={"f": anything, "w": weather}),
    "local code": lambda: autogen.ConversableAgent(
        "a", code_execution_config={"executor": LocalCommandLineCodeExecutor(timeout=7), "last_n_messages": 3}
    ),
    "code in a container": lambda: autogen.ConversableAgent("a", code_execution_config={"use_docker": "python:3-slim", "timeout": 9}),
    "code that is saved": lambda: autogen.ConversableAgent(
        "a", code_execution_config={"executor": LocalCommandLineCodeExecutor(execution_policies={"bash": False})}
    ),
    "code in a kernel": lambda: autogen.ConversableAgent("a", code_execution_config={"executor": "jupyter"}),
}


@pytest.mark.parametrize("kind", AGENTS)
def test_an_agent_comes_back_the_same(kind: str) -> None:
    agent = AGENTS[kind]()
    loaded = agent_in(there_and_back(alone(agent)))
    assert type(loaded) is type(agent)
    assert loaded.describe() == agent.describe()
    assert loaded.human_input_mode == agent.human_input_mode
    assert loaded.max_consecutive_auto_reply() == agent.max_consecutive_auto_reply()
    assert loaded.executable_tools.names == agent.executable_tools.names
    assert (loaded.code_execution is None) == (agent.code_execution is None)
    assert loaded.description == agent.description


def test_tools_that_come_back_are_carried_out() -> None:
    model = ScriptedModel([], name="m")
    made = alone(autogen.ConversableAgent("a", model=model, tools=[weather, transfer], function_map={"f": anything}))
    loaded = agent_in(there_and_back(made))
    assert loaded.function_map["weather"](city="Rome") == "sun in Rome"
    assert loaded.function_map["f"](1, y=2) == "12"
    kept = loaded.executable_tools.get("transfer")
    assert (kept.idempotent, kept.timeout) == (True, 5)


def test_schemas_that_come_back_are_as_the_model_was_told_them() -> None:
    agent = autogen.ConversableAgent("a", model=MODEL, tools=[weather])
    loaded = agent_in(there_and_back(alone(agent)))
    assert loaded.request([]).tools == agent.request([]).tools


def test_where_a_tool_is_imported_from_is_no_part_of_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = alone(autogen.ConversableAgent("a", model=MODEL, tools=[weather])).fingerprint
    monkeypatch.setattr(weather, "__module__", "elsewhere")
    assert alone(autogen.ConversableAgent("a", model=MODEL, tools=[weather])).fingerprint == before


def test_a_tool_made_inside_a_function_is_in_a_document_as_its_schema() -> None:
    def local(city: str) -> str:
        """Look outside."""
        return city

    loaded = agent_in(there_and_back(alone(autogen.ConversableAgent("a", model=MODEL, tools=[local]))))
    assert [schema["function"]["name"] for schema in loaded.request([]).tools] == ["local"]
    assert not loaded.can_execute("local")


def test_functions_are_imported_from_allowed_modules_only() -> None:
    text = alone(autogen.ConversableAgent("a", model=MODEL, tools=[weather])).to_yaml()
    with pytest.raises(DefinitionError, match=r"detail\.tools\[0\]\.call: 'parts_of_agents:weather' may not be imported"):
        ConversationGraph.from_yaml(text)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"is_termination_msg": lambda message: True}, r"is_termination_msg\.call: .*<lambda>.* cannot be imported"),
        ({"function_map": {"f": lambda: 1}}, r"executes\[0\]\.call: .*<lambda>.* cannot be imported"),
        (
            {"code_execution_config": {"executor": LocalCommandLineCodeExecutor(functions=[weather])}},
            "the source of weather is in no document",
        ),
    ],
)
def test_what_no_import_gives_is_refused_when_it_is_loaded(options: dict[str, Any], told: str) -> None:
    text = alone(autogen.ConversableAgent("a", **options)).to_yaml()
    with pytest.raises(DefinitionError, match=told):
        ConversationGraph.from_yaml(text, allow=[MODULE])
    given = autogen.ConversableAgent("a", **options)
    assert agent_in(ConversationGraph.from_yaml(text, allow=[MODULE], speakers={"a": given})) is given


def test_what_was_registered_on_an_agent_is_said_and_has_to_be_given() -> None:
    def reply(recipient: Any, messages: Any, sender: Any, config: Any) -> tuple[bool, Any]:
        return True, "hi"

    agent = autogen.ConversableAgent("a")
    plain = alone(agent).fingerprint
    agent.register_reply(autogen.Agent, reply)
    graph = alone(agent)
    assert graph.fingerprint != plain
    with pytest.raises(DefinitionError, match=r"reply_functions: .*pass the agent as speakers="):
        ConversationGraph.from_yaml(graph.to_yaml())
    hooked = autogen.ConversableAgent("a")
    hooked.register_hook("process_last_received_message", str.upper)
    with pytest.raises(DefinitionError, match=r"hooks: .*upper.*pass the agent as speakers="):
        ConversationGraph.from_yaml(alone(hooked).to_yaml())


def test_a_tool_that_is_not_what_the_document_says_is_refused() -> None:
    text = alone(autogen.ConversableAgent("a", model=MODEL, tools=[weather])).to_yaml()
    with pytest.raises(DefinitionError, match="is not what the document tells a model of it"):
        ConversationGraph.from_yaml(text.replace("city", "town"), allow=[MODULE])


def choosing(prompt: SelectorPrompt | None) -> ConversationGraph:
    graph = ConversationGraph("choosing", select="auto", selector_model=OpenAIChatModel("small"), selector_prompt=prompt)
    for name in ("a", "b"):
        graph.add_node(autogen.ConversableAgent(name, llm_config=False, human_input_mode="NEVER"))
        graph.add_edge(autogen.START, name)
        graph.add_edge(name, END)
    return graph


def test_how_a_selecting_model_is_asked_comes_back() -> None:
    prompt = SelectorPrompt("Choose of {agentlist}.", question="Who?", question_role="system", attempts=5, if_none="No.", view=latest)
    loaded = there_and_back(choosing(prompt))
    assert loaded.program().selector_prompt == prompt
    assert "selector_prompt" not in choosing(None).to_yaml()


def test_another_question_to_a_selecting_model_is_a_change_that_runs_survive() -> None:
    changes = choosing(SelectorPrompt(attempts=2)).diff(choosing(SelectorPrompt(attempts=4)))
    assert [(change.kind, change.compatible) for change in changes] == [("graph-detail.selector_prompt.attempts", True)]


def test_a_bad_question_to_a_selecting_model_is_said_with_its_place() -> None:
    text = choosing(SelectorPrompt(attempts=5)).to_yaml().replace("attempts: 5", "attempts: none at all")
    with pytest.raises(DefinitionError, match=r"selector_prompt\.attempts"):
        ConversationGraph.from_yaml(text)


def nesting(opening: Any, closing: Any) -> ConversationGraph:
    inner = ConversationGraph("inner")
    inner.add_node(autogen.ConversableAgent("echo", llm_config=False, human_input_mode="NEVER", default_auto_reply="heard"))
    inner.add_edge("echo", END)
    inner.set_start("echo")
    graph = ConversationGraph("outer")
    graph.add_node(Nested(inner, opening=opening, closing=closing), name="review")
    graph.add_edge("review", END)
    graph.set_start("review")
    return graph


def test_the_ways_into_a_nested_conversation_and_out_of_it_come_back() -> None:
    loaded = there_and_back(nesting(brief, verdict))
    assert loaded.run("tea").messages[-1].text == "verdict after 2"
    assert nesting(brief, verdict).fingerprint != nesting(None, verdict).fingerprint


def test_a_way_that_no_import_gives_is_refused_with_its_place() -> None:
    with pytest.raises(DefinitionError, match=r"nodes\[0\]\.detail\.opening\.call: .*<lambda>.* cannot be imported"):
        ConversationGraph.from_yaml(nesting(lambda ctx: "x", None).to_yaml(), allow=[MODULE])


def test_a_document_of_agents_reads_the_same_as_json(tmp_path: Path) -> None:
    import json

    from convgraph.graph.documents import loads_yaml

    graph = alone(AGENTS["local code"]())
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(loads_yaml(graph.to_yaml())), encoding="utf-8")
    assert ConversationGraph.from_yaml(path).fingerprint == graph.fingerprint
