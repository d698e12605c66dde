"""What is measured, and the marks to reach: the whole benchmark as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Figures = Mapping[str, float]
"""The medians of one measurement: rate, seconds, flatness, written, stored, grown, whole …"""

FLOOR, PEER, PEER_BEST, AUTOGEN, OURS = "floor", "LangGraph", "LG best", "AutoGen", "convgraph"
COLUMNS = (FLOOR, PEER, PEER_BEST, AUTOGEN, OURS)
PAYLOAD = 200
OFTEN, SOMETIMES, ONCE = 9, 3, 1


@dataclass(frozen=True)
class Measurement:
    """One contestant at one workload: repeated `times`, each time in a process of its own."""

    row: str
    column: str
    contestant: str
    workload: str
    n: int
    times: int = OFTEN
    synchronous: str = "FULL"


@dataclass(frozen=True)
class Mark:
    """A bound on a line's figure: absolute, or as a multiple of another column's."""

    bound: float
    of: str = ""
    at_most: bool = False

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.bound:g} × {self.of}" if self.of else f"{sign} {self.bound:,g}"

    def met(self, values: Mapping[str, float]) -> bool | None:
        """Whether the figures meet it; None where one is missing."""
        if OURS not in values or (self.of and self.of not in values):
            return None
        bound = self.bound * (values[self.of] if self.of else 1.0)
        return values[OURS] <= bound if self.at_most else values[OURS] >= bound


@dataclass(frozen=True)
class Line:
    """One line of the table: which measurements, which of their figures, and the marks."""

    title: str
    row: str
    figure: Callable[[Figures], float]
    marks: tuple[Mark, ...] = ()


def _row(row: str, n: int, *entries: tuple[str, str, str, int], synchronous: str = "FULL") -> list[Measurement]:
    return [Measurement(row, column, contestant, workload, n, times, synchronous) for column, contestant, workload, times in entries]


MEASUREMENTS: tuple[Measurement, ...] = (
    *_row(
        "b1",
        1_000,
        (FLOOR, "floor", "b1", OFTEN),
        (PEER, "langgraph", "b1", SOMETIMES),
        (PEER_BEST, "langgraph", "b1_dicts", SOMETIMES),
        (AUTOGEN, "autogen", "b1", SOMETIMES),
        (OURS, "convgraph", "b1", OFTEN),
    ),
    *_row(
        "b1_long",
        10_000,
        (FLOOR, "floor", "b1", OFTEN),
        (PEER_BEST, "langgraph", "b1_dicts", ONCE),
        (AUTOGEN, "autogen", "b1", ONCE),
        (OURS, "convgraph", "b1", OFTEN),
    ),
    *_row("b2_short", 100, (PEER, "langgraph", "b2", ONCE), (PEER_BEST, "langgraph", "b2_delta", ONCE), (OURS, "convgraph", "b2", ONCE)),
    *_row(
        "b2",
        1_000,
        (FLOOR, "floor", "b2", OFTEN),
        (PEER, "langgraph", "b2", SOMETIMES),
        (PEER_BEST, "langgraph", "b2_delta", SOMETIMES),
        (AUTOGEN, "autogen", "b2", SOMETIMES),
        (OURS, "convgraph", "b2", OFTEN),
    ),
    *_row(
        "b2_long",
        10_000,
        (FLOOR, "floor", "b2", SOMETIMES),
        (PEER_BEST, "langgraph", "b2_delta", ONCE),
        (OURS, "convgraph", "b2", SOMETIMES),
    ),
    *_row(
        "b2_normal",
        1_000,
        (FLOOR, "floor", "b2", OFTEN),
        (PEER_BEST, "langgraph", "b2_delta", ONCE),
        (OURS, "convgraph", "b2", OFTEN),
        synchronous="NORMAL",
    ),
    *_row("b2_model", 1_000, (FLOOR, "floor", "b2", OFTEN), (OURS, "convgraph", "b2_model", OFTEN)),
    *_row(
        "b4",
        1_000,
        (FLOOR, "floor", "b4", OFTEN),
        (PEER, "langgraph", "b4", SOMETIMES),
        (AUTOGEN, "autogen", "b4", SOMETIMES),
        (OURS, "convgraph", "b4", OFTEN),
    ),
    *_row(
        "b5",
        1_000,
        (FLOOR, "floor", "b5", SOMETIMES),
        (PEER_BEST, "langgraph", "b5", ONCE),
        (AUTOGEN, "autogen", "b5", ONCE),
        (OURS, "convgraph", "b5", SOMETIMES),
    ),
    *_row(
        "b6",
        1,
        (FLOOR, "floor", "pydantic.main, pydantic.type_adapter", OFTEN),
        (PEER, "langgraph", "langgraph.graph", SOMETIMES),
        (AUTOGEN, "autogen", "autogen_agentchat.teams", SOMETIMES),
        (OURS, "convgraph", "convgraph.conversation", OFTEN),
    ),
    *_row("b6_bare", 1, (FLOOR, "floor", "pydantic", OFTEN), (OURS, "convgraph", "convgraph", OFTEN)),
    *_row(
        "b7",
        1_000,
        (FLOOR, "floor", "b7", OFTEN),
        (PEER, "langgraph", "b7", SOMETIMES),
        (AUTOGEN, "autogen", "b7", SOMETIMES),
        (OURS, "convgraph", "b7", OFTEN),
    ),
)


def _megabytes(name: str) -> Callable[[Figures], float]:
    return lambda figures: figures[name] / 1e6


def _milliseconds(name: str) -> Callable[[Figures], float]:
    return lambda figures: figures[name] * 1e3


def _plain(name: str) -> Callable[[Figures], float]:
    return lambda figures: figures[name]


LINES: tuple[Line, ...] = (
    Line("B1 steps/s, nothing stored, 1,000 turns", "b1", _plain("rate"), (Mark(35_000), Mark(16, PEER_BEST))),
    Line("B1 steps/s, nothing stored, 10,000 turns", "b1_long", _plain("rate"), (Mark(35_000),)),
    Line("   rate of its last tenth ÷ second tenth", "b1_long", _plain("flatness"), (Mark(0.95),)),
    Line("B2 steps/s, SQLite, FULL, 1,000 turns", "b2", _plain("rate"), (Mark(0.5, FLOOR), Mark(20, PEER), Mark(4.5, PEER_BEST))),
    Line("   MB written for 1,000 turns", "b2", _megabytes("written"), (Mark(10, at_most=True),)),
    Line("   bytes stored per turn", "b2", lambda figures: figures["stored"] / 1_000, (Mark(PAYLOAD + 1_000, at_most=True),)),
    Line("   size of 1,000 turns ÷ size of 100", "b2", _plain("growth"), (Mark(11, at_most=True),)),
    Line("B2 steps/s, SQLite, FULL, 10,000 turns", "b2_long", _plain("rate")),
    Line("   rate ÷ its own at 1,000 turns", "b2_long", _plain("steady"), (Mark(0.9),)),
    Line("B2 steps/s, SQLite, NORMAL, 1,000 turns", "b2_normal", _plain("rate"), (Mark(10_000),)),
    Line("B2 steps/s, FULL, a model call in each turn", "b2_model", _plain("rate"), (Mark(0.3, FLOOR),)),
    Line("B4 ms to resume 1,000 messages, imports not counted", "b4", _milliseconds("seconds"), (Mark(15, at_most=True),)),
    Line("   ms for the whole process", "b4", _milliseconds("whole"), (Mark(300, at_most=True),)),
    Line("B5 s for 1,000 conversations × 20 turns at once", "b5", _plain("seconds"), (Mark(2.0, at_most=True),)),
    Line("   MB of memory at the peak", "b5", _megabytes("peak"), (Mark(100, at_most=True),)),
    Line("B6 ms to import the package", "b6_bare", _milliseconds("seconds"), (Mark(180, at_most=True),)),
    Line("   ms to have its graph class at hand", "b6", _milliseconds("seconds"), (Mark(2.15, FLOOR, at_most=True),)),
    Line("   MB of memory that it takes", "b6", _megabytes("grown"), (Mark(35, at_most=True),)),
    Line("B7 rounds/s, six members, a model selects", "b7", _plain("rate"), (Mark(5_000),)),
    Line("   rate of its last tenth ÷ first tenth", "b7", _plain("ends"), (Mark(0.9),)),
)

NOTES = (
    "Each measurement is a process of its own; contestants take turns within a round; figures are medians over the rounds.",
    "A step is one agent's reply: 200 characters that never repeat, by an async function; a guard ends the run after N turns.",
    "Before it is measured each worker does its workload once with two turns, and what that left behind is collected; in B4 what is",
    "loaded at first use is imported before the clock starts (the whole process counts it): rates are without first-time loading.",
    "floor: the same work in bare Python and SQLite. In B6 it is pydantic (models and adapters); in B5 it commits for all who wait.",
    "LangGraph: MessagesState; LG best: plain dicts (B1, B5) or DeltaChannel, beta (B2). AutoGen: autogen-agentchat, its state",
    "written to a JSON file with fsync (B2, B4). Every step is durable in B2, B4 and, for floor and convgraph, in B5.",
    "B7: LangGraph by a supervisor written by hand (a function answers), AutoGen and convgraph by a model that answers at once.",
    "Left out: LangGraph's MessagesState at 10,000 turns (minutes; 10 GB when stored); AutoGen's stored 10,000 turns (everything",
    "rewritten at each step); a model call in each turn (B2) for the others, who do not record one; PostgreSQL.",
)
