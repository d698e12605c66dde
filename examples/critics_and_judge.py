"""A debate: two sides argue, critics judge each round at the same time, and a judge says when there is nothing left to argue.

Shows: AutoGen's agents as nodes of a graph, `Parallel` critics that do not hear each other, a typed ruling that the transitions
read, a bound on the rounds that leads to a ruling all the same.
"""

from typing import Literal

from pydantic import BaseModel

import convgraph as autogen

ROUNDS = 3


class Ruling(BaseModel):
    """What the judge answers: who wins, or that the debate goes on."""

    winner: Literal["for", "against", "undecided"]
    reason: str


class LastRuling(Ruling):
    """What the judge answers when there is no further round."""

    winner: Literal["for", "against"]


def debater(name: str, side: str) -> autogen.AssistantAgent:
    """Somebody who argues for one side."""
    return autogen.AssistantAgent(
        name,
        f"You argue {side} the motion, one point of at most two sentences in a turn. Answer the other side's last point, and mend what "
        "the critics find wrong with yours.",
    )


def critic(aspect: str) -> autogen.AssistantAgent:
    """Somebody who judges one aspect of what both sides said last."""
    return autogen.AssistantAgent(
        aspect, f"You judge the {aspect} of the last point of each side of a debate, in one sentence, and take no side."
    )


def judge(name: str, answer: type[BaseModel], rule: str) -> autogen.AssistantAgent:
    """Somebody who says who wins."""
    return autogen.AssistantAgent(
        name, f"You are the {name} of a debate. Weigh the points by what the critics say of them. {rule}", response_format=answer
    )


speaker_for, speaker_against = debater("speaker_for", "for"), debater("speaker_against", "against")
referee = judge("referee", Ruling, "Say who wins, or 'undecided' where another round may bring something new.")
last_referee = judge("last_referee", LastRuling, "There is no further round: say who wins.")

graph = autogen.ConversationGraph("critics_and_judge", limits=autogen.Limits(turns=20))
for node in (speaker_for, speaker_against, referee, last_referee):
    graph.add_node(node)
graph.add_node(autogen.Parallel(critic("evidence"), critic("logic"), critic("fairness")), name="critics")
graph.add_edge(speaker_for, speaker_against)
graph.add_edge(speaker_against, "critics")
graph.add_edge("critics", last_referee, when=f"visits.critics >= {ROUNDS}", label="the last round")
graph.add_edge("critics", referee)
graph.add_edge(referee, autogen.END, when='last.data.winner != "undecided"', label="a side has won")
graph.add_edge(referee, speaker_for, label="undecided: another round")
graph.add_edge(last_referee, autogen.END)
graph.set_start(speaker_for)

INPUT = "The motion: this town should close its centre to cars."
PARTS = {
    "You argue for": [
        "Streets without cars are safer.",
        "In the three years since Millbrook closed its centre, a quarter fewer people have been hurt there.",
    ],
    "You argue against": [
        "Everybody knows that shops die without parking.",
        "Millbrook has trams on every second street. This town has one bus line, and whoever cannot walk far needs a car.",
    ],
    "You judge the evidence": [
        "Neither side gives any.",
        "The first side has a number and a place; the second names the difference between the two towns.",
    ],
    "You judge the logic": ["'Everybody knows' is no argument.", "Both points follow."],
    "You judge the fairness": ["Both let the other finish.", "Both answer what the other said."],
    "You are the referee": [
        {"winner": "undecided", "reason": "Two claims and no evidence."},
        {"winner": "against", "reason": "What worked in Millbrook does not carry over without the trams."},
    ],
    "You are the last_referee": [{"winner": "against", "reason": "The other side has not answered who cannot walk."}],
}


if __name__ == "__main__":
    from stage import endpoint, tell

    with endpoint(PARTS):
        print("Drawn to", graph.draw("critics_and_judge.svg"), end="\n\n")
        tell(graph.run(INPUT, store="critics_and_judge.db"))
