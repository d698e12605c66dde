"""Prices: known by exact names, never guessed, and applied to what the provider really billed."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgraph.messages import Message, Usage
from convgraph.models.config import model_from_config
from convgraph.models.openai_chat import OpenAIChatModel
from convgraph.models.prices import LIST_PRICES, Counted, Price, list_price, usage_of
from convgraph.protocols import ModelReply, ModelRequest
from convgraph.testing import Answer, ScriptedServer

HELLO = ModelRequest([Message("user", "hello", "user")], speaker="a")


def answer(scripted: Answer, model: str, **settings: Any) -> ModelReply:
    with ScriptedServer([scripted]) as server:
        return asyncio.run(OpenAIChatModel(model, base_url=server.base_url, **settings).respond(HELLO))


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("gpt-5.5", "gpt-5.5"),
        ("gpt-5.5-2026-04-23", "gpt-5.5"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
    ],
)
def test_a_dated_name_is_the_model_that_it_is_a_version_of(name: str, same_as: str) -> None:
    assert list_price(name) is LIST_PRICES[same_as]


@pytest.mark.parametrize("name", ["gpt-5.5-pro", "gpt-5.5-turbo", "gpt", "my-gpt-5.5", "gpt-5.5-2026", "GPT-5.5", "openai/gpt-5.5", ""])
def test_a_name_that_only_resembles_a_known_one_has_no_price(name: str) -> None:
    assert list_price(name) is None


def test_a_dated_version_may_have_a_price_of_its_own() -> None:
    assert list_price("gpt-4o-2024-05-13") != list_price("gpt-4o")


@pytest.mark.parametrize(("name", "price"), LIST_PRICES.items())
def test_the_table_is_sane(name: str, price: Price) -> None:
    """Per thousand tokens: a price in dollars for a million would be seen here."""
    assert 0 < price.input < price.output < 0.1
    assert price.cached is None or 0 < price.cached < price.input
    assert price.written is None or price.written > price.input


def test_a_known_model_is_priced_and_its_answers_cost_what_the_list_says() -> None:
    model = model_from_config({"model": "gpt-5.5", "api_key": "k"})

    assert model.priced
    assert answer(Answer("hi", usage=(1000, 100)), "gpt-5.5").usage == pytest.approx(Usage(1, 1000, 100, 0.005 + 0.003))


def test_an_unknown_model_is_unpriced_rather_than_free() -> None:
    assert not model_from_config({"model": "llama-4", "base_url": "http://localhost:1/v1"}).priced
    assert answer(Answer("hi", usage=(10, 10)), "llama-4").usage == Usage(1, 10, 10, 0.0)


@pytest.mark.parametrize("price", [[0.5, 1.0], (0.5, 1.0), Price(0.5, 1.0)])
def test_a_given_price_goes_before_the_list(price: Any) -> None:
    assert answer(Answer("hi", usage=(2000, 1000)), "gpt-5.5", price=price).usage.usd == 2.0


def test_nothing_is_a_price_too() -> None:
    model = OpenAIChatModel("gpt-5.5", price=0)

    assert model.priced
    assert answer(Answer("hi", usage=(10, 10)), "gpt-5.5", price=0).usage.usd == 0.0


def test_another_service_tier_has_other_prices_than_the_list() -> None:
    assert OpenAIChatModel("gpt-5.5", service_tier="default").priced
    assert not OpenAIChatModel("gpt-5.5", service_tier="flex").priced
    assert OpenAIChatModel("gpt-5.5", service_tier="flex", price=[0.0025, 0.015]).priced


@pytest.mark.parametrize("stream", [False, True])
def test_input_read_from_the_providers_cache_costs_less_and_is_counted(stream: bool) -> None:
    usage = answer(Answer("hi", usage=(10_000, 100), cached=8_000), "gpt-5.5", stream=stream).usage

    assert usage == pytest.approx(Usage(1, 10_000, 100, (2_000 * 5 + 8_000 * 0.5 + 100 * 30) / 1e6, 8_000))
    assert usage.tokens == 10_100


def test_input_written_to_the_providers_cache_costs_more_where_it_does() -> None:
    wrote = Answer("hi", usage=(10_000, 0), written=10_000)

    assert answer(wrote, "gpt-6-sol").usage.usd == pytest.approx(10_000 * 2.5 / 1e6)
    assert answer(wrote, "gpt-5.5").usage.usd == pytest.approx(10_000 * 5 / 1e6)


def test_a_long_context_is_billed_whole_at_its_own_price() -> None:
    below, above = (answer(Answer("hi", usage=(tokens, 100)), "gpt-5.5").usage.usd for tokens in (272_000, 272_001))

    assert below == pytest.approx((272_000 * 5 + 100 * 30) / 1e6)
    assert above == pytest.approx((272_001 * 10 + 100 * 45) / 1e6)


@given(st.builds(Counted, *[st.integers(0, 10**7)] * 4), st.sampled_from(sorted(LIST_PRICES)))
def test_whatever_a_provider_counts_the_price_is_bounded_by_that_of_fresh_and_of_cached_input(counted: Counted, name: str) -> None:
    price = LIST_PRICES[name]
    dearest = 2 * max(price.input, price.written or 0) * counted.input + 1.5 * price.output * counted.output

    assert 0 <= usage_of(counted, price, name).usd <= dearest / 1000 + 1e-9
