"""What if? A finished run is forked at its first step, once for each audience, and the outcomes are compared.

Shows: `fork` with an edited message (the shared steps are neither copied nor paid again), code that grades, a loop with a limit.
"""

import re

from pydantic import BaseModel

from convgraph import END, AssistantAgent, Context, ConversationGraph, Limits, Reply

LONG_WINDED = 14.0


class Pitch(BaseModel):
    """The pitch and how it reads."""

    text: str = ""
    words_per_sentence: float = 0


researcher = AssistantAgent("researcher", "You collect three facts about a product, separated by semicolons.")
writer = AssistantAgent("writer", "You write a pitch out of the facts, for the audience that the briefing names.")


def brief(_: Context) -> str:
    """Says for whom it is."""
    return "Write for engineers."


def grade(ctx: Context) -> Reply:
    """Measures how long the sentences are."""
    text = ctx.messages[-1].text
    sentences = [sentence for sentence in re.split(r"[.!?]+", text) if sentence.strip()]
    average = len(text.split()) / max(len(sentences), 1)
    verdict = f"{average:.0f} words a sentence."
    return Reply(verdict, update={"text": text, "words_per_sentence": average})


graph = ConversationGraph("fork_compare", state=Pitch, limits=Limits(visits={"grade": 3}))
graph.add_node(researcher)
graph.add_node(brief)
graph.add_node(writer)
graph.add_node(grade)
graph.add_edge(researcher, brief)
graph.add_edge(brief, writer)
graph.add_edge(writer, grade)
graph.add_edge(grade, writer, when=f"state.words_per_sentence > {LONG_WINDED}", label="too long-winded")
graph.add_edge(grade, END)
graph.set_start(researcher)

INPUT = "The hand-cranked grinder."


def pitch(request: dict) -> str:
    """The stand-in's pitch: long-winded at first for engineers, short for children."""
    texts = [message["content"] for message in request["messages"]]
    if "Write for children." in texts:
        return "Turn the handle. Hear it crunch. Smell the coffee!"
    if any("words a sentence" in text for text in texts):
        return "Steel burrs, 30 g in a minute. No cable, no motor, no noise."
    return "Owing to its burrs of hardened steel it grinds 30 g of beans in a minute, and since it has no motor it makes no noise at all."


PARTS = {"You collect three facts": ["steel burrs; 30 g a minute; no motor"], "You write a pitch": pitch}


if __name__ == "__main__":
    from stage import endpoint, tell

    from convgraph import open_store

    with endpoint(PARTS), open_store("fork_compare.db") as store:
        engineers = graph.run(INPUT, store=store)
        tell(engineers)
        fork = graph.fork(engineers.run_id, store=store, at=2, message="Write for children.")
        children = graph.resume(fork, store=store)
        tell(children)
        for name, result in (("engineers", engineers), ("children", children)):
            print(f"{name:>10}  {result.state.words_per_sentence:4.1f} words a sentence  {result.state.text}")
