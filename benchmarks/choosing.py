"""How well a similarity model chooses who speaks next: 45 messages to five people of a shop's desk, beside counting shared words.

`python -m benchmarks.choosing` prints it. The messages were written before the descriptions were tried, and none of either
was changed after that; eight messages are for nobody, and what is to be seen there is that the model is not sure.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import NamedTuple

from convgraph import LocalEmbedder, Message, SimilarityModel
from convgraph.protocols import Choices, ModelRequest

DESK = {
    "billing": "Invoices, payments, refunds, charges on a card, prices that are wrong on a bill.",
    "repairs": "Devices that are broken, do not start, make noises, overheat or show errors; how to fix them.",
    "deliveries": "Where a parcel is, when it arrives, wrong addresses, things damaged or lost on the way.",
    "accounts": "Passwords, logging in, changing an e-mail address, deleting an account, personal data.",
    "sales": "What we offer, advice before buying, quotes for many pieces, discounts, what is in stock.",
}

MESSAGES = {
    "billing": [
        "You took the money twice from my card.",
        "Could I have a receipt with our tax number on it?",
        "I sent everything back three weeks ago and am still waiting for my money.",
        "Why does it say 49 when the website said 39?",
        "Can I pay in three instalments?",
        "Your reminder says that I have not paid, but I have.",
        "Please send last month's invoice again.",
        "My bank says that the transfer bounced.",
    ],
    "repairs": [
        "It does not turn on any more.",
        "The fan is so loud that I cannot hear myself.",
        "Since the update it restarts every ten minutes.",
        "The screen has a green line on the left.",
        "It gets so hot that I burnt my fingers.",
        "A red light blinks four times, then nothing happens.",
        "Water got into the keyboard.",
        "The battery is empty after an hour.",
    ],
    "deliveries": [
        "It was supposed to be here on Tuesday.",
        "The tracking number is unknown to the carrier.",
        "The box was open and half of it was missing.",
        "I have moved house, can you still change where it goes?",
        "The driver left it in the rain.",
        "Do you ship to Norway, and how long does that take?",
        "Somebody else signed for my package.",
        "Can I pick it up at your warehouse instead?",
    ],
    "accounts": [
        "I forgot my password and the link does not come.",
        "Someone logged in from a country that I have never been to.",
        "Please remove everything that you know about me.",
        "How do I change the address that you write your mails to?",
        "It says that my user name is taken, but that is me.",
        "I want to close my profile.",
        "The code on my phone is never accepted.",
        "Stop sending me newsletters.",
    ],
    "sales": [
        "How much would twenty of them be for a school?",
        "Which one would you take for video editing?",
        "Is the blue one available again soon?",
        "Do students get it cheaper?",
        "What is the difference between the Pro and the Air?",
    ],
    "": [
        "Hello.",
        "Thanks, bye!",
        "The weather is lovely today.",
        "Who won the match yesterday?",
        "asdf",
        "Can you write a poem about the sea?",
        "What is the capital of Peru?",
        "Okay.",
    ],
}


class Told(NamedTuple):
    """A message, whose it is (nobody's: empty), who was chosen, and with which probability."""

    text: str
    whose: str
    chosen: str
    probability: float


async def by_meaning(model: SimilarityModel) -> list[Told]:
    """What the model makes of each message."""
    told: list[Told] = []
    for whose, texts in MESSAGES.items():
        for text in texts:
            reply = await model.respond(ModelRequest((), choices=Choices(DESK, "", [Message("user", text, "user")])))
            weights = reply.distribution.of if reply.distribution is not None else {}
            told.append(Told(text, whose, reply.content, weights[reply.content]))
    return told


def by_words() -> list[Told]:
    """Who shares most words with each message; where nobody shares one, the first."""
    words = {name: _words(f"{name} {text}") for name, text in DESK.items()}
    told: list[Told] = []
    for whose, texts in MESSAGES.items():
        for text in texts:
            shared = {name: len(_words(text) & known) for name, known in words.items()}
            best = max(shared, key=shared.__getitem__)
            told.append(Told(text, whose, best, 1.0 if shared[best] else 0.0))
    return told


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 3}


def accuracy(told: Sequence[Told]) -> float:
    """Of the messages that are somebody's, the share that went there."""
    wanted = [each for each in told if each.whose]
    return sum(each.chosen == each.whose for each in wanted) / len(wanted)


def report(told: Sequence[Told], thresholds: Sequence[float] = (0.0, 0.3, 0.35, 0.4, 0.5)) -> str:
    """For each threshold: how many of those messages are chosen for, how many of these rightly, how many of nobody's are let be."""
    wanted, idle = [each for each in told if each.whose], [each for each in told if not each.whose]
    lines = ["unsure_below  chosen for  rightly  nobody's left alone"]
    for threshold in thresholds:
        sure = [each for each in wanted if each.probability >= threshold]
        right = sum(each.chosen == each.whose for each in sure)
        left = sum(each.probability < threshold for each in idle)
        lines.append(f"{threshold:12.2f}  {len(sure):3} of {len(wanted)}   {right / max(len(sure), 1):6.0%}   {left} of {len(idle)}")
    return "\n".join(lines)


def main() -> None:
    """Print the comparison."""
    told = asyncio.run(by_meaning(SimilarityModel(LocalEmbedder())))
    print(f"by meaning: {accuracy(told):.0%} right; by shared words: {accuracy(by_words()):.0%} right\n")
    print(report(told))
    print("\nwrong:")
    for each in told:
        if each.whose and each.chosen != each.whose:
            print(f"  {each.probability:.2f} {each.chosen:10} for {each.whose:10} {each.text}")


if __name__ == "__main__":
    main()
