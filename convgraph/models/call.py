"""One request on its way: sent through the openai SDK, tried again where that is worth it, read as it comes.

Importing this module loads the SDK; `openai_model` does so with its first request.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from openai import AsyncOpenAI, AsyncStream, OpenAIError

from convgraph.errors import ModelOutputError
from convgraph.messages import NO_USAGE
from convgraph.models.dialect import Dialect
from convgraph.models.pool import ConnectionPool, Endpoint
from convgraph.models.prices import Price
from convgraph.models.rate_limit import RateLimit
from convgraph.models.retry import Sleep, as_model_error, retried
from convgraph.models.sdk_client import sdk_client
from convgraph.plain_data import replaced
from convgraph.protocols import ModelReply

BYTES_PER_TOKEN = 4
"""What a token of English takes; good enough for a guess that the answer corrects."""


class Call:
    """A request to `endpoint` with the JSON `body`, in the words of `dialect`; `answer()` sends it."""

    def __init__(
        self,
        endpoint: Endpoint,
        dialect: Dialect,
        body: dict[str, Any],
        pool: ConnectionPool,
        *,
        price: Price | None,
        limit: RateLimit | None,
        stream: bool,
        on_delta: Callable[[str], None] | None,
    ) -> None:
        around: dict[str, Any] = {key: body.pop(key, None) or {} for key in ("extra_headers", "extra_query", "extra_body")}
        self._endpoint = endpoint
        self._dialect = dialect
        self._body: dict[str, Any] = {**body, **around["extra_body"]}
        self._options: Any = {"headers": around["extra_headers"], "params": around["extra_query"]}
        self._pool = pool
        self._price = price
        self._limit = limit
        self._stream = stream
        self._on_delta = on_delta
        self._handed_out = False
        self._spent = NO_USAGE

    async def answer(self, max_retries: int, sleep: Sleep) -> ModelReply:
        """The endpoint's answer; its usage includes that of attempts which gave no answer. Raises `ModelError`."""
        try:
            reply = await retried(self._attempt, max_retries=max_retries, sleep=sleep, still_allowed=lambda: not self._handed_out)
        except OpenAIError as error:
            goes_on = "previous_response_id" in self._body
            raise as_model_error(error, self._model, self._endpoint.shown_url, self._endpoint.secrets, goes_on=goes_on) from error
        except ModelOutputError as error:
            if error.reply is not None:
                error.reply = replaced(error.reply, usage=self._spent)
            raise
        return replaced(reply, usage=reply.usage + self._spent)

    @property
    def _model(self) -> str:
        return str(self._body.get("model"))

    async def _attempt(self) -> ModelReply:
        if self._limit is None:
            return await self._asked_once()
        admission = await self._limit.admit(len(json.dumps(self._body)) // BYTES_PER_TOKEN)
        try:
            reply = await self._asked_once()
        except ModelOutputError as error:
            if error.reply is not None and error.reply.usage.tokens:
                admission.settle(error.reply.usage.tokens)
            raise
        if reply.usage.tokens:
            admission.settle(reply.usage.tokens)
        return reply

    async def _asked_once(self) -> ModelReply:
        client = await sdk_client(self._endpoint, self._pool)
        try:
            return await (self._streamed(client) if self._stream else self._whole(client))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ModelOutputError(f"{self._model!r} answered with something that is not JSON: {error}") from error
        except ModelOutputError as error:
            if error.reply is not None:
                self._spent += error.reply.usage
            raise

    async def _whole(self, client: AsyncOpenAI) -> ModelReply:
        # `cast_to=object` gives the JSON as it came: the SDK's typed results hide what is missing or malformed.
        body: Any = await client.post(self._dialect.path, cast_to=object, body=self._body, options=self._options)
        return self._read_whole(body)

    async def _streamed(self, client: AsyncOpenAI) -> ModelReply:
        body: dict[str, Any] = {**self._dialect.streamed, **self._body, "stream": True}
        stream = await client.post(
            self._dialect.path, cast_to=object, body=body, options=self._options, stream=True, stream_cls=AsyncStream[object]
        )
        async with stream:
            if "event-stream" not in stream.response.headers.get("content-type", ""):
                # Some servers do not stream, whatever they are asked.
                return self._read_whole(json.loads(await stream.response.aread()))
            collected = self._dialect.collect(self._model, self._hand_out)
            async for chunk in stream:
                collected.add_chunk(chunk)
        reply = collected.reply(self._price)
        if not reply.finish_reason:
            raise ModelOutputError(f"the stream of {self._model!r} ended before its answer did, after {reply.content[-100:]!r}", reply)
        return reply

    def _read_whole(self, body: Any) -> ModelReply:
        reply = self._dialect.read(body, self._model, self._price)
        if reply.content:
            self._hand_out(reply.content)
        return reply

    def _hand_out(self, text: str) -> None:
        if self._on_delta is not None:
            self._handed_out = True
            self._on_delta(text)
