"""A graph goes to YAML and comes back alive and the same; what a document gets wrong is said with its place."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from convgraph import (
    END,
    AssistantAgent,
    ConversableAgent,
    ConversationGraph,
    ForEach,
    Limits,
    OpenAIChatModel,
    Parallel,
    Reply,
    Retry,
    ScriptedModel,
)
from convgraph.errors import DefinitionError, InputError
from convgraph.models.config import model_from_config
from convgraph.testing import ScriptedServer

MODULE = "loading_parts"


class Desk(BaseModel):
    topics: list[str] = []
    score: int = 0


class Verdict(BaseModel):
    good: bool


def collect(ctx: Any) -> Reply:
    """Find the topics."""
    return Reply("found two", update={"topics": ["tea", "salt"]})


async def expand(ctx: Any) -> str:
    return f"more on {ctx.item}"


def good_enough(view: Any) -> bool:
    return view.visits["collect"] > 1


def last_of(view: Any, targets: tuple[str, ...]) -> str:
    return targets[-1]


class Judge:
    def judge(self, view: Any) -> bool:
        return True


@pytest.fixture(autouse=True)
def _parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the graphs here are made of can be imported as `loading_parts`, however the tests were started."""
    module = ModuleType(MODULE)
    for part in (Desk, Verdict, collect, expand, judge, good_enough, last_of, Judge):
        monkeypatch.setattr(part, "__module__", MODULE)
        setattr(module, part.__name__, part)
    monkeypatch.setitem(sys.modules, MODULE, module)


def review() -> ConversationGraph:
    graph = ConversationGraph("review", select=last_of)
    graph.add_node(AssistantAgent("judge", "You judge.", model=OpenAIChatModel("small", temperature=0.5, seed=7), response_format=Verdict))
    graph.add_edge("judge", END)
    graph.set_start("judge")
    return graph


def everything() -> ConversationGraph:
    """A graph with one of each."""
    fallback = model_from_config([{"model": "big", "api_key": "sk-1"}, {"model": "small", "base_url": "http://localhost:1/v1"}])
    tools = [
        {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {"secret": {"type": "string"}}}}}
    ]
    graph = ConversationGraph(
        "everything", state=Desk, select="round_robin", fallback="END", limits=Limits(turns=20, visits={"collect": 3}, seconds=60)
    )
    graph.add_node(collect, retry=Retry(attempts=2, on=("OSError",)), timeout=5, select=last_of)
    graph.add_node(AssistantAgent("writer", "You write.\nWell.", model=fallback, tools=tools), description="writes")
    graph.add_node(AssistantAgent("silent", llm_config=False))
    graph.add_node(ConversableAgent("echo", None, default_auto_reply="I see."), select="first", fallback="writer")
    graph.add_node(review(), name="check")
    graph.add_node(Parallel(review(), collect, ConversableAgent("third", "You."), concurrency=2), name="panel")
    graph.add_node(ForEach(expand, over="state.topics", concurrency=3), name="each", description="on every topic")
    chain = ["collect", "writer", "silent", "echo", "check", "panel", "each"]
    for source, target in pairwise(chain):
        graph.add_edge(source, target, label=f"to {target}", priority=1)
    graph.add_edge("each", END, when=good_enough)
    graph.add_edge("each", "collect", when="state.score < 3 && turn > 2")
    graph.add_edge("each", END)
    graph.add_edge("writer", "echo", on="error")
    graph.add_edge("collect", END, on="limit")
    graph.set_start("collect")
    return graph


def test_a_graph_with_one_of_each_comes_back_the_same() -> None:
    graph = everything()
    text = graph.to_yaml()
    loaded = ConversationGraph.from_yaml(text, allow=[MODULE])
    assert loaded.fingerprint == graph.fingerprint
    assert loaded.diff(graph) == []
    assert loaded.to_yaml() == text
    assert [finding.code for finding in loaded.check()] == [finding.code for finding in graph.check()]
    assert "sk-1" not in text


