"""A support desk: a model chooses the desk among those that the rules allow, and one desk is a conversation of its own.

Shows: a model-chosen speaker (`select="auto"`) with a fallback, a guard that takes a choice away from the model, a tool as
an effect, a sub-conversation as a node (and what happens when it gets nowhere), and going on with an ended conversation.
"""

import re

from pydantic import BaseModel

from convgraph import END, AssistantAgent, Context, ConversationGraph, Limits, Reply

ORDERS = {"1042": "coffee grinder, paid 39.00 €, sent on Monday", "1043": "kettle, paid 54.00 €, waiting for payment"}
MANUAL = {
    "stuck": "If the crank is stuck, open the burrs by two notches and turn backwards once.",
    "coarse": "If the grounds are too coarse, close the burrs by one notch at a time.",
}


class Ticket(BaseModel):
    """What is known of the customer's question."""

    order: str = ""


def triage(ctx: Context) -> Reply:
    """Looks for an order number in what the customer says."""
    found = re.search(r"#(\d+)", ctx.messages[-1].text)
    return Reply(update={"order": found.group(1) if found else ""})


async def billing(ctx: Context) -> str:
    """Answers questions on payment and delivery of an order whose number is known."""
    order = ctx.state.order
    found = await ctx.effect("look_up_order", look_up_order, order, idempotent=True)
    return f"Order #{order}: {found}." if found else f"There is no order #{order} here; please look at your receipt again."


def look_up_order(order: str) -> str | None:
    """Stands for a query to the shop's database."""
    return ORDERS.get(order)


def search_manual(ctx: Context) -> str:
    """Finds the manual's paragraphs on what was said last."""
    question = ctx.messages[-1].text.lower()
    return "\n".join(text for word, text in MANUAL.items() if word in question) or "The manual says nothing on this."


engineer = AssistantAgent(
    "engineer", "You solve technical problems from the manual. Begin with SOLVED, or else ask for one word to look up in the manual."
)
technical = ConversationGraph("technical", limits=Limits(turns=6))
technical.add_node(search_manual)
technical.add_node(engineer)
technical.add_edge(search_manual, engineer)
technical.add_edge(engineer, END, when='last.content.startsWith("SOLVED")')
technical.add_edge(engineer, search_manual, label="look further")
technical.set_start(search_manual)

general = AssistantAgent("general", "You answer everything else, briefly.", description="Answers everything else.")

graph = ConversationGraph("router", state=Ticket, limits=Limits(turns=10))
graph.add_node(triage, select="auto", fallback="general")
graph.add_node(billing)
graph.add_node(technical, description="Helps with a machine that does not work as it should.")
graph.add_node(general)
graph.add_edge(triage, billing, when='state.order != ""', label="about an order")
graph.add_edge(triage, technical, label="something does not work")
graph.add_edge(triage, general, label="anything else")
for desk in (billing, technical, general):
    graph.add_edge(desk, END)
graph.add_edge(technical, general, on="error", label="not solved")
graph.set_start(triage)

INPUT = "The crank of my grinder is stuck."


def choose_desk(request: dict) -> dict:
    """The stand-in's choice, which the real model makes by reading."""
    allowed = request["response_format"]["json_schema"]["schema"]["properties"]["next"]["enum"]
    text = request["messages"][-1]["content"]
    return {"next": "billing" if "billing" in allowed else "technical" if "stuck" in text else "general"}


PARTS = {
    "You choose who speaks next": choose_desk,
    "You solve technical": ["Please look up: stuck", "SOLVED: open the burrs by two notches, then turn the crank backwards once."],
    "You answer everything else": ["We are open from 9 to 17."],
}


if __name__ == "__main__":
    from stage import endpoint, tell

    with endpoint(PARTS):
        first = graph.run(INPUT, store="router.db")
        tell(first)
        tell(graph.continue_(first.run_id, "Thanks. And where is my order #1042?", store="router.db"))
