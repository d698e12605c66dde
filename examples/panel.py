"""A panel of critics that read the same text at the same time: two ask a model, one is plain code.

Shows: `Parallel`, a reducer for the field that all branches write, a model called from a function, a revision loop.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from pydantic import BaseModel

from convgraph import END, AssistantAgent, Context, ConversationGraph, Limits, OpenAIChatModel, Parallel, Reducer, Reply
from convgraph.protocols import ModelRequest

FORBIDDEN = re.compile(r"\b(guaranteed?|always|never fails?|100 ?%)", re.IGNORECASE)


class Verdict(BaseModel):
    """What a critic answers: an empty objection is a yes."""

    objection: str


def latest(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    """Each critic's latest objection; those that are settled go."""
    return {critic: objection for critic, objection in {**old, **new}.items() if objection}


class Text(BaseModel):
    """The objections that stand."""

    objections: Annotated[dict[str, str], Reducer(latest)] = {}


def legal(ctx: Context) -> Reply:
    """Finds promises that nobody can keep."""
    found = FORBIDDEN.search(ctx.messages[-1].text)
    return _reply("legal", f"{found.group()!r} is a promise that we cannot keep." if found else "")


def critic(name: str, aspect: str) -> Callable[[Context], Awaitable[Reply]]:
    """A critic that asks a model about one aspect of the last message."""
    model = OpenAIChatModel()
    system = f"You judge the {aspect} of an advertisement. Give your objection in one sentence, or an empty one."

    async def judge(ctx: Context) -> Reply:
        request = ModelRequest(ctx.messages[-1:], name, system, schema=Verdict.model_json_schema(), schema_name="verdict")
        answer = await ctx.call_model(model, request)
        return _reply(name, Verdict.model_validate(answer.data).objection)

    judge.__name__, judge.__doc__ = name, f"Judges the {aspect}."
    return judge


def _reply(name: str, objection: str) -> Reply:
    return Reply(objection or "no objection", update={"objections": {name: objection}})


writer = AssistantAgent("writer", "You write advertisements of one sentence. Answer with the sentence alone; meet every objection.")

graph = ConversationGraph("panel", state=Text, limits=Limits(visits={"panel": 4}))
graph.add_node(writer)
graph.add_node(Parallel(legal, critic("style", "style"), critic("facts", "facts")), name="panel")
graph.add_edge(writer, "panel")
graph.add_edge("panel", END, when="size(state.objections) == 0", label="nobody objects")
graph.add_edge("panel", writer, label="revise")
graph.set_start(writer)

INPUT = "Advertise a kettle that boils a litre in three minutes."
PARTS = {
    "You write advertisements": [
        "The kettle that never fails: guaranteed to delight, and very, very fast!",
        "A litre of boiling water in three minutes.",
    ],
    "You judge the style": lambda request: {"objection": "Once 'very' is enough." if "very, very" in str(request["messages"][-1]) else ""},
    "You judge the facts": lambda request: {"objection": "" if "three minutes" in str(request["messages"][-1]) else "How fast is it?"},
}


if __name__ == "__main__":
    from stage import endpoint, tell

    with endpoint(PARTS):
        tell(graph.run(INPUT))
