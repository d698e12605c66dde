"""Which failures of an endpoint are worth another try, after how long, and what they are called when they last.

This is the only layer that retries: the SDK's own is switched off, so that attempts can be counted and their
waiting is in the caller's hands.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast

import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from convgraph.errors import ModelConfigError, ModelError, ModelOutputError, ModelUnavailable, ResponseForgotten

logger = logging.getLogger(__name__)

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

LONGEST_WAIT = 120.0
"""Seconds that an endpoint may ask us to wait; one that asks for more is taken to be down."""

_backoff = wait_exponential_jitter(multiplier=0.5, max=8, jitter=0.25)


async def retried(attempt: Callable[[], Awaitable[T]], *, max_retries: int, sleep: Sleep, still_allowed: Callable[[], bool]) -> T:
    """What `attempt` returns, after at most `max_retries` further tries while `still_allowed()`.

    Raises the last attempt's own error.
    """
    retrying = AsyncRetrying(
        sleep=cast(Any, sleep),
        stop=stop_after_attempt(max_retries + 1),
        wait=_wait,
        retry=retry_if_exception(lambda error: still_allowed() and worth_retrying(error)),
        before_sleep=_log,
        reraise=True,
    )
    return await retrying(attempt)


def worth_retrying(error: BaseException) -> bool:
    """Whether the same request may well succeed when it is sent again."""
    if isinstance(error, openai.APIStatusError):
        return _status_is_transient(error)
    if isinstance(error, openai.APIConnectionError | ModelOutputError | ModelUnavailable):
        return True
    return isinstance(error, openai.APIError) and not _is_final(error)


def _status_is_transient(error: openai.APIStatusError) -> bool:
    wait = told_wait(error)
    if _is_final(error) or (wait is not None and wait > LONGEST_WAIT):
        return False
    said = error.response.headers.get("x-should-retry")
    if said in ("true", "false"):
        return said == "true"
    return error.status_code in (408, 409, 429) or error.status_code >= 500


def _is_final(error: openai.APIError) -> bool:
    """An error that waiting does not mend, whatever its status: no credit left, or a request that is wrong in itself."""
    if "insufficient_quota" in (error.code, error.type):
        return True
    return not isinstance(error, openai.APIStatusError) and error.type == "invalid_request_error"


def told_wait(error: BaseException | None) -> float | None:
    """The seconds that the endpoint asks to wait (`retry-after-ms`, `retry-after` in seconds or as a date), if it does."""
    if not isinstance(error, openai.APIStatusError):
        return None
    headers = error.response.headers
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait = float(headers.get(header, "")) * unit
        except ValueError:
            continue
        return wait if wait >= 0 else None
    try:
        at, now = parsedate_to_datetime(headers.get("retry-after", "")), parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    # Both times are the server's, so that its clock and ours need not agree.
    return max((at - now).total_seconds(), 0.0)


def _wait(state: RetryCallState) -> float:
    told = told_wait(state.outcome.exception() if state.outcome else None)
    return _backoff(state) if told is None else told


def _log(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logger.info("attempt %d failed (%s); the next in %.1f s", state.attempt_number, type(error).__name__, state.upcoming_sleep)


def as_model_error(error: openai.OpenAIError, model: str, url: str, secrets: Sequence[str], *, goes_on: bool = False) -> ModelError:
    """The SDK's error in convgraph's terms, saying who failed and what can be done, with the key cut out of it.

    `goes_on` says that the request relied on what the endpoint remembers.
    """
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
    said = str(cause)
    for secret in secrets:
        said = said.replace(secret, "***")
    said = said[:500]
    who = f"model {model!r} at {url}"
    if isinstance(error, openai.APITimeoutError):
        return ModelUnavailable(f"{who} did not answer in time; raise timeout=, or see whether it is overloaded")
    if isinstance(error, openai.APIConnectionError):
        return ModelUnavailable(f"{who} cannot be reached, or hung up: {said}")
    if isinstance(error, openai.APIStatusError):
        if goes_on and _has_forgotten(error):
            return ResponseForgotten(f"{who} does not know the response that this goes on from: {said}")
        return _status_error(error, f"{who} answered {error.status_code}: {said}")
    if isinstance(error, openai.APIError) and not _is_final(error):
        return ModelUnavailable(f"{who} broke off its answer with an error: {said}")
    return ModelConfigError(f"{who} does not take the request: {said}")


def _has_forgotten(error: openai.APIStatusError) -> bool:
    """Whether an endpoint that was to go on from a response cannot: it has none of that name, or never keeps any."""
    if error.code == "previous_response_not_found" or "previous_response_id" in str(error):
        return True
    return error.status_code == 404 and error.code != "model_not_found"


def _status_error(error: openai.APIStatusError, text: str) -> ModelError:
    if "insufficient_quota" in (error.code, error.type):
        return ModelConfigError(f"{text}. The account has no credit left: add some, or use another key")
    advice = {
        401: "set OPENAI_API_KEY or api_key= to a valid key",
        403: "the key may not use this model",
        404: "check the model's name and base_url",
    }.get(error.status_code)
    if advice:
        return ModelConfigError(f"{text}. What to do: {advice}")
    transient = error.status_code in (408, 409, 429) or error.status_code >= 500
    return ModelUnavailable(text) if transient else ModelConfigError(text)