def test_json_is_read_like_yaml(tmp_path: Path) -> None:
    graph = everything()
    text = json.dumps(graph.program().document)
    (tmp_path / "graph.json").write_text(text)
    (tmp_path / "graph.yaml").write_text(graph.to_yaml())
    for source in (text, tmp_path / "graph.json", str(tmp_path / "graph.yaml")):
        assert ConversationGraph.from_yaml(source, allow=[MODULE]).fingerprint == graph.fingerprint


def test_moving_a_function_to_another_module_does_not_make_it_another_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything()
    moved = before.to_yaml().replace(f"{MODULE}:", "moved_parts:")
    monkeypatch.setitem(sys.modules, "moved_parts", sys.modules[MODULE])
    assert ConversationGraph.from_yaml(moved, allow=["moved_parts"]).fingerprint == before.fingerprint


def test_the_loaded_graph_runs_and_resumes_what_the_other_began(tmp_path: Path) -> None:
    graph = ConversationGraph("topics", state=Desk)
    graph.add_node(collect)
    graph.add_node(ForEach(expand, over="state.topics"), name="each")
    graph.add_edge(collect, "each")
    graph.add_edge("each", END, when="turn > 2")
    graph.add_edge("each", "each")
    graph.set_start(collect)
    limited = graph.run("Go.", store=tmp_path / "runs.db", run_id="r", limits=Limits(turns=1))
    assert limited.status == "limited"
    loaded = ConversationGraph.from_yaml(graph.to_yaml(), allow=MODULE)
    done = loaded.resume("r", store=tmp_path / "runs.db", limits=Limits(turns=9))
    assert (done.status, done.messages[-1].text) == ("finished", "more on salt")


def test_a_callable_selector_chooses_in_the_loaded_graph() -> None:
    graph = ConversationGraph("choice", select=last_of)
    for name in ("a", "b", "c"):
        graph.add_node(ConversableAgent(name, default_auto_reply=name))
    graph.add_edge("a", "b")
    graph.add_edge("a", "c")
    graph.add_edge("b", END)
    graph.add_edge("c", END)
    graph.set_start("a")
    loaded = ConversationGraph.from_yaml(graph.to_yaml(), allow=[MODULE])
    assert [message.text for message in loaded.run().messages] == ["a", "c"]


def talk(base_url: str | None) -> ConversationGraph:
    graph = ConversationGraph("talk")
    graph.add_node(AssistantAgent("asker", "You ask.", model=OpenAIChatModel("small", base_url=base_url, api_key="sk-1")))
    graph.add_edge("asker", END)
    graph.set_start("asker")
    return graph


def test_where_a_model_is_served_comes_back_and_does_not_make_it_another_graph() -> None:
    """The address says where, not what: the graph and its records are the same wherever the model runs."""
    here, elsewhere = talk("http://localhost:1/v1"), talk("http://localhost:2/v1")
    loaded = ConversationGraph.from_yaml(here.to_yaml())
    assert "base_url: http://localhost:1/v1" in here.to_yaml()
    assert loaded.diff(here) == []
    assert here.fingerprint == elsewhere.fingerprint == talk(None).fingerprint
    moved = here.diff(elsewhere)
    assert [(change.kind, change.compatible) for change in moved] == [("detail.model.base_url", True)]


def test_a_record_made_at_one_address_is_replayed_at_another(tmp_path: Path) -> None:
    with ScriptedServer(["Why not?"]) as server:
        talk(server.base_url).run("Say.", store=tmp_path / "runs.db", run_id="r")
    assert talk("http://localhost:1/v1").replay("r", store=tmp_path / "runs.db").messages[-1].text == "Why not?"


