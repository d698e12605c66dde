"""Booking a trip: each tool call is an effect, made once, and what was booked is given back when a later step fails.

Shows: tools with idempotency keys, a node that is retried, an error edge that leads to compensation.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from pydantic import BaseModel, Field

from convgraph import END, AssistantAgent, Context, ConversationGraph, Limits, Reply, Retry

AGENCY = Path("agency.db")
PRICE = {"flight": 180, "hotel": 90}
CARD_LIMIT = 1_000


class Plan(BaseModel):
    """What the planner makes of the traveller's wish."""

    city: str
    nights: int = Field(ge=1)


class Trip(BaseModel):
    """What is booked so far."""

    city: str = ""
    nights: int = 0
    flight: str = ""
    hotel: str = ""
    paid: bool = False


class CardDeclined(Exception):
    """The card's limit is too low."""


planner = AssistantAgent("planner", "You read a travel wish: the city, and the number of nights.", response_format=Plan)


async def book_flight(ctx: Context) -> Reply:
    """Books the flight."""
    plan = Plan.model_validate(ctx.messages[-1].data)
    number = await ctx.effect("book_flight", book, "flight", plan.city, idempotent=True)
    return Reply(f"Flight to {plan.city} booked: {number}.", update={"city": plan.city, "nights": plan.nights, "flight": number})


async def book_hotel(ctx: Context) -> Reply:
    """Books the hotel."""
    number = await ctx.effect("book_hotel", book, "hotel", ctx.state.city, idempotent=True)
    return Reply(f"{ctx.state.nights} nights in {ctx.state.city} booked: {number}.", update={"hotel": number})


async def pay(ctx: Context) -> Reply:
    """Charges the card."""
    amount = PRICE["flight"] + PRICE["hotel"] * ctx.state.nights
    receipt = await ctx.effect("charge_card", charge_card, amount, idempotent=True)
    return Reply(f"{amount} € paid, receipt {receipt}.", update={"paid": True})


async def give_back(ctx: Context) -> str:
    """Cancels what was booked before something failed."""
    why = ctx.error.message
    booked = [number for number in (ctx.state.flight, ctx.state.hotel) if number]
    for number in booked:
        await ctx.effect("cancel", cancel, number, idempotent=True)
    return f"Not booked: {why}. Cancelled again: {', '.join(booked) or 'nothing'}."


def book(kind: str, city: str, idempotency_key: str) -> str:
    """Stands for an agency's booking service: the same key gives the same booking."""
    with closing(_agency()) as db, db:
        db.execute("INSERT OR IGNORE INTO bookings(key, kind, city) VALUES(?, ?, ?)", (idempotency_key, kind, city))
        (number,) = db.execute("SELECT number FROM bookings WHERE key = ?", (idempotency_key,)).fetchone()
    return f"{kind[0].upper()}{number}"


def cancel(number: str) -> None:
    """The agency's cancellation; cancelling twice changes nothing."""
    with closing(_agency()) as db, db:
        db.execute("UPDATE bookings SET cancelled = 1 WHERE number = ?", (int(number[1:]),))


def charge_card(amount: int, idempotency_key: str) -> str:
    """Stands for the bank."""
    if amount > CARD_LIMIT:
        raise CardDeclined(f"{amount} € is above the card's limit of {CARD_LIMIT} €")
    return idempotency_key.split(":", 1)[1]


def _agency() -> sqlite3.Connection:
    db = sqlite3.connect(AGENCY)
    db.execute("CREATE TABLE IF NOT EXISTS bookings(number INTEGER PRIMARY KEY, key TEXT UNIQUE, kind, city, cancelled DEFAULT 0)")
    return db


graph = ConversationGraph("booking", state=Trip, limits=Limits(turns=10))
graph.add_node(planner)
graph.add_node(book_flight, retry=Retry(attempts=3, wait=0.05))
graph.add_node(book_hotel, retry=Retry(attempts=3, wait=0.05))
graph.add_node(pay)
graph.add_node(give_back)
graph.add_edge(planner, book_flight)
graph.add_edge(book_flight, book_hotel)
graph.add_edge(book_hotel, pay)
graph.add_edge(pay, END, label="booked")
for node in (book_flight, book_hotel, pay):
    graph.add_edge(node, give_back, on="error")
graph.add_edge(give_back, END, label="given back")
graph.set_start(planner)

INPUT = "Three nights in Lisbon, please."
PARTS = {
    "You read a travel wish": lambda request: {"city": "Lisbon", "nights": 30 if "Thirty" in str(request["messages"][-1]) else 3},
}


if __name__ == "__main__":
    from stage import endpoint, tell

    with endpoint(PARTS):
        tell(graph.run(INPUT, store="booking.db"))
        tell(graph.run("Thirty nights in Lisbon, please.", store="booking.db"))
