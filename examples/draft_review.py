"""A draft-review loop: code measures each draft, a reviewer scores it, and a limit ends the loop with the best one so far.

Shows: typed state, code between agents, a structured answer, guards over the state, a limit edge.
"""

from pydantic import BaseModel, Field

from convgraph import END, AssistantAgent, Context, ConversationGraph, Limits, Reply

MAX_WORDS = 25


class Article(BaseModel):
    """The conversation's state: where the article stands."""

    draft: str = ""
    words: int = 0
    score: int = 0
    best: str = ""
    best_score: int = -1


class Review(BaseModel):
    """What the reviewer answers."""

    score: int = Field(ge=0, le=10)
    advice: str


def measure(ctx: Context) -> Reply:
    """Counts the words of the draft and sends one that is too long back."""
    draft = ctx.messages[-1].text
    words = len(draft.split())
    complaint = f"That has {words} words; at most {MAX_WORDS} fit on the page." if words > MAX_WORDS else None
    return Reply(complaint, update={"draft": draft, "words": words})


def record(ctx: Context) -> Reply:
    """Notes the score, and keeps the best draft so far."""
    score = Review.model_validate(ctx.messages[-1].data).score
    if score <= ctx.state.best_score:
        return Reply(update={"score": score})
    return Reply(update={"score": score, "best": ctx.state.draft, "best_score": score})


def publish(ctx: Context) -> str:
    """Gives the best draft."""
    return ctx.state.best


writer = AssistantAgent("writer", f"You write abstracts of at most {MAX_WORDS} words. Answer with the abstract alone; take every advice.")
reviewer = AssistantAgent("reviewer", "You review abstracts: a score from 0 to 10, and one piece of advice.", response_format=Review)

graph = ConversationGraph("draft_review", state=Article, limits=Limits(turns=40, visits={"record": 3}))
graph.add_node(writer)
graph.add_node(measure)
graph.add_node(reviewer)
graph.add_node(record)
graph.add_node(publish)
graph.add_edge(writer, measure)
graph.add_edge(measure, writer, when=f"state.words > {MAX_WORDS}", label="too long")
graph.add_edge(measure, reviewer)
graph.add_edge(reviewer, record)
graph.add_edge(record, publish, when="state.score >= 8", label="good enough")
graph.add_edge(record, writer, label="revise")
graph.add_edge(record, publish, on="limit", label="three reviews are enough")
graph.add_edge(publish, END)
graph.set_start(writer)

INPUT = "Write the abstract of a paper on why tea cools more slowly in a covered cup."
PARTS = {
    "You write abstracts": [
        "We put tea into cups, some with a cover on top and some of them without, and waited for quite a while to see how warm it was.",
        "We measured how tea cools with and without a cover, and found that it makes a difference.",
        "Tea in a covered cup stayed above 60 °C for 31 minutes, uncovered for 14: evaporation, not conduction, carries most heat away.",
    ],
    "You review abstracts": [
        {"score": 4, "advice": "Say what you found, with a number."},
        {"score": 9, "advice": "Nothing left to change."},
    ],
}


if __name__ == "__main__":
    from stage import endpoint, tell

    with endpoint(PARTS):
        tell(graph.run(INPUT))
