"""A refund that a person has to approve: the run parks, its process ends, and another process brings the answer.

Shows: `ctx.ask` with a typed answer, a run that waits, resuming it elsewhere, a payment that is made once.
"""

import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel, Field

from convgraph import END, AssistantAgent, Context, ConversationGraph, Limits, Reply

NO_QUESTIONS_ASKED = 50
STORE, LEDGER = "approval.db", Path("payments.csv")


class Refund(BaseModel):
    """What the clerk proposes, and the conversation's state."""

    customer: str = ""
    amount: float = Field(default=0, ge=0, description="euros")
    reason: str = ""
    approved: bool = False


class Decision(BaseModel):
    """What a person answers."""

    approved: bool
    note: str = ""


clerk = AssistantAgent("clerk", "You read complaints and propose a refund.", response_format=Refund)
writer = AssistantAgent("writer", "You tell customers, in one friendly sentence, what was decided about their refund.")


def check_proposal(ctx: Context) -> Reply:
    """Puts the proposal into the state; the approval is not the model's to give."""
    proposed = Refund.model_validate(ctx.messages[-1].data)
    return Reply(update={**proposed.model_dump(), "approved": proposed.amount <= NO_QUESTIONS_ASKED})


async def ask_manager(ctx: Context) -> Reply:
    """Asks a person, who may take a week."""
    refund = ctx.state
    prompt = f"Refund {refund.amount:.2f} € to {refund.customer} ({refund.reason})?"
    decision = await ctx.ask(prompt, id="refund", schema=Decision)
    said = "Approved." if decision.approved else "Not approved."
    return Reply(f"{said} {decision.note}".strip(), update={"approved": decision.approved})


async def pay(ctx: Context) -> str:
    """Pays, once."""
    receipt = await ctx.effect("pay", transfer, ctx.state.customer, ctx.state.amount, idempotent=True)
    return f"Paid, receipt {receipt}."


def transfer(customer: str, amount: float, idempotency_key: str) -> str:
    """Stands for the bank: a transfer with a key that it has seen before is not made again."""
    made = LEDGER.read_text(encoding="utf-8").splitlines() if LEDGER.exists() else []
    if not any(line.startswith(f"{idempotency_key};") for line in made):
        LEDGER.write_text("\n".join([*made, f"{idempotency_key};{customer};{amount:.2f}\n"]), encoding="utf-8")
    return idempotency_key.split(":", 1)[1]


graph = ConversationGraph("approval", state=Refund, limits=Limits(turns=10))
for node in (clerk, check_proposal, ask_manager, pay, writer):
    graph.add_node(node)
graph.add_edge(clerk, check_proposal)
graph.add_edge(check_proposal, pay, when="state.approved", label="small enough")
graph.add_edge(check_proposal, ask_manager)
graph.add_edge(ask_manager, pay, when="state.approved", label="approved")
graph.add_edge(ask_manager, writer, label="refused")
graph.add_edge(pay, writer)
graph.add_edge(writer, END)
graph.set_start(clerk)

INPUT = "My espresso machine (order #1044, 240 €) leaked through the kitchen floor. I want my money back. Ada Byron"
ANSWERS = {"refund": {"approved": True, "note": "Send her a descaler, too."}}
PARTS = {
    "You read complaints": [{"customer": "Ada Byron", "amount": 240, "reason": "the machine leaked", "approved": True}],
    "You tell customers": ["Dear Ada, your 240 € are on their way, and so is a descaler."],
}


def _answer(run_id: str) -> None:
    """What the other process does."""
    from stage import tell

    tell(graph.resume(run_id, store=STORE, answers=ANSWERS))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        _answer(sys.argv[1])
        sys.exit()

    from stage import endpoint

    with endpoint(PARTS):
        parked = graph.run(INPUT, store=STORE, human="park")
        for question in parked.questions:
            print(f"{parked.status} for an answer to {question.id!r}: {question.prompt}")
        print("This process could end here. Another one brings the answer:\n", flush=True)
        subprocess.run([sys.executable, __file__, parked.run_id], check=True)
