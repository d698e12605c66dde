"""Over HTTP: a draft is looked at as it stands, saved without overwriting what others have written, and its model can be tried."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from convgraph.loading import from_yaml
from convgraph.testing import ScriptedServer
from tests.studio.conftest import Served, studio_at

GALLERY = Path(__file__).parents[2] / "convgraph/studio/gallery"
SOUND = """\
# A greeting.
version: 1
name: greeting
start: host
nodes:
- name: host
  kind: agent
  detail: {type: AssistantAgent, model: {type: scripted, replies: [Good morning.]}}
edges:
- {from: host, to: END}  # at once
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("around") / "graphs"
    folder.mkdir()
    (folder / "mkdocs.yml").write_text("site_name: nodes\nnav:\n- name: x\n")
    (folder / "package.json").write_text('{"name": "a", "version": "1"}')
    (folder / "cases.json").write_text('{"nodes": [{"name": "a"}], "edges": []}')
    (folder / "broken.yaml").write_text(SOUND.replace("kind: agent", "kind: agnt"))
    (folder / "shop.py").write_text(
        "from convgraph import tool\nfrom pydantic import BaseModel\n\n\n"
        "@tool\ndef price(item: str) -> float:\n    '''What an item costs.'''\n    return 1.0\n\n\n"
        "def is_cheap(view) -> bool:\n    return True\n\n\nclass Basket(BaseModel):\n    '''What is bought.'''\n"
    )
    return folder


@pytest.fixture(scope="module")
def studio(folder: Path) -> Iterator[Served]:
    target = str(Path(__file__).parents[2] / "examples/two_agents.py")
    with studio_at(
        folder / "runs.db", target, options=("--folder", str(folder), "--allow", "shop", "--allow", "nowhere"), cwd=folder
    ) as served:
        yield served


