"""How probable each choice was, by the probabilities of the tokens that the answer was written with.

A choice is a few tokens long. At each of them the endpoint says which others might have stood there: those that would have
led to another choice give it their share of what was left at that point, and the choice that was written keeps the rest.
Tokens that lead to no choice at all (prose, or what a grammar has forbidden) are left out of account.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from math import exp
from typing import Any

from convgraph.models.json_fields import items_in, number_in, text_in
from convgraph.plain_data import replaced
from convgraph.protocols import Distribution, ModelReply, ModelRequest, TokenOdds
from convgraph.runtime.selector_prompt import picked_name


def odds_in(holder: Mapping[str, Any], key: str) -> Iterator[TokenOdds]:
    """The tokens listed under `key`, as endpoints report them: with what might have stood there, as far as these are logarithms."""
    for token in items_in(holder, key):
        logprobs = {text_in(each, "token"): number_in(each, "logprob") for each in (*items_in(token, "top_logprobs"), token)}
        yield TokenOdds(text_in(token, "token"), {text: value for text, value in logprobs.items() if value is not None and value <= 0})


def with_token_distribution(reply: ModelReply, request: ModelRequest) -> ModelReply:
    """The reply with the distribution over the request's choices, where its tokens tell."""
    if request.choices is None or not reply.odds:
        return reply
    names = request.choices.described
    picked = picked_name(reply.content, names)
    weights = None if picked is None else _weights(reply, picked, names)
    return replaced(reply, odds=(), distribution=None if weights is None else Distribution(weights, "logprobs"))


def _weights(reply: ModelReply, picked: str, names: Collection[str]) -> dict[str, float] | None:
    """The weight of each name; None where the tokens do not spell the answer, or one of them has no probability."""
    answer = "".join(token.text for token in reply.odds)
    closing = "" if answer.strip() == picked else '"'
    begin = answer.find(picked) if not closing else _where(answer, picked)
    if answer.strip() != reply.content.strip() or begin < 0:
        return None
    weights, left = dict.fromkeys(names, 0.0), 1.0
    for written, token in _spelling(reply.odds, begin, begin + len(picked + closing)):
        reached = {text: found for text in token.logprobs if (found := _leads_to(written + text, names, closing))}
        total = sum(exp(token.logprobs[text]) for text in reached)
        if token.text not in reached or not total:
            return None
        for text in (each for each in reached if each != token.text):
            for name in reached[text]:
                weights[name] += left * exp(token.logprobs[text]) / total / len(reached[text])
        left *= exp(token.logprobs[token.text]) / total
    weights[picked] += left
    return {name: round(weight, 6) for name, weight in weights.items()}


def _where(answer: str, picked: str) -> int:
    """Where the name stands in a JSON answer: as its `next`, or else where it stands last. -1: nowhere, as it is written there."""
    found = re.search(rf'"next"\s*:\s*"(?={re.escape(picked)}")', answer)
    return found.end() if found else answer.rfind(f'"{picked}"') + 1 or -1


def _spelling(odds: Iterable[TokenOdds], begin: int, end: int) -> Iterator[tuple[str, TokenOdds]]:
    """The tokens between two places of the answer: each with what was written since `begin`. The last may go beyond `end`.

    Of a token that starts before, what comes before is cut off, and so it is of those that might have stood there.
    """
    position, written = 0, ""
    for token in odds:
        start, position = position, position + len(token.text)
        if position <= begin or start >= end:
            continue
        lead = token.text[: max(begin - start, 0)]
        yield written, _without(lead, token)
        written += token.text[len(lead) :]


def _without(lead: str, token: TokenOdds) -> TokenOdds:
    if not lead:
        return token
    rests: dict[str, float] = {}
    for text, logprob in token.logprobs.items():
        if lead.isspace() or text.startswith(lead):
            rests.setdefault(text.lstrip() if lead.isspace() else text.removeprefix(lead), logprob)
    return TokenOdds(token.text.removeprefix(lead), rests)


def _leads_to(text: str, names: Iterable[str], closing: str) -> list[str]:
    """The names that what has been written may become, or is. With a closing quote, more may follow it."""
    begun = text.rstrip()
    return [name for name in names if begun and (f"{name}{closing}".startswith(begun) or (closing and begun.startswith(name + closing)))]