def test_credentials_in_an_address_are_not_written_and_not_read() -> None:
    text = talk("https://user:pass@host:8080/v1?key=k-2").to_yaml()
    assert "base_url: https://host:8080/v1" in text
    assert not [secret for secret in ("user", "pass@", "k-2", "sk-1") if secret in text]
    with pytest.raises(DefinitionError, match=r"nodes\[0\]\.detail\.model\.base_url: a secret has no place"):
        ConversationGraph.from_yaml(text.replace("https://host", "https://user:pass@host"))


def test_the_model_that_selects_comes_back() -> None:
    graph = ConversationGraph("choice", select="auto", selector_model=OpenAIChatModel("small", base_url="http://localhost:1/v1"))
    graph.add_node(ConversableAgent("a", default_auto_reply="a"))
    graph.add_edge("a", END)
    graph.set_start("a")
    loaded = ConversationGraph.from_yaml(graph.to_yaml())
    model = loaded.program().selector_model
    assert (model is not None and model.describe()) == {
        "type": "openai_chat",
        "model": "small",
        "params": {},
        "base_url": "http://localhost:1/v1",
    }
    assert loaded.fingerprint == graph.fingerprint
    assert loaded.to_yaml() == graph.to_yaml()


def test_a_model_of_ones_own_that_selects_is_passed() -> None:
    class Oracle(ScriptedModel):
        def describe(self) -> dict[str, Any]:
            return {"type": "oracle"}

    oracle = Oracle(['{"next": "c"}'])
    graph = ConversationGraph("choice", select="auto", selector_model=oracle)
    for name in ("a", "b", "c"):
        graph.add_node(ConversableAgent(name, default_auto_reply=name))
    graph.add_edge("a", "b")
    graph.add_edge("a", "c")
    graph.add_edge("b", END)
    graph.add_edge("c", END)
    graph.set_start("a")
    with pytest.raises(DefinitionError, match=r"detail\.selector_model\.type: 'oracle' is none of .*selector_model="):
        ConversationGraph.from_yaml(graph.to_yaml())
    loaded = ConversationGraph.from_yaml(graph.to_yaml(), selector_model=oracle)
    assert loaded.fingerprint == graph.fingerprint
    assert [message.text for message in loaded.run().messages] == ["a", "c"]


def test_what_is_no_model_cannot_select() -> None:
    with pytest.raises(DefinitionError, match="selector_model= takes a model"):
        ConversationGraph("choice", selector_model="gpt")  # type: ignore[arg-type]


async def judge(ctx: Any) -> str:
    verdict = await ctx.effect("judge", lambda: Verdict(good=True))
    return f"good: {verdict.good}"


def judged(*types: type) -> ConversationGraph:
    graph = ConversationGraph("judged", types=types)
    graph.add_node(judge)
    graph.add_edge(judge, END)
    graph.set_start(judge)
    return graph


def test_types_come_back_by_their_import_path(tmp_path: Path) -> None:
    text = judged(Verdict).to_yaml()
    loaded = ConversationGraph.from_yaml(text, allow=[MODULE])
    assert loaded.run(store=tmp_path / "runs.db", run_id="r").messages[-1].text == "good: True"
    assert judged(Verdict).replay("r", store=tmp_path / "runs.db").messages[-1].text == "good: True"
    assert loaded.to_yaml() == text
    with pytest.raises(DefinitionError, match=rf"detail\.types\[0\]: '{MODULE}:Verdict' may not be imported"):
        ConversationGraph.from_yaml(text, allow=["elsewhere"], speakers={"judge": judge})


def test_types_say_how_values_are_read_and_not_what_the_graph_is() -> None:
    assert judged(Verdict).fingerprint == judged().fingerprint
    changes = judged().diff(judged(Verdict))
    assert [(change.kind, change.compatible) for change in changes] == [("graph-detail.types", True)]


def test_a_type_made_inside_a_function_cannot_come_back() -> None:
    class Local(BaseModel):
        good: bool

    with pytest.raises(DefinitionError, match=r"detail\.types\[0\]: .*made inside a function"):
        ConversationGraph.from_yaml(judged(Local).to_yaml(), allow=[MODULE, __name__])