def check(studio: Served, yaml_text: str, **more: Any) -> dict[str, Any]:
    answer = studio.api.post("/api/drafts/check", json={"yaml": yaml_text, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def known(studio: Served, name: str, kind: str = "document") -> dict[str, Any]:
    return next(row for row in studio.api.get("/api/graphs").json() if row["name"] == name and row["kind"] == kind)


def test_a_folder_lists_graphs_and_broken_graphs_and_nothing_else(studio: Served) -> None:
    listed = {row["name"]: row["problem"] for row in studio.api.get("/api/graphs").json() if row["kind"] == "document"}

    assert "broken" in listed
    assert "'agnt' is not one of" in listed["broken"]
    assert not {"mkdocs", "package", "cases"} & set(listed)


def test_a_sound_draft_is_shown_with_its_picture(studio: Served) -> None:
    answer = check(studio, SOUND)

    assert answer["ok"] is True
    assert answer["problems"] == [] == answer["findings"]
    assert "<svg" in answer["picture"]["svg"]
    assert answer["yaml"] == SOUND
    assert yaml.safe_load(answer["canonical"]) == answer["document"]


@pytest.mark.parametrize(
    ("before", "after", "path", "line", "words"),
    [
        ("to: END}", "to: END, when: last.contnt == 1}", "edges[0].when", 10, "column 6: 'last' has no field 'contnt'"),
        ("kind: agent", "kind: agnt", "nodes[0].kind", 7, "'agnt' is not one of"),
        ("type: AssistantAgent", "type: Nobody", "nodes[0].detail.type", 8, "no agent that can be made"),
        ("model: {type", "model: {api_key: x, type", "nodes[0].detail.model.api_key", 8, "a secret has no place"),
        ("version: 1", "version: 1\nversion: 1", "", 3, "is there twice"),
        ("nodes:", "nodes: [", "", 6, "expected the node content"),
        ("Good morning.", '"\\ud800"', "", None, "a character that is none"),
        ("replies: [Good morning.]", "replies: 3", "nodes[0].detail.model", 8, "a script is a list"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(studio: Served, before: str, after: str, path: str, line: int | None, words: str) -> None:
    """The path within the document where it is known, the line of the text, and for a guard the column."""
    answer = check(studio, SOUND.replace(before, after, 1))

    assert not answer["ok"]
    problem = answer["problems"][0]
    assert words in problem["message"]
    assert (problem["path"], problem["line"]) == (path, line)


def test_a_finding_names_the_part_of_the_picture_that_it_concerns(studio: Served) -> None:
    answer = check(studio, SOUND.replace("to: END", "to: nobody"))

    assert not answer["ok"]
    assert "unknown-endpoint" in {finding["code"] for finding in answer["findings"]}
    assert any(finding["edge"] == "#0" for finding in answer["findings"])


def test_a_change_of_the_document_is_one_of_the_text_and_comments_stay(studio: Served) -> None:
    document = check(studio, SOUND)["document"]
    document["edges"][0]["label"] = "said"

    answer = check(studio, SOUND, document=document)

    assert answer["yaml"] == SOUND.replace("{from: host, to: END}", "{from: host, to: END, label: said}")


def test_a_draft_is_a_text_and_never_a_file_that_it_names(studio: Served, folder: Path) -> None:
    answer = check(studio, str(folder / "broken.yaml"))

    assert answer["document"] is None
    assert "agnt" not in str(answer)


def test_what_is_closed_is_drawn_closed_and_what_is_gone_is_passed_over(studio: Served) -> None:
    text = (GALLERY / "sub-graph.yaml").read_text()

    opened, closed = check(studio, text), check(studio, text, collapse=["review", "gone"])

    assert [cluster["id"] for cluster in opened["picture"]["clusters"]] == ["review"]
    assert closed["picture"]["clusters"] == []


def test_a_draft_is_saved_and_known_at_once(studio: Served, folder: Path) -> None:
    saved = studio.api.put("/api/drafts/greeting", json={"yaml": SOUND})

    assert saved.status_code == 200
    assert (folder / "greeting.yaml").read_text() == SOUND
    assert known(studio, "greeting")["id"] == saved.json()["graph"]["id"]
    source = studio.api.get(f"/api/graphs/{saved.json()['graph']['id']}/source").json()
    assert source == {"name": "greeting", "yaml": SOUND, "base": saved.json()["base"], "editable": True, "problem": ""}
    assert not list(folder.glob("*.tmp"))
    assert not list(folder.glob(".*"))


def test_what_somebody_else_has_written_meanwhile_is_not_overwritten(studio: Served, folder: Path) -> None:
    base = studio.api.put("/api/drafts/shared", json={"yaml": SOUND}).json()["base"]
    theirs = SOUND.replace("Good morning.", "Good evening.")
    (folder / "shared.yaml").write_text(theirs)

    refused = studio.api.put("/api/drafts/shared", json={"yaml": SOUND, "base": base})

    assert refused.status_code == 409
    assert (
        "+  detail: {type: AssistantAgent, model: {type: scripted, replies: [Good morning.]}}" in refused.json()["details"][0]["difference"]
    )
    assert (folder / "shared.yaml").read_text() == theirs
    assert studio.api.put("/api/drafts/shared", json={"yaml": SOUND}).status_code == 409
    (folder / "shared.yaml").unlink()
    assert studio.api.put("/api/drafts/shared", json={"yaml": SOUND, "base": base}).status_code == 409


@pytest.mark.parametrize("name", ["..%2Foutside", "%2Ftmp%2Foutside", ".hidden", "a b", "a/b", "x" * 90, "a%00b", "%2e%2e"])
def test_nothing_is_written_outside_of_the_folder(studio: Served, folder: Path, name: str) -> None:
    before = sorted(path.name for path in folder.rglob("*"))

    assert studio.api.put(f"/api/drafts/{name}", json={"yaml": SOUND}).status_code in (404, 405, 422)

    assert sorted(path.name for path in folder.rglob("*")) == before
    assert not (folder.parent / "outside.yaml").exists()


def test_a_link_in_the_folder_is_not_written_through(studio: Served, folder: Path, tmp_path: Path) -> None:
    (folder / "link.yaml").symlink_to(tmp_path / "target.yaml")

    assert studio.api.put("/api/drafts/link", json={"yaml": SOUND}).status_code == 422
    assert not (tmp_path / "target.yaml").exists()


@pytest.mark.parametrize("text", [SOUND.replace(": agent", ": agnt"), SOUND.replace("model: {", "model: {api_key: sk-1, "), "- 1", ""])
def test_what_is_no_graph_is_not_saved(studio: Served, folder: Path, text: str) -> None:
    """Secrets are no part of a graph either."""
    assert studio.api.put("/api/drafts/nothing", json={"yaml": text}).status_code == 422
    assert not (folder / "nothing.yaml").exists()


def test_a_graph_in_python_gives_a_copy_and_is_not_editable(studio: Served) -> None:
    row = known(studio, "two_agents", "python")

    source = studio.api.get(f"/api/graphs/{row['id']}/source").json()

    assert row["editable"] is False
    assert (source["base"], source["problem"]) == (None, "")
    assert check(studio, source["yaml"])["ok"]


def test_a_broken_document_can_be_opened_to_be_mended(studio: Served, folder: Path) -> None:
    row = known(studio, "broken")
    source = studio.api.get(f"/api/graphs/{row['id']}/source").json()

    mended = source["yaml"].replace("agnt", "agent")

    assert studio.api.put("/api/drafts/broken", json={"yaml": mended, "base": source["base"]}).status_code == 200
    assert known(studio, "greeting")["problem"] == ""
    (folder / "broken.yaml").write_text(source["yaml"])


def test_the_palette_lists_what_a_document_can_be_made_of(studio: Served) -> None:
    palette = studio.api.get("/api/palette").json()

    assert {kind["name"] for kind in palette["nodes"]} == {"agent", "function", "graph", "parallel", "foreach"}
    for part in ("nodes", "agents", "models", "selectors", "on", "names"):
        assert all(word["summary"] for word in palette[part]), part
    agent = next(kind for kind in palette["agents"] if kind["name"] == "AssistantAgent")
    assert all(schema for schema in agent["schema"]["properties"].values())
    assert {one["path"]: one["kind"] for one in palette["callables"]} == {
        "shop:price": "tool",
        "shop:is_cheap": "function",
        "shop:Basket": "state",
    }
    assert ["nowhere" in problem for problem in palette["problems"]] == [True]


def test_a_model_that_answers_is_told_with_its_reply(studio: Served) -> None:
    with ScriptedServer(["I am ready."]) as server:
        answer = studio.api.post("/api/models/test", json={"model": {"model": "m", "base_url": server.base_url}}).json()

    assert (answer["ok"], answer["reply"], answer["problem"]) == (True, "I am ready.", "")
    assert answer["seconds"] > 0


def test_a_model_that_cannot_be_reached_is_told_in_words(studio: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    answer = studio.api.post("/api/models/test", json={"model": {"model": "m", "base_url": f"http://127.0.0.1:{port}/v1"}}).json()

    assert not answer["ok"]
    assert "cannot be reached" in answer["problem"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"type": "unheard"}, "'unheard' is none of"),
        ({"type": ["openai_chat"]}, "is none of"),
        ({"model": "m", "base_url": "http://127.0.0.1:1/v1", "colour": 1}, "'colour' is not known"),
        ({"type": "scripted", "replies": []}, "all are used up"),
        (3, "a model is a name"),
    ],
)
def test_a_model_that_is_none_is_told_in_words(studio: Served, model: Any, words: str) -> None:
    answer = studio.api.post("/api/models/test", json={"model": model}).json()

    assert not answer["ok"]
    assert words in answer["problem"]


def test_a_key_in_a_description_is_refused_and_not_repeated(studio: Served) -> None:
    refused = studio.api.post("/api/models/test", json={"model": {"model": "m", "api_key": "sk-very-secret"}})

    assert refused.status_code == 422
    assert "sk-very-secret" not in refused.text


@pytest.mark.parametrize("path", sorted(GALLERY.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_graph_of_the_gallery_is_sound_runs_twice_and_says_what_it_is(path: Path) -> None:
    """Offline, without a key; one waits for a person."""
    graph = from_yaml(path)

    assert graph.check() == []
    for _ in range(2):
        result = graph.run("Good morning", human="park")
        assert result.status == ("waiting" if path.stem == "approval" else "finished"), result.stop_reason
    assert path.read_text().startswith("# ")


def test_the_gallery_is_listed_with_pictures_and_opens_as_copies(studio: Served) -> None:
    rows = [row for row in studio.api.get("/api/graphs").json() if row["kind"] == "gallery"]

    assert {row["name"] for row in rows} == {path.stem for path in GALLERY.glob("*.yaml")}
    for row in rows:
        assert row["description"]
        assert (row["errors"], row["warnings"], row["editable"]) == (0, 0, False)
    picture = studio.api.get(f"/api/graphs/{rows[0]['id']}/picture.svg")
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert "<svg" in picture.text
    source = studio.api.get(f"/api/graphs/{rows[0]['id']}/source").json()
    assert source["base"] is None
    assert source["yaml"].startswith("# ")


def test_a_run_of_a_draft_that_waits_for_a_person_is_gone_on_with(studio: Served) -> None:
    """The draft is in no file: the studio keeps it in mind, and lists it nowhere."""
    text = (GALLERY / "approval.yaml").read_text().replace("name: approval", "name: unsaved")
    begun = studio.api.post("/api/runs", json={"document": text, "input": "Write to her."}).json()
    question = wait_for(lambda: [one for one in studio.api.get("/api/questions").json() if one["run_id"] == begun["run_id"]])[0]

    answered = studio.api.post(f"/api/runs/{begun['run_id']}/answers/{question['id']}", json={"value": "yes"}).json()

    assert answered["resumed"] is True
    assert wait_for(lambda: studio.api.get(f"/api/runs/{begun['run_id']}").json()["status"] == "finished")
    assert "unsaved" not in {row["name"] for row in studio.api.get("/api/graphs").json()}


def wait_for(look: Any) -> Any:
    """What `look` finds, as soon as it finds something."""
    for _ in range(100):
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("nothing came of it")
