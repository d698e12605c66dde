"""Taught once, known from then on: an assistant is told a fact and shown a program, uses both in a later run, and forgets on demand.

Shows: `TeachableAgent`, facts in the same file as the runs, a skill that is code and is really run, forgetting as a tool, and four runs
that share no word of their conversations. Each of them can be killed, resumed and replayed; nothing is learnt twice.
"""

import re
import sys
from pathlib import Path
from typing import Any

import convgraph as autogen

STORE = "teaching.db"

assistant = autogen.TeachableAgent(
    "assistant",
    "You are an assistant of a small mail-order firm, who can be taught. What you have been taught comes as notes. Where code is called "
    "for, write it whole in one python block; it is run for you. When nothing is left to be done, end with the word TERMINATE.",
    namespace="firm/{sender}",
)


def is_done(message: dict[str, Any]) -> bool:
    """Whether the assistant has nothing left to do."""
    return str(message.get("content") or "").rstrip().endswith("TERMINATE")


ada = autogen.UserProxyAgent(
    "ada",
    human_input_mode="NEVER",
    is_termination_msg=is_done,
    max_consecutive_auto_reply=3,
    code_execution_config={"executor": "bubblewrap", "bubblewrap": {"timeout": 30}},
    default_auto_reply="Go on, or say TERMINATE.",
)

LESSON = """Our customers pay in Czech korunas (Kč). And this is how the weekly report is made:
```python
def report(orders, currency):
    totals = {}
    for line in orders.split():
        city, amount = line.split(":")
        totals[city] = totals.get(city, 0) + int(amount)
    for city in sorted(totals, key=totals.get, reverse=True):
        print(f"{city}: {totals[city]} {currency}")
    print(f"All: {sum(totals.values())} {currency}")
```"""
WORK = "Please make the weekly report, in the currency of our customers. The orders: Brno:120 Ostrava:75 Brno:65 Opava:90"
FORGET = "Please forget which currency our customers pay in: that changes."
QUESTION = "In which currency do our customers pay?"

MESSAGES = (LESSON, WORK, FORGET, QUESTION)
"""What Ada says, each in a run of its own."""

graph = assistant.chat_graph(ada)


def chat(*, store: Any = None, run_id: str | None = None, **options: Any) -> list[autogen.ChatResult]:
    """Have the chats, each as a run; the options are those of `initiate_chat`. What is learnt is kept where the runs are."""
    results: list[autogen.ChatResult] = []
    with autogen.open_facts(store or ":memory:") as facts:
        for message in MESSAGES:
            options |= {"store": store, "run_id": _next(run_id, results), "deps": {"facts": facts}}
            results.append(ada.initiate_chat(assistant, message=message, **options))
    return results


async def achat(*, store: Any = None, run_id: str | None = None, **options: Any) -> list[autogen.ChatResult]:
    """The same for those who await it."""
    results: list[autogen.ChatResult] = []
    async with autogen.open_facts(store or ":memory:") as facts:
        for message in MESSAGES:
            options |= {"store": store, "run_id": _next(run_id, results), "deps": {"facts": facts}}
            results.append(await ada.a_initiate_chat(assistant, message=message, **options))
    return results


def _next(run_id: str | None, results: list[autogen.ChatResult]) -> str | None:
    """The id of the next run: the one given, then that with a number."""
    return f"{results[0].run_id}-{len(results) + 1}" if results else run_id


# What the stand-in says: it knows nothing but what is in the request.


def keep_notes(request: dict[str, Any]) -> dict[str, Any]:
    """What the last message teaches: from the lesson its two parts, from others nothing."""
    from stage import last_text

    said = last_text(request)
    if "this is how" not in said:
        return {"facts": [], "skills": []}
    fact, _, program = said.partition(". And this is how the weekly report is made:\n")
    return {
        "facts": [{"question": "Which currency do our customers pay in?", "answer": f"{fact}.", "replaces": None}],
        "skills": [{"task": "Making the weekly report", "advice": program, "replaces": None}],
    }


def assist(request: dict[str, Any]) -> Any:
    """What an assistant makes of its notes."""
    from convgraph.testing import Answer

    spoken = [str(message["content"]) for message in request["messages"][1:] if not message.get("name", "").endswith("-memory")]
    notes = next((str(message["content"]) for message in request["messages"] if message.get("name", "").endswith("-memory")), "")
    asked, last = spoken[0], spoken[-1]
    currency = re.search(r"\((\S+)\)\.", notes)
    if "Code output:" in last:
        return f"The report:\n{last.split('Code output:')[1].strip()}\n\nTERMINATE"
    if "this is how" in asked:
        return "I have noted both. TERMINATE"
    if last.startswith("Forgotten"):
        return "I have forgotten it. TERMINATE"
    if "forget" in asked:
        return Answer(tool_calls=[{"name": "forget_fact", "arguments": {"heading": "Which currency do our customers pay in?"}}])
    if "weekly report" in asked:
        program = re.search(r"```python\n(.*?)```", notes, re.DOTALL)
        if program is None or currency is None:
            return "Nobody has shown me how. TERMINATE"
        orders = asked.split("The orders: ")[1]
        return f'As you have shown me:\n```python\n{program[1]}\nreport("{orders}", "{currency[1]}")\n```'
    return f"In {currency[1]}. TERMINATE" if currency else "I do not know: nobody has told me. TERMINATE"


PARTS = {"You keep an assistant's notes": keep_notes, "You are an assistant of a small mail-order firm": assist}


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    from stage import endpoint

    with endpoint(PARTS):
        print("Drawn to", graph.draw("teaching.svg"), end="\n\n")
        results = chat(store=STORE)
        print()
        for result in results:
            print(f"{result.status}: {result.stop_reason} (run {result.run_id}, {result.usage.calls} model calls)")
        print(f"What it knows now: convgraph facts list --store {STORE}")
