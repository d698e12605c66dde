"""Who may use the studio: those with its token, from its own page, at its own address; and what is sent with every answer."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from playwright.sync_api import Page

from convgraph import open_store
from convgraph.loading import load_target
from tests.studio.conftest import Served, studio_at

DESK = Path(__file__).parent / "graphs/desk.py"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("safety") / "runs.db"


@pytest.fixture(scope="module")
def studio(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with open_store(store) as opened:
        load_target(f"{DESK}:parrot").run("my secret", store=opened, run_id="mine")
    folder = tmp_path_factory.mktemp("around") / "folder"
    folder.mkdir()
    (folder.parent / "outside.yaml").write_text("name: outside\n")
    with studio_at(store, f"{DESK}:parrot", options=("--folder", str(folder))) as served:
        yield served


@pytest.fixture
def stranger(studio: Served) -> Iterator[httpx2.Client]:
    """Somebody without the token."""
    with httpx2.Client(base_url=studio.origin, timeout=10) as client:
        yield client


ASKED = [
    ("GET", "/"),
    ("GET", "/api/runs"),
    ("GET", "/api/openapi.json"),
    ("POST", "/api/runs"),
    ("GET", "/v1/models"),
    ("GET", "/nowhere"),
]


@pytest.mark.parametrize(("method", "path"), ASKED)
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer " + "x" * 32}, {"cookie": "convgraph=guess"}, {"authorization": "Basic eDp4"}]
)
def test_without_the_token_there_is_nothing(stranger: httpx2.Client, method: str, path: str, headers: dict[str, str]) -> None:
    answer = stranger.request(method, path, headers=headers, json={} if method == "POST" else None)
    assert answer.status_code == 401
    assert "my secret" not in answer.text
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_token_in_the_address_becomes_a_cookie_and_leaves_the_address(stranger: httpx2.Client, studio: Served) -> None:
    answer = stranger.get(studio.url.removeprefix(studio.origin) + "&theme=dark")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?theme=dark")
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert answer.text == ""
    assert stranger.get("/").status_code == 200
    assert stranger.get("/api/runs").status_code == 200
    assert stranger.get("/?token=" + "x" * 32).status_code == 401
    assert stranger.get("/api/runs?token=" + studio.url.rpartition("=")[2], headers={"cookie": ""}).status_code in (200, 401)


def test_a_cookie_alone_changes_nothing(stranger: httpx2.Client, studio: Served) -> None:
    stranger.get(studio.url)
    assert stranger.patch("/api/runs/mine", json={"labels": ["stolen"]}).status_code == 403
    assert stranger.delete("/api/runs/mine").status_code == 403
    assert stranger.patch("/api/runs/mine", json={"labels": []}, headers={"x-convgraph": "studio"}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}", "", "[::1"])
def test_a_name_that_somebody_else_controls_is_not_answered(studio: Served, host: str) -> None:
    port = int(studio.origin.rpartition(":")[2])
    token = studio.url.rpartition("=")[2]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        asked = f"GET /api/runs HTTP/1.1\r\nHost: {host.format(port=port)}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        line.sendall(asked.encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert int(answer.split()[1]) in (400, 421)
    assert b"mine" not in answer


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://{host}", "http://{host}.evil.example"])
def test_a_page_of_another_site_is_refused_even_with_the_token(studio: Served, origin: str) -> None:
    headers = {"origin": origin.format(host=studio.origin.removeprefix("http://"))}
    for method in ("GET", "POST"):
        assert studio.api.request(method, "/api/runs", headers=headers, json={}).status_code == 403
    assert studio.api.get("/api/runs", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert studio.api.get("/api/runs", headers={"sec-fetch-site": "same-site"}).status_code == 403


ESCAPES = [
    "/static/../studio.py",
    "/static/%2e%2e/studio.py",
    "/static/..%2fstudio.py",
    "/static/%2e%2e%2f%2e%2e%2fstudio.py",
    "/static//etc/passwd",
    "/static/..\\studio.py",
    "/static/%252e%252e/studio.py",
    "/static/.hidden",
    "/static/pages/../../access.py",
    "/static/\x00",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out_of_what_is_served(studio: Served, path: str) -> None:
    port = int(studio.origin.rpartition(":")[2])
    token = studio.url.rpartition("=")[2]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        asked = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        line.sendall(asked.encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert int(answer.split()[1]) in (400, 401, 404), answer[:200]
    assert b"from __future__" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize("name", ["../outside", "..%2foutside", "a/../../outside", ".hidden", "C:\\x", "x" * 300, "%00", "con\nfig"])
def test_drafts_are_saved_in_their_folder_and_nowhere_else(studio: Served, tmp_path: Path, name: str) -> None:
    answer = studio.api.put(f"/api/drafts/{quote(name, safe='')}", json={"yaml": "name: x\n", "text": "name: x\n"})
    assert 400 <= answer.status_code < 500, answer.text
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("run_id", ["../../etc/passwd", "..", "a/b", "\u202e", "x" * 201, "%", "mine\x00"])
def test_ids_of_runs_are_no_paths(studio: Served, run_id: str) -> None:
    for form in ("html", "json"):
        answer = studio.api.get(f"/api/runs/{quote(run_id, safe='')}/export", params={"format": form})
        assert answer.status_code in (404, 422), answer.text


def test_a_body_that_is_too_long_is_refused(studio: Served) -> None:
    answer = studio.api.post("/api/runs/import", content=b"[" * 51_000_000, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert studio.api.get("/api/runs").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/api/runs", "/api/nothing", "/static/app.js", "/static/nothing.js", "/healthz", "/v1/models", "/api/openapi.json"]
)
def test_every_answer_forbids_what_the_page_does_not_need(studio: Served, path: str) -> None:
    headers = studio.api.get(path).headers
    parts = [part.strip().partition(" ") for part in headers["content-security-policy"].split(";")]
    policy = {name: value for name, _, value in parts}
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["frame-ancestors"], policy["form-action"], policy["base-uri"]) == ("'none'", "'none'", "'none'")
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_to_other_machines_it_is_served_with_the_token_only(tmp_path: Path) -> None:
    with studio_at(tmp_path / "runs.db", options=("--host", "0.0.0.0")) as served:
        port = served.url.partition("/?")[0].rpartition(":")[2]
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            assert client.get("/api/runs").status_code == 401
            assert client.get("/api/runs", headers={"host": f"box.lan:{port}"}).status_code == 401
            token = served.url.rpartition("=")[2]
            assert client.get("/api/runs", headers={"authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("token", ["short", "with spaces in it all", "<script>alert(1)</script>"])
def test_a_token_that_is_guessed_easily_is_refused(tmp_path: Path, token: str) -> None:
    command = [sys.executable, "-m", "convgraph", "studio", "--store", str(tmp_path / "runs.db"), "--no-browser"]
    environment = {**os.environ, "CONVGRAPH_STUDIO_TOKEN": token}
    ended = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "token" in ended.stderr
    assert token not in ended.stdout


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_page_of_another_site_can_do_nothing_with_its_visitor_s_cookie(browser: Any, studio: Served, name: str) -> None:
    """A real second origin in Chromium: on another port of the same host, which gets the cookies, and under another name."""
    record = studio.api.get("/api/runs/mine/export", params={"format": "json"}).text.replace('"mine"', '"planted"', 1)
    text = (
        (Path(__file__).parent / "attack.html")
        .read_text()
        .replace("STUDIO", json.dumps(studio.origin))
        .replace("RECORD", json.dumps(record).replace("</", "<\\/"))
    )

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context()
    try:
        page: Page = context.new_page()
        page.goto(studio.url)
        page.goto(f"http://{name}:{server.server_port}/")
        page.wait_for_function("document.title === 'done'")
        results = page.evaluate("window.results")
    finally:
        context.close()
        server.shutdown()
        server.server_close()
    assert results["read"] == "refused"
    assert results["patch"] == "refused"
    assert results["listen"] == "refused"
    assert results["image"] == results["script"] == "refused"
    assert "mine" not in str(results.values())
    assert "secret" not in str(results.values())
    runs = studio.api.get("/api/runs").json()["runs"]
    assert [run["run_id"] for run in runs] == ["mine"]
    assert "stolen" not in str(runs)
