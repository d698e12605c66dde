"""A worker over HTTP: probes, figures, and people's answers, with a real process, a real port, and the stores that there are."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from convgraph import open_store
from tests.knowledge.postgres_cluster import new_database, postgres_cluster
from tests.telemetry.reviewing import review

ROOT = Path(__file__).parents[2]
GRAPH = "tests.telemetry.reviewing:review"
TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A PostgreSQL server of the tests' own."""
    with postgres_cluster() as url:
        yield url


class Site(NamedTuple):
    """A worker's process, and where it is served."""

    process: subprocess.Popen[str]
    url: str
    token: str

    def ask(self, path: str, value: Any = None, *, token: str | None = None, raw: bytes | None = None) -> tuple[int, Any]:
        """Status and body. With a value (or a raw body), it is posted."""
        body = raw if raw is not None else None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.url}{path}", body, {"Authorization": f"Bearer {token or self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                status, text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return status, json.loads(text) if text.startswith("{") else text


Serve = Callable[..., Site]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts workers that are served over HTTP, and sees that none is left."""
    processes: list[subprocess.Popen[str]] = []

    def begin(store: str, *options: str, token: str | None = TOKEN) -> Site:
        environment = {**os.environ, "CONVGRAPH_TOKEN": token or ""}
        command = [sys.executable, "-m", "convgraph", "worker", GRAPH, "--store", store, "--poll", "0.05", "--http", "0", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment)
        processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            found = re.search(r"HTTP at (\S+), token (.+)$", line)
            if found is not None:
                return Site(process, found[1], token or found[2])
        raise AssertionError("the worker ended without serving")

    yield begin
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def until(done: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = done()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("kind", ["sqlite", "local", "dbos"])
def test_a_question_is_found_and_answered_over_http_and_the_run_goes_on(
    kind: str, tmp_path: Path, serve: Serve, request: pytest.FixtureRequest
) -> None:
    """Asked, listed for the person, refused where the answer does not fit, taken once, and used: with every store and engine."""
    url = str(tmp_path / "runs.db") if kind == "sqlite" else new_database(request.getfixturevalue("cluster"))
    site = serve(url, *(["--engine", "dbos"] if kind == "dbos" else []))
    run_id = review.submit("go", store=url)
    [question] = until(lambda: site.ask("/questions?to=ada")[1]["questions"])
    assert (question["run_id"], question["id"], question["prompt"]) == (run_id, "rating", "How good is it?")
    assert question["schema"]["type"] == "integer"
    assert site.ask("/questions?to=bob")[1] == {"questions": []}
    until(lambda: site.ask(f"/runs/{run_id}")[1]["status"] == "waiting")

    answers = f"/runs/{run_id}/answers"
    status, refused = site.ask(f"{answers}/rating", "very")
    assert (status, refused["error"]) == (422, "AnswerError")
    assert site.ask(f"{answers}/other", 5)[0] == 404
    assert site.ask("/runs/nobody/answers/rating", 5)[0] == 404
    status, refused = site.ask(f"{answers}/rating", raw=b"five")
    assert status == 400
    assert 'a text stands in quotes: "yes"' in refused["message"]
    assert site.ask(f"{answers}/rating", 5) == (202, {"run_id": run_id, "question": "rating", "status": "accepted"})
    answered = time.monotonic()
    until(lambda: site.ask(f"/runs/{run_id}")[1]["status"] == "finished")
    assert time.monotonic() - answered < 5
    assert site.ask(f"{answers}/rating", 6)[0] in (404, 409)
    assert review.replay(run_id, store=url).messages[-1].text == "rated 5"


@pytest.mark.parametrize("way", ["http", "cli", "python"])
def test_an_answer_that_comes_while_no_worker_serves_the_graph_is_found_when_one_starts(way: str, tmp_path: Path, serve: Serve) -> None:
    """All workers of the graph are down; the answer comes by whichever way; the next worker finds it."""
    store = str(tmp_path / "runs.db")
    run_id = review.submit("go", store=store)
    first = serve(store)
    until(lambda: first.ask(f"/runs/{run_id}")[1].get("status") == "waiting")
    first.process.kill()
    first.process.wait()
    if way == "http":
        others = serve(store, "--queue", "others")  # it takes answers for all runs of the store, and goes on with none of this queue
        assert others.ask(f"/runs/{run_id}/answers/rating", 4)[0] == 202
        others.process.kill()
        others.process.wait()
    elif way == "cli":
        command = [sys.executable, "-m", "convgraph", "answer", run_id, "rating", "4", "--store", store]
        subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    else:
        with open_store(store) as opened:
            opened.answer(run_id, "rating", 4)
    with open_store(store) as opened:
        assert [question.answer for question in opened.questions(run_id)] == [4]
    second = serve(store)

    until(lambda: second.ask(f"/runs/{run_id}")[1]["status"] == "finished")
    assert review.replay(run_id, store=store).messages[-1].text == "rated 4"


def test_probes_and_figures_need_no_token_and_say_nothing_of_what_was_said(tmp_path: Path, serve: Serve) -> None:
    """Prometheus reads what the worker did; the words are not in it."""
    store = str(tmp_path / "runs.db")
    site = serve(store)
    run_id = review.submit("SESAME", store=store)
    until(lambda: site.ask(f"/runs/{run_id}")[1].get("status") == "waiting")

    assert site.ask("/healthz", token="wrong") == (200, {"status": "ok"})
    assert site.ask("/readyz", token="wrong") == (200, {"status": "ready"})
    status, text = site.ask("/metrics", token="wrong")
    assert status == 200
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert figures['convgraph_turns_total{graph="review",node="draft"}'] == "1.0"
    assert figures['convgraph_model_tokens_total{graph="review",model="drafter",type="input"}'] == "100.0"
    assert figures['convgraph_model_cost_usd_total{graph="review",model="drafter"}'] == "0.002"
    assert figures['convgraph_runs_stopped_total{graph="review",status="waiting"}'] == "1.0"
    assert figures["convgraph_runs_under_way"] == "0.0"
    assert all(re.fullmatch(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? \S+', line) for line in text.splitlines() if line[0] != "#")
    assert "SESAME" not in text
    assert "draft." not in text


def test_nothing_is_seen_or_answered_without_the_token(tmp_path: Path, serve: Serve) -> None:
    """Questions, runs and answers: 401 for a wrong token and for none. A token that nobody has given is made, and differs each time."""
    store = str(tmp_path / "runs.db")
    run_id = review.submit("go", store=store)
    sites = [serve(store, token=None), serve(store, token=None)]
    assert len({site.token for site in sites}) == 2
    until(lambda: sites[0].ask(f"/runs/{run_id}")[1].get("status") == "waiting")

    for path, value in (("/questions", None), (f"/runs/{run_id}", None), (f"/runs/{run_id}/answers/rating", 5)):
        for token in ("wrong", sites[1].token):
            assert sites[0].ask(path, value, token=token)[0] == 401
    with open_store(store) as opened:
        assert [question.answered for question in opened.questions(run_id)] == [False]


def test_a_worker_that_is_being_stopped_says_so_until_it_is_gone(tmp_path: Path, serve: Serve) -> None:
    """SIGTERM ends it in good order, with HTTP as without."""
    site = serve(str(tmp_path / "runs.db"))
    site.process.send_signal(signal.SIGTERM)
    assert site.process.wait(10) == 0


def test_a_huge_body_is_refused(tmp_path: Path, serve: Serve) -> None:
    """What cannot be an answer is not collected."""
    store = str(tmp_path / "runs.db")
    site = serve(store)
    status, refused = site.ask("/runs/r/answers/q", raw=b'"' + b"x" * 1_100_000 + b'"')
    assert status == 400
    assert "1,000,000 bytes" in refused["message"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("0.0.0.0:0", "wants a token of yours in CONVGRAPH_TOKEN"),
        ("here", "write HOST:PORT or PORT"),
        ("127.0.0.1:99999", "write HOST:PORT"),
    ],
)
def test_an_address_that_is_none_or_open_to_all_is_refused(given: str, said: str, tmp_path: Path) -> None:
    """Before anything is served: others than this host need a token that was chosen, not one that was printed."""
    command = [sys.executable, "-m", "convgraph", "worker", GRAPH, "--store", str(tmp_path / "runs.db"), "--http", given]
    environment = {name: value for name, value in os.environ.items() if name != "CONVGRAPH_TOKEN"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=30)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