HAND_WRITTEN = """
version: 1
name: talk
start: asker
nodes:
- {{name: asker, kind: agent, detail: {{type: AssistantAgent, system_message: You ask., model: {model}}}}}
edges:
- {{from: asker, to: END}}
"""


def test_a_model_is_a_name_or_a_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(["By name.", "By address."]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
        assert ConversationGraph.from_yaml(HAND_WRITTEN.format(model="small")).run("?").messages[-1].text == "By name."
        monkeypatch.delenv("OPENAI_BASE_URL")
        mapping = f"{{model: big, base_url: '{server.base_url}', params: {{temperature: 0.25}}, price: [0.1, 0.2]}}"
        loaded = ConversationGraph.from_yaml(HAND_WRITTEN.format(model=mapping))
        result = loaded.run("?", limits=Limits(usd=5))
        assert (result.messages[-1].text, result.usage.usd > 0) == ("By address.", True)
        assert [request["model"] for request in server.requests] == ["small", "big"]
        assert server.requests[1]["temperature"] == 0.25
        assert server.log[0].headers["authorization"] == "Bearer sk-from-the-environment"


def test_an_agent_without_a_description_is_described_by_its_prompt() -> None:
    loaded = ConversationGraph.from_yaml(HAND_WRITTEN.format(model="small"))
    assert loaded.definition.nodes["asker"].description == "You ask."


def test_a_script_may_stand_in_a_document() -> None:
    loaded = ConversationGraph.from_yaml(HAND_WRITTEN.format(model="{type: scripted, replies: [Why not.]}"))
    assert loaded.run("Say.").messages[-1].text == "Why not."


def test_a_script_that_does_not_says_so_when_it_is_asked() -> None:
    graph = ConversationGraph("talk")
    graph.add_node(AssistantAgent("asker", model=ScriptedModel(["Why?"])))
    graph.add_edge("asker", END)
    graph.set_start("asker")
    loaded = ConversationGraph.from_yaml(graph.to_yaml())
    assert loaded.fingerprint == graph.fingerprint
    result = loaded.run("Say.")
    assert result.status == "failed"
    assert "nodes[0].detail.model: the script of 'scripted' is code" in result.stop_reason


def test_speakers_of_ones_own_take_their_places() -> None:
    text = everything().to_yaml()
    own = {
        "collect": lambda ctx: "mine",
        "writer": ConversableAgent("anybody", default_auto_reply="also mine"),
        "panel/third": lambda ctx: "third",
        "check/judge": lambda ctx: "judged",
    }
    loaded = ConversationGraph.from_yaml(text, allow=[MODULE], speakers=own)
    program = loaded.program()
    assert program.speakers["writer"] is own["writer"]
    assert type(program.inner["check"].speakers["judge"]).__name__ == "FunctionSpeaker"
    with pytest.raises(DefinitionError, match=r"speakers= names \['nobody'\], which are no nodes .*panel/review/judge"):
        ConversationGraph.from_yaml(text, allow=[MODULE], speakers={"nobody": own["collect"]})


def test_functions_of_given_speakers_need_not_be_importable() -> None:
    def local(ctx: Any) -> str:
        return "here"

    graph = ConversationGraph("local")
    graph.add_node(local)
    graph.add_edge(local, END)
    graph.set_start(local)
    with pytest.raises(DefinitionError, match="made inside a function"):
        ConversationGraph.from_yaml(graph.to_yaml(), allow=[__name__])
    loaded = ConversationGraph.from_yaml(graph.to_yaml(), speakers={"local": local})
    assert loaded.fingerprint == graph.fingerprint


def test_findings_name_the_place_in_the_document(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text("version: 1\nname: g\nstart: a\nnodes:\n- {name: a, kind: agent, detail: {type: ConversableAgent}}\n")
    finding = ConversationGraph.from_yaml(tmp_path / "g.yaml").check()[0]
    assert "g.yaml, nodes[0]" in finding.where


def document(**changes: Any) -> dict[str, Any]:
    """A document of two nodes, with some values replaced: keys are paths such as `nodes.0.kind`."""
    made: dict[str, Any] = {
        "version": 1,
        "name": "g",
        "start": "a",
        "nodes": [
            {"name": "a", "kind": "agent", "detail": {"type": "ConversableAgent", "system_message": "You."}},
            {"name": "f", "kind": "function", "detail": {"type": "function", "call": f"{MODULE}:collect"}},
        ],
        "edges": [{"from": "a", "to": "f"}, {"from": "f", "to": "END"}],
    }
    for path, value in changes.items():
        *way, last = path.split("__")
        place: Any = made
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        place[int(last) if isinstance(place, list) else last] = value
    return made


AGENT = "nodes__0__detail"
BAD: list[tuple[dict[str, Any], str]] = [
    ({f"{AGENT}__type": "Oracle"}, r"nodes\[0\]\.detail\.type: 'Oracle' is no agent .*speakers=\{'a': agent\}"),
    ({f"{AGENT}__mood": "good"}, r"nodes\[0\]\.detail: 'mood' is not known here"),
    ({f"{AGENT}__system_message": 7}, r"nodes\[0\]\.detail\.system_message: 7 is not a text"),
    ({f"{AGENT}__tools": "add"}, r"nodes\[0\]\.detail\.tools: 'add' is not a list"),
    ({f"{AGENT}__response_format": {"type": "object"}}, r"nodes\[0\]\.detail\.response_format: "),
    ({f"{AGENT}__model": 7}, r"nodes\[0\]\.detail\.model: a model is a name"),
    ({f"{AGENT}__model": {"type": "oracle"}}, r"nodes\[0\]\.detail\.model\.type: 'oracle' is none of"),
    ({f"{AGENT}__model": {"model": "m", "colour": 1}}, r"nodes\[0\]\.detail\.model: 'colour' is not known here"),
    ({f"{AGENT}__model": {"model": "m", "api_key": "sk"}}, r"nodes\[0\]\.detail\.model\.api_key: a secret has no place"),
    ({f"{AGENT}__model": {"model": "m", "base_url": "localhost"}}, r"nodes\[0\]\.detail\.model: base_url= is an address"),
    ({f"{AGENT}__model": {"model": "m", "params": [1]}}, r"nodes\[0\]\.detail\.model\.params: they are a mapping"),
    ({f"{AGENT}__model": {"type": "fallback", "models": []}}, r"nodes\[0\]\.detail\.model\.models: it is a list"),
    ({f"{AGENT}__model": {"type": "fallback", "models": ["m", 7]}}, r"nodes\[0\]\.detail\.model\.models\[1\]: a model is a name"),
    ({f"{AGENT}__model": {"type": "scripted", "replies": 7}}, r"nodes\[0\]\.detail\.model: .*a script is a list"),
    ({"nodes__1__detail": {}}, r"nodes\[1\]\.detail: a function node says which"),
    ({"nodes__1__detail__call": "os:getcwd"}, r"nodes\[1\]\.detail\.call: 'os:getcwd' may not be imported; pass allow=\['os'\]"),
    ({"nodes__1__detail__call": "loading_parts_of_others:f"}, r"nodes\[1\]\.detail\.call: .* may not be imported"),
    ({"nodes__1__detail__call": f"{MODULE}:nothing"}, r"nodes\[1\]\.detail\.call: .*cannot be imported"),
    ({"nodes__1__detail__call": f"{MODULE}:Judge"}, r"nodes\[1\]\.detail\.call: .* is a class"),
    ({"nodes__1__detail__call": f"{MODULE}:collect.__name__"}, r"nodes\[1\]\.detail\.call: .*'collect', not a function"),
    ({"nodes__1__detail__call": f"{MODULE}:<lambda>"}, r"nodes\[1\]\.detail\.call: .*is a lambda"),
    ({"nodes__1__detail__call": MODULE}, r"nodes\[1\]\.detail\.call: .*'package\.module:name'"),
    ({"select": "callable"}, r"select is 'callable', but detail\.selectors .* '\*'"),
    ({"nodes__0__select": "callable"}, r"nodes\[0\]: select is 'callable', but detail\.selectors .* 'a'"),
    ({"select": "callable", "detail__selectors": ["x"]}, r"detail\.selectors: they are a mapping"),
    ({"select": "callable", "detail__selectors": {"*": "os:getcwd"}}, r"detail\.selectors\.\*: 'os:getcwd' may not be imported"),
    ({"detail__selector_model": 7}, r"detail\.selector_model"),
    ({"detail__selector_model": {"model": "m", "api_key": "sk"}}, r"detail\.selector_model\.api_key: a secret has no place"),
    ({"detail__types": "x"}, r"detail\.types"),
    ({"detail__types": ["os:getcwd"]}, r"detail\.types\[0\]: 'os:getcwd' may not be imported"),
    ({"detail__types": [f"{MODULE}:collect"]}, r"detail\.types\[0\]: .* neither a pydantic model class nor a dataclass"),
    ({"nodes__0__kind": "graph"}, r"nodes\[0\]\.graph: a node of kind graph has its graph there"),
    ({"nodes__0__kind": "parallel"}, r"nodes\[0\]\.branches: a group without members"),
    ({"nodes__0": {"name": "a", "kind": "foreach", "branches": [{"name": "b", "kind": "agent"}]}}, r"nodes\[0\].*'over'|nodes\[0\].*type"),
    (
        {"nodes__0": {"name": "a", "kind": "parallel", "branches": [{"name": "b", "kind": "agent", "timeout": 3}]}},
        r"nodes\[0\]\.branches\[0\]\.timeout: a branch has none of its own",
    ),
    (
        {"nodes__0": {"name": "a", "kind": "parallel", "branches": [{"name": "b", "kind": "graph", "graph": {"name": "c", "nodes": []}}]}},
        r"nodes\[0\]\.branches\[0\]\.name: a graph that is a branch is known by its own name, 'c'",
    ),
    (
        {"nodes__0": {"name": "a", "kind": "parallel", "branches": [{"name": "b", "kind": "parallel"}]}},
        r"nodes\[0\]\.branches\[0\]: a group in a group",
    ),
    ({"edges__0__python": "os:getcwd"}, r"edges\[0\]\.python: 'os:getcwd' may not be imported"),
    ({"edges__0__when": "lst == 1"}, r"edges\[0\]\.when: .*unknown name 'lst'"),
    ({"state": {"python": "os:getcwd"}}, r"state: 'os:getcwd' may not be imported"),
]


@pytest.mark.parametrize(("changes", "said"), BAD, ids=[next(iter(changes)) + str(n) for n, (changes, _) in enumerate(BAD)])
def test_an_error_names_the_place_in_the_document(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(document(**changes)))
    with pytest.raises(DefinitionError, match=said) as raised:
        ConversationGraph.from_yaml(file, allow=[MODULE])
    assert str(file) in str(raised.value)


def test_the_document_that_is_changed_above_is_sound() -> None:
    assert ConversationGraph.from_yaml(json.dumps(document()), allow=[MODULE]).check() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "expected"), ('{"name": 1, "name": 2}', "'name' is there twice"), ("[]", "a graph is a mapping"), ("", "a graph is a mapping")],
)
def test_what_is_no_document_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=said):
        ConversationGraph.from_yaml(text)
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(DefinitionError, match=r"list\.json: a graph is a mapping"):
        ConversationGraph.from_yaml(tmp_path / "list.json")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.yaml' cannot be read"):
        ConversationGraph.from_yaml(tmp_path / "gone.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe4\xf6")
    with pytest.raises(InputError, match="cannot be read"):
        ConversationGraph.from_yaml(tmp_path / "latin.yaml")
