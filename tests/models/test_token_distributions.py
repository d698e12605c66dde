"""The distribution over choices that follows from the probabilities of an answer's tokens: worked out by hand, and on llama.cpp."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from math import log
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgraph.messages import Message
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.models.openai_model import OpenAIModel
from convgraph.models.openai_responses import OpenAIResponsesModel
from convgraph.models.token_distribution import with_token_distribution
from convgraph.protocols import Choices, Distribution, ModelReply, ModelRequest, TokenOdds
from convgraph.runtime.selector_prompt import choice_schema
from convgraph.testing import RawBody, ScriptedServer
from tests.models.test_foreign_servers import LLAMA, installed, running

Token = tuple[str, dict[str, float]]


def weighed(tokens: Sequence[Token], *names: str) -> dict[str, float] | None:
    """The distribution over `names` by these tokens: each with the probabilities of what might have stood there."""
    odds = tuple(TokenOdds(text, {each: log(p) for each, p in might.items()}) for text, might in tokens)
    reply = ModelReply("".join(text for text, _ in tokens), odds=odds)
    found = with_token_distribution(reply, ModelRequest((), choices=Choices(dict.fromkeys(names, ""))))
    assert found.odds == () or found == reply
    return None if found.distribution is None else dict(found.distribution.of)


def certain(text: str) -> Token:
    return text, {text: 1.0}


def test_a_name_that_is_a_token_has_the_probability_of_that_token() -> None:
    tokens = [certain('{"next": "'), ("critic", {"critic": 0.75, "writer": 0.25}), certain('"}')]

    assert weighed(tokens, "writer", "critic") == {"writer": 0.25, "critic": 0.75}


def test_what_leads_to_no_choice_is_left_out_of_account() -> None:
    tokens = [certain('{"next": "'), ("critic", {"critic": 0.3, "writer": 0.1, "the": 0.5}), certain('"}')]

    assert weighed(tokens, "writer", "critic") == {"writer": 0.25, "critic": 0.75}


def test_names_that_begin_alike_part_where_they_differ() -> None:
    """`team_red` and `team_blue` are one until their third token; what leads to a third name before is shared."""
    tokens = [
        certain('{"next": "'),
        ("team", {"team": 0.8, "boss": 0.2}),
        certain("_"),
        ("red", {"red": 0.75, "blue": 0.25}),
        certain('"}'),
    ]

    assert weighed(tokens, "team_red", "team_blue", "boss") == pytest.approx({"team_red": 0.6, "team_blue": 0.2, "boss": 0.2})


def test_a_token_that_may_become_several_names_is_shared_among_them() -> None:
    tokens = [certain('"'), ("boss", {"boss": 0.5, "team": 0.5}), certain('"')]

    assert weighed(tokens, "team_red", "team_blue", "boss") == {"team_red": 0.25, "team_blue": 0.25, "boss": 0.5}


def test_a_name_inside_another_is_told_from_it_by_what_follows() -> None:
    tokens = [certain('"'), certain("critic"), ('"', {'"': 0.9, "2": 0.1})]

    assert weighed(tokens, "critic", "critic2") == pytest.approx({"critic": 0.9, "critic2": 0.1})


def test_tokens_may_begin_before_the_name_and_go_on_after_it() -> None:
    tokens = [certain('{"next":'), (' "critic"}', {' "critic"}': 0.5, ' "writer"}': 0.25, "writer": 0.25})]

    assert weighed(tokens, "writer", "critic") == pytest.approx({"writer": 1 / 3, "critic": 2 / 3}, abs=1e-6)


@pytest.mark.parametrize("lead", ["", " ", "\n"])
def test_a_bare_name_counts_too(lead: str) -> None:
    tokens = [(f"{lead}critic", {f"{lead}critic": 0.5, f"{lead}writer": 0.25, f"{lead}writers": 0.25})]

    assert weighed(tokens, "writer", "critic") == pytest.approx({"writer": 1 / 3, "critic": 2 / 3}, abs=1e-6)


def test_the_name_is_looked_for_where_it_was_chosen() -> None:
    """Not in a reason beside it."""
    tokens = [certain('{"next": "'), ("b", {"b": 0.5, "a": 0.5}), certain('", "why": "'), certain("because"), certain('"}')]

    assert weighed(tokens, "a", "b") == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(
    "tokens",
    [
        [certain("the critic")],
        [certain("nobody")],
        [("critic", {})],
        [("critic", {"writer": 1.0})],
        [("critic", {"critic": 1e-320})],
    ],
)
def test_where_the_tokens_do_not_tell_there_is_no_distribution(tokens: list[Token]) -> None:
    found = weighed(tokens, "writer", "critic")
    assert found is None or found == {"writer": 0.0, "critic": 1.0}


def test_tokens_of_another_text_than_the_answer_tell_nothing() -> None:
    reply = ModelReply("critic", odds=(TokenOdds("writer", {"writer": 0.0}),))
    assert with_token_distribution(reply, ModelRequest((), choices=Choices({"writer": "", "critic": ""}))).distribution is None


NAMES = st.lists(st.text("ab_1", min_size=1, max_size=4), min_size=2, max_size=5, unique=True)


@given(st.data(), NAMES)
def test_whatever_the_tokens_are_the_distribution_is_one_over_the_choices(data: st.DataObject, names: list[str]) -> None:
    picked = data.draw(st.sampled_from(names))
    answer = data.draw(st.sampled_from([picked, f" {picked}\n", json.dumps({"next": picked}), json.dumps(picked)]))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(answer) - 1, 1)))))
    texts = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True) if answer[start:end]]
    others = st.dictionaries(st.text('ab_1" }', max_size=4), st.floats(-50, 0), max_size=5)
    odds = tuple(TokenOdds(text, {**data.draw(others), text: data.draw(st.floats(-50, 0))}) for text in texts)
    reply = with_token_distribution(ModelReply(answer, odds=odds), ModelRequest((), choices=Choices(dict.fromkeys(names, ""))))

    assert reply.distribution is not None
    assert list(reply.distribution.of) == names
    assert all(0 <= weight <= 1 for weight in reply.distribution.of.values())


def asking(url: str, *names: str, listen: bool = False, kind: type[OpenAIModel] = OpenAIChatModel, **settings: Any) -> ModelReply:
    request = ModelRequest(
        [Message("user", "choose", "user")],
        schema=choice_schema(names),
        choices=Choices(dict.fromkeys(names, "")),
        checked=False,
    )
    model = kind("m", base_url=url, max_retries=0, **settings)
    return asyncio.run(model.respond(request, (lambda _: None) if listen else None))


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": "critic"},
        {"content": [None, 1, {"token": "critic"}]},
        {"content": [{"token": "critic", "logprob": float("nan"), "top_logprobs": None}]},
        {"content": [{"token": "critic", "logprob": "0", "top_logprobs": [{"token": "critic", "logprob": 5}]}]},
        {"content": [{"token": "critic", "logprob": 0.5, "top_logprobs": [[]]}]},
    ],
)
def test_logprobs_that_are_none_leave_the_answer_as_it_is(logprobs: Any) -> None:
    with ScriptedServer(lambda _: _completion("critic", logprobs)) as server:
        reply = asking(server.base_url, "writer", "critic")

    assert (reply.content, reply.distribution) == ("critic", None)


def _completion(text: str, logprobs: Any) -> Any:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", "logprobs": logprobs}
    return RawBody(json.dumps({"choices": [choice], "model": "m"}).encode())


@pytest.mark.parametrize("listen", [False, True])
def test_the_responses_interface_reports_tokens_in_its_own_place(listen: bool) -> None:
    token = {"token": "critic", "logprob": log(0.75), "top_logprobs": [{"token": "writer", "logprob": log(0.25)}]}
    part = {"type": "output_text", "text": "critic", "annotations": [], "logprobs": [token]}
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
    whole = {"id": "r", "object": "response", "status": "completed", "model": "m", "output": [message]}
    body = json.dumps(whole).encode()
    if listen:
        body = f"data: {json.dumps({'type': 'response.completed', 'response': whole})}\n\n".encode()
    with ScriptedServer(lambda _: RawBody(body, "text/event-stream" if listen else "application/json")) as server:
        settings: dict[str, Any] = {"include": ["message.output_text.logprobs"], "top_logprobs": 20}
        reply = asking(server.base_url, "writer", "critic", kind=OpenAIResponsesModel, listen=listen, **settings)

    assert (server.requests[0]["include"], server.requests[0]["top_logprobs"]) == (["message.output_text.logprobs"], 20)
    assert reply.distribution is not None
    assert reply.distribution.of == pytest.approx({"writer": 0.25, "critic": 0.75}, abs=1e-5)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = Path(__file__).with_name("tiny_llama_server.py")
    with running([str(installed(LLAMA)), str(program), str(tmp_path_factory.mktemp("llama"))]) as url:
        yield url


@pytest.mark.parametrize("listen", [False, True])
def test_llama_weighs_choices_by_its_tokens(llama: str, listen: bool) -> None:
    """Its table likes no letter more than another: so `writer` and `critic` are equally probable, and `tester` and `teacher` share."""
    settings: dict[str, Any] = {"temperature": 0, "max_tokens": 60, "logprobs": True, "top_logprobs": 300, "listen": listen}
    two = asking(llama, "writer", "critic", **settings)
    four = asking(llama, "writer", "critic", "tester", "teacher", **settings)

    assert two.distribution == Distribution({"writer": 0.5, "critic": 0.5}, "logprobs")
    assert four.distribution is not None
    assert four.distribution.of["writer"] == pytest.approx(1 / 3, abs=1e-5)
    assert four.distribution.of["tester"] == pytest.approx(1 / 6, abs=1e-5)


def test_nothing_is_asked_for_that_was_not_set() -> None:
    """Some servers refuse what they do not know."""
    with ScriptedServer(["critic"]) as server:
        reply = asking(server.base_url, "writer", "critic")

    assert "logprobs" not in server.requests[0]
    assert reply.distribution is None
