"""Commands on runs, by the real console script: each goes on where another process stopped."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convgraph.testing import ScriptedServer


def test_a_run_prints_its_turns_and_can_be_shown(command: Any, inside: Any) -> None:
    done = command("run", "graphs.py:essay", "Write.", "--id", "r1")
    assert (done.code, done.err) == (0, "")
    assert "[1] writer: first draft\n[1] -> critic\n" in done.out
    assert "[4] -> END (approved)\n" in done.out
    assert "run r1 finished: reached END: approved\n4 turns, 4 model calls, 60 tokens, $0.0040\n" in done.out

    shown = command("show", "r1")
    assert "[0] user: Write.\n[1] writer: first draft\n[2] critic: again\n" in shown.out
    assert "4 turns, 4 model calls, 60 tokens, $0.0040" in shown.out
    events = inside("show", "r1", "--events", "--json").json["events"]
    assert [event["kind"] for event in events][:2] == ["run_started", "effect_finished"]


def test_json_is_one_object_on_the_last_line(command: Any, inside: Any) -> None:
    done = command("run", "graphs.py:counter", "Go.", "--state", '{"n": 1}', "--json")
    assert done.out.count("\n") == 1
    result = done.json
    assert (result["status"], result["steps"], result["state"], result["last"]["content"]) == ("finished", 2, {"n": 3}, "counted 2")
    assert len(result["run_id"]) == 32
    assert command("runs", "--json").json["runs"][0]["run_id"] == result["run_id"]
    assert inside("show", result["run_id"], "--json").json["messages"][0]["content"] == "Go."


def test_input_from_a_pipe_and_none_at_all(command: Any, inside: Any) -> None:
    assert command("run", "graphs.py:essay", "-", "--id", "piped", stdin="from a pipe").code == 0
    assert inside("show", "piped", "--json").json["messages"][0] == {"sender": "user", "role": "user", "content": "from a pipe"}
    assert inside("run", "graphs.py:essay", "--id", "none").code == 0
    assert inside("show", "none", "--json").json["messages"][0]["sender"] == "writer"


def test_piped_output_has_whole_ids_and_no_control_codes(command: Any, inside: Any) -> None:
    long = "r" * 150
    inside("run", "graphs.py:essay", "\x1b[31mred\u202e", "--id", long)
    for words in (("runs",), ("show", long)):
        done = command(*words, env={"COLUMNS": "40", "TERM": "xterm", "FORCE_COLOR": "1"})
        assert long in done.out
        assert "\x1b" not in done.out
        assert "\u202e" not in done.out


def test_a_question_parks_the_run_and_is_answered_from_another_process(command: Any, inside: Any) -> None:
    parked = command("run", "graphs.py:asking", "--id", "q")
    assert parked.code == 4
    assert "question copies: How many copies?\n" in parked.out
    assert "  convgraph answer q copies VALUE\n" in parked.out
    assert "  convgraph resume q\n" in parked.out
    assert [question["id"] for question in inside("show", "q", "--json").json["questions"]] == ["copies"]

    refused = inside("answer", "q", "copies", "many", "--json")
    assert (refused.code, refused.json["error"]) == (2, "AnswerError")
    assert command("answer", "q", "copies", "12").code == 0
    assert inside("answer", "q", "copies", "13").code == 2, "it has been answered"
    resumed = command("resume", "q", "--json")
    assert (resumed.code, resumed.json["last"]["content"]) == (0, "12 copies")


def test_an_answer_may_come_with_the_resume(inside: Any) -> None:
    inside("run", "graphs.py:asking", "--id", "q")
    assert inside("resume", "q", "--json").code == 4, "without an answer it goes on waiting"
    assert inside("resume", "q", "--answer", "pages=3").code == 2
    done = inside("resume", "q", "--answer", "copies=3", "--json")
    assert (done.code, done.json["last"]["content"]) == (0, "3 copies")


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("broken", 7, "the disk is gone"),
        ("stuck", 5, "turn > 1"),
        ("endless", 6, "2 turns"),
        ("unsound", 8, "dead-end"),
    ],
)
def test_the_exit_code_tells_how_a_run_ended(command: Any, inside: Any, name: str, code: int, said: str) -> None:
    done = command("run", f"graphs.py:{name}", "--id", name)
    assert done.code == code
    assert said in done.out + done.err
    assert "Traceback" not in done.out + done.err
    if name != "unsound":
        assert inside("runs", "--json").json["runs"][0]["status"] == {7: "failed", 5: "stuck", 6: "limited"}[code]


def test_a_limited_run_goes_on_with_another_limit(inside: Any) -> None:
    limited = inside("run", "graphs.py:endless", "--id", "e")
    assert "  convgraph resume e --max-turns N\n" in limited.out
    assert inside("resume", "e", "--json").code == 6, "the limit holds across resume"
    done = inside("resume", "e", "--max-turns", "10", "--json")
    assert (done.code, done.json["steps"]) == (0, 5)


def test_a_failed_run_shows_its_traceback_only_when_asked(command: Any) -> None:
    assert "Traceback" not in command("run", "graphs.py:broken").err
    assert "Traceback" in command("run", "graphs.py:broken", "--debug").err


def test_replay_asks_nobody_and_says_where_it_differs(command: Any, inside: Any, here: Path) -> None:
    inside("run", "graphs.py:essay", "Write.", "--id", "r1")
    same = inside("replay", "r1", "--json")
    assert (same.code, same.json["replayed"], same.json["steps"]) == (0, True, 4)

    text = (here / "graphs.py").read_text()
    (here / "changed.py").write_text(text.replace("You judge.", "You judge harshly."))
    differs = command("replay", "r1", "--graph", "changed.py:essay")
    assert differs.code == 3
    assert "turn 2" in differs.err
    assert '-  "system": "You judge.",\n+  "system": "You judge harshly.",' in differs.err
    assert "Traceback" not in differs.err

    went_on = inside("replay", "r1", "--graph", "changed.py:essay", "--live", "--json")
    assert went_on.code == 0
    assert went_on.json["run_id"] != "r1"


def test_a_fork_shares_steps_and_goes_its_own_way(command: Any, inside: Any) -> None:
    inside("run", "graphs.py:essay", "Write.", "--id", "r1")
    forked = command("fork", "r1", "--at", "2", "--message", "APPROVED after all", "--id", "f1")
    assert forked.code == 0
    assert "  convgraph resume f1\n" in forked.out
    done = command("resume", "f1", "--json")
    assert (done.code, done.json["steps"], done.json["last"]["content"]) == (0, 2, "APPROVED after all")
    assert inside("show", "f1", "--json").json["parent"] == "r1"
    assert inside("delete", "r1").code == 2, "its steps are shared"

    inside("run", "graphs.py:counter", "--id", "c")
    inside("fork", "c", "--at", "1", "--state", '{"n": 2}', "--id", "c2")
    assert inside("resume", "c2", "--json").json["state"] == {"n": 3}


def test_explain_gives_every_guards_value(command: Any, inside: Any) -> None:
    inside("run", "graphs.py:essay", "Write.", "--id", "r1")
    explained = command("explain", "r1", "2", "--json").json
    assert [(guard["edge"], guard["value"]) for guard in explained["guards"]] == [("critic->END#1", False), ("critic->writer#2", True)]
    assert (explained["node"], explained["target"], explained["chosen_by"]) == ("critic", "writer", "first")
    assert 'last.content.contains("APPROVED") = false' in inside("explain", "r1", "2").out


def test_runs_are_filtered_deleted_and_pruned(inside: Any) -> None:
    for number in range(3):
        inside("run", "graphs.py:stuck", "--id", f"s{number}")
    inside("run", "graphs.py:endless", "--id", "e")

    def listed(*words: str) -> list[str]:
        return [run["run_id"] for run in inside("runs", *words, "--json").json["runs"]]

    assert listed() == ["e", "s2", "s1", "s0"]
    assert listed("--status", "limited") == listed("--graph", "endless") == ["e"]
    assert listed("--limit", "2") == ["e", "s2"]
    assert inside("delete", "s0", "nobody").code == 2
    assert listed("--graph", "stuck") == ["s2", "s1", "s0"], "all or none"
    assert inside("delete", "s0").code == 0
    assert inside("prune", "--older-than", "1h", "--json").json == {"deleted": 0}
    assert inside("prune", "--status", "stuck", "--keep", "1", "--json").json == {"deleted": 1}
    assert listed() == ["e", "s2"]


def test_the_store_comes_from_the_option_the_environment_or_the_directory(command: Any, inside: Any, here: Path) -> None:
    inside("run", "graphs.py:stuck", "--id", "a", "--store", "one.db")
    command("run", "graphs.py:asking", "--id", "b", env={"CONVGRAPH_STORE": "two.db"})
    inside("run", "graphs.py:stuck", "--id", "c")
    assert {path.name for path in here.glob("*.db")} == {"one.db", "two.db", "runs.db"}
    shown = inside("show", "b", "--store", "sqlite:///two.db")
    assert "  convgraph resume b --store sqlite:///two.db\n" in shown.out


def test_a_run_finds_its_graph_from_another_directory(command: Any, inside: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside("run", "graphs.py:asking", "--id", "q", "--store", "s.db")
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    done = command("resume", "q", "--answer", "copies=1", "--store", str(here / "s.db"), "--json")
    assert done.code == 0
    assert inside("show", "q", "--store", "../s.db", "--json").json["target"] == f"{here}/graphs.py:asking"


def test_runs_of_a_program_need_their_graph_named(inside: Any) -> None:
    from convgraph import END, ConversableAgent, ConversationGraph

    graph = ConversationGraph("stuck")
    graph.add_node(ConversableAgent("only", default_auto_reply="hm"))
    graph.add_edge("only", END, when="turn > 1")
    graph.set_start("only")
    graph.run(store="runs.db", run_id="p")
    refused = inside("replay", "p")
    assert refused.code == 2
    assert "--graph TARGET" in refused.err
    graph.fork("p", store="runs.db", at=1, new_id="f")
    assert "  convgraph resume f --graph TARGET\n" in inside("show", "f").out
    assert inside("replay", "p", "--graph", "graphs.py:stuck").code == 0


def test_a_model_behind_http_is_asked_with_the_key_from_the_environment(command: Any, here: Path) -> None:
    with ScriptedServer(["Over the wire."]) as server:
        (here / "wire.yaml").write_text(
            f"version: 1\nname: wire\nstart: a\nnodes:\n- name: a\n  kind: agent\n  detail:\n    type: AssistantAgent\n"
            f"    model: {{model: small, base_url: '{server.base_url}', params: {{temperature: 0}}}}\n"
            "edges:\n- {from: a, to: END}\n"
        )
        done = command("run", "wire.yaml", "Hello?", "--json", env={"OPENAI_API_KEY": "sk-of-mine"})
        assert (done.code, done.json["last"]["content"]) == (0, "Over the wire.")
        request, headers = server.log[0].request, {name.lower(): value for name, value in server.log[0].headers.items()}
        assert (request["model"], request["temperature"], headers["authorization"]) == ("small", 0, "Bearer sk-of-mine")
    again = command("replay", done.json["run_id"], "--json")
    assert (again.code, again.json["replayed"]) == (0, True), "the server is gone, and nobody noticed"
    assert b"sk-of-mine" not in (here / "runs.db").read_bytes()


def test_a_reader_that_leaves_does_not_stop_the_run(inside: Any, here: Path, started: Callable[..., subprocess.Popen[str]]) -> None:
    (here / "go").touch()
    process = started("run", "graphs.py:slowly", "--id", "s")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process:
        assert (process.wait(30), process.stderr.read()) == (0, "")
    assert inside("show", "s", "--json").json["status"] == "finished"
