"""The server: OpenAI's chat completions, responses and decisions over real HTTP, answered from a script."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from convgraph.messages import Usage
from convgraph.testing.answers import (
    Answer,
    Drop,
    HttpError,
    RawBody,
    Script,
    Scripted,
    Truncated,
    as_scripted,
    input_tokens,
    output_tokens,
    pieces,
)
from convgraph.testing.decisions import decision_body, wrong_with
from convgraph.testing.embeddings import embeddings_body
from convgraph.testing.memory import Items, ResponseMemory
from convgraph.testing.responses import Told, opening, output_items, response_body, response_events, text_events


@dataclass(slots=True)
class Exchange:
    """One request, the path that it came to, and what became of it.

    `status` is the answer's, 0 where the connection was cut. The tokens are those that the server told the client;
    they stay 0 where it told none. `conversation` is what a request for a response is about: its input, after what the server
    remembers.
    """

    request: dict[str, Any]
    headers: Mapping[str, str]
    status: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    path: str = ""
    conversation: Items = ()

    @property
    def asked(self) -> dict[str, Any]:
        """The request as the model sees it, with what the server remembers."""
        return {**self.request, "input": list(self.conversation)} if _is_response(self) else self.request


@dataclass
class ScriptedServer:
    """An OpenAI-compatible server on 127.0.0.1 that answers `POST …/chat/completions`, `…/responses` and `…/decisions` from `script`.

    `script` is a list, whose lines are given in order (and then status 500, unless `repeat`), or a function of the
    request's JSON. `latency` is added to each answer, in seconds. `log` holds each exchange in order of arrival;
    `usage` adds up the calls and tokens that clients have been told of; `connections` counts what they opened.
    Use it as a context manager, or call `start()` and `stop()`. Port 0 takes a free one.

    Responses are remembered, unless the request says `"store": false`, and a request may go on from one by its
    `previous_response_id`: the script is then given, and tokens are counted of, the whole conversation as its `input`.

    `POST …/embeddings` needs no script: texts that share words get vectors that are near each other, always the same. What is
    in `embedding_faults` goes wrong first, in order.
    """

    script: Script
    latency: float = 0.0
    port: int = 0
    model: str = "scripted"
    repeat: bool = False
    embedding_faults: Sequence[HttpError | RawBody | Drop] = ()
    log: list[Exchange] = field(default_factory=list[Exchange])

    connections: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._given = 0
        self._embedded = 0
        self._stopping = threading.Event()
        self.memory = ResponseMemory()
        self._http: _HttpServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> ScriptedServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """What a client takes as its `base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The JSON of each request so far."""
        return [exchange.request for exchange in self.log]

    @property
    def usage(self) -> Usage:
        """All calls that were answered with a completion, and the tokens reported for them."""
        answered = [exchange for exchange in self.log if exchange.input_tokens]
        return Usage(len(answered), sum(each.input_tokens for each in answered), sum(each.output_tokens for each in answered))

    def start(self) -> None:
        """Listen, in a thread of its own."""
        self._stopping.clear()
        self._http = _HttpServer(("127.0.0.1", self.port), self)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, name="scripted-server")
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and wait for the threads to end. A second call does nothing."""
        if self._http is None or self._thread is None:
            return
        self._stopping.set()
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join()
        self._http = self._thread = None

    def take(self, exchange: Exchange) -> Scripted:
        """Log the exchange and give the script's answer to it."""
        with self._lock:
            self.log.append(exchange)
            if _is_for_embeddings(exchange):
                position = self._embedded
                self._embedded += 1
                return self.embedding_faults[position] if position < len(self.embedding_faults) else Answer()
            position = self._given
            self._given += 1
        if callable(self.script):
            return as_scripted(self.script(exchange.asked))
        lines = self.script
        if position < len(lines):
            return as_scripted(lines[position])
        if self.repeat and lines:
            return as_scripted(lines[-1])
        return HttpError(500, f"the script's {len(lines)} answers are used up", headers={"x-should-retry": "false"})

    def pause(self, seconds: float) -> bool:
        """Wait; False when the server was stopped meanwhile."""
        return not self._stopping.wait(seconds)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], scripted: ScriptedServer) -> None:
        super().__init__(address, _Handler)
        self.scripted = scripted
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
            self.scripted.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Cut the connections that clients keep open for later, so that their threads can end."""
        with self._open_lock:
            for connection in self._open:
                _cut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news; anything else is a bug in the script, and is shown."""
        import sys

        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


_ASKED = {"/chat/completions": "messages", "/responses": "input", "/decisions": "input", "/embeddings": "input"}
"""The interfaces, and where each has what is said."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def _scripted(self) -> ScriptedServer:
        return cast("_HttpServer", self.server).scripted

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the exchanges are in the server's `log`."""

    def do_GET(self) -> None:
        if self.path.rstrip("/").endswith("/models"):
            self._send_json(200, {"object": "list", "data": [{"id": self._scripted.model, "object": "model"}]})
        else:
            self._send_error(HttpError(404, f"there is nothing at {self.path}"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        said = next((key for end, key in _ASKED.items() if path.endswith(end)), None)
        if said is None:
            self._send_error(
                HttpError(404, f"there is nothing at {self.path}; this server knows {', '.join(f'/v1{end}' for end in _ASKED)}")
            )
            return
        try:
            request: dict[str, Any] = json.loads(body)
            list(request[said])
        except (ValueError, TypeError, KeyError):
            self._send_error(HttpError(400, f"the body is to be a JSON object with a list of {said!r}"))
            return
        wrong = wrong_with(request) if path.endswith("/decisions") else ""
        if wrong:
            self._send_error(HttpError(400, wrong))
            return
        exchange = Exchange(request, dict(self.headers), path=self.path)
        if _is_response(exchange) and not self._recall(exchange):
            return
        answer = self._scripted.take(exchange)
        latency = self._scripted.latency + (answer.latency if isinstance(answer, Answer) else 0.0)
        if self._scripted.pause(latency):
            self._answer(exchange, answer)
        else:
            self._hang_up()

    def _recall(self, exchange: Exchange) -> bool:
        """Find what the request goes on from. Answers it, and returns False, where that is not known."""
        conversation = self._scripted.memory.conversation(exchange.request)
        if conversation is not None:
            exchange.conversation = conversation
            return True
        exchange.status = 400
        self._scripted.log.append(exchange)
        previous = exchange.request["previous_response_id"]
        self._send_error(HttpError(400, f"Previous response with id {previous!r} not found.", "previous_response_not_found"))
        return False

    def _told(self, exchange: Exchange, answer: Answer) -> Told:
        stored = exchange.request.get("store") is not False
        response_id = self._scripted.memory.keep(exchange.conversation, output_items(answer), stored=stored)
        return Told(self._scripted.model, response_id, stored, _response_report(exchange, answer))

    def _answer(self, exchange: Exchange, answer: Scripted) -> None:
        streaming = bool(exchange.request.get("stream"))
        match answer:
            case HttpError():
                exchange.status = answer.status
                self._send_error(answer)
            case RawBody():
                exchange.status = answer.status
                self._send(answer.status, answer.content_type, answer.body)
            case Answer() if not streaming:
                exchange.status = 200
                self._send_json(200, self._whole(exchange, answer))
            case Answer():
                exchange.status = 200
                self._stream(self._chunks(exchange, answer), done=not _is_response(exchange))
            case Truncated() if streaming:
                exchange.status = 200
                self._stream(self._beginning(exchange, answer.content), done=False)
            case Drop() if streaming and answer.after:
                words = [*self._beginning(exchange, answer.content)]
                opened = len(words) - len(pieces(answer.content))
                self._stream(words[: opened + answer.after], done=False, cut=True)
            case Drop() | Truncated():
                self._hang_up()

    def _whole(self, exchange: Exchange, answer: Answer) -> dict[str, Any]:
        if _is_response(exchange):
            return response_body(answer, self._told(exchange, answer))
        if exchange.path.split("?")[0].endswith("/decisions"):
            return decision_body(exchange.request, answer, self._scripted.model, _response_report(exchange, answer))
        if _is_for_embeddings(exchange):
            return embeddings_body(exchange.request, self._scripted.model)
        message = {"role": "assistant", "content": answer.content or None, **answer.extra}
        if answer.tool_calls:
            message["tool_calls"] = answer.calls
        body = self._envelope("chat.completion", [{"index": 0, "message": message, "finish_reason": answer.ending}])
        return {**body, "usage": _report(exchange, answer)} if answer.reports_usage else body

    def _chunks(self, exchange: Exchange, answer: Answer) -> Iterator[dict[str, Any]]:
        if _is_response(exchange):
            yield from response_events(answer, self._told(exchange, answer))
            return
        yield from self._text_chunks(answer.content)
        if answer.extra:
            yield self._chunk(dict(answer.extra))
        for index, call in enumerate(answer.calls):
            function = call["function"]
            yield self._chunk({"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]})
            for start in range(0, len(function["arguments"]), 12):
                yield self._chunk({"tool_calls": [{"index": index, "function": {"arguments": function["arguments"][start : start + 12]}}]})
        yield self._chunk({}, answer.ending)
        options: Any = exchange.request.get("stream_options") or {}
        if answer.reports_usage and options.get("include_usage"):
            yield {**self._envelope("chat.completion.chunk", []), "usage": _report(exchange, answer)}

    def _beginning(self, exchange: Exchange, text: str) -> Iterator[dict[str, Any]]:
        if _is_response(exchange):
            yield from (*opening(Told(self._scripted.model)), *text_events(text))
        else:
            yield from self._text_chunks(text)

    def _text_chunks(self, text: str) -> Iterator[dict[str, Any]]:
        yield self._chunk({"role": "assistant", "content": ""})
        for piece in pieces(text):
            yield self._chunk({"content": piece})

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return self._envelope("chat.completion.chunk", [{"index": 0, "delta": delta, "finish_reason": finish_reason}])

    def _envelope(self, kind: str, choices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"id": "chatcmpl-scripted", "object": kind, "created": 0, "model": self._scripted.model, "choices": choices}

    def _stream(self, chunks: Iterator[dict[str, Any]] | list[dict[str, Any]], *, done: bool = True, cut: bool = False) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            named = f"event: {chunk['type']}\n" if "type" in chunk else ""
            self._write_chunk(f"{named}data: {json.dumps(chunk)}\n\n".encode())
        if done:
            self._write_chunk(b"data: [DONE]\n\n")
        if cut:
            self._hang_up()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _write_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _send_error(self, error: HttpError) -> None:
        body = {"error": {"message": error.message, "type": error.code or "scripted_error", "code": error.code}}
        self._send(error.status, "application/json", json.dumps(body).encode(), error.headers)

    def _send_json(self, status: int, body: Mapping[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(body).encode())

    def _send(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": content_type, "content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        _cut(self.connection)


def _report(exchange: Exchange, answer: Answer) -> dict[str, Any]:
    """The usage that the client is told, noted in the log as told."""
    counted = answer.usage or (input_tokens(exchange.asked), output_tokens(answer))
    exchange.input_tokens, exchange.output_tokens = counted
    report: dict[str, Any] = {"prompt_tokens": counted[0], "completion_tokens": counted[1], "total_tokens": sum(counted)}
    if answer.cached or answer.written:
        report["prompt_tokens_details"] = {"cached_tokens": answer.cached, "cache_write_tokens": answer.written}
    return report


def _is_for_embeddings(exchange: Exchange) -> bool:
    return exchange.path.split("?")[0].endswith("/embeddings")


def _is_response(exchange: Exchange) -> bool:
    return exchange.path.split("?")[0].endswith("/responses")


def _response_report(exchange: Exchange, answer: Answer) -> dict[str, Any] | None:
    """The same in the words of the Responses interface; None where nothing is reported."""
    if not answer.reports_usage:
        return None
    report = _report(exchange, answer)
    return {
        "input_tokens": report["prompt_tokens"],
        "output_tokens": report["completion_tokens"],
        "total_tokens": report["total_tokens"],
        "input_tokens_details": {"cached_tokens": answer.cached, "cache_write_tokens": answer.written},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was faster
