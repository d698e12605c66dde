"""A question about a table, answered with a plot: an assistant writes the program, and a sandbox runs it on the data.

Shows: code in a sandbox that can read one file and import the libraries that are installed, and nothing else; a wrong guess at a column
that the traceback puts right; a work folder in which the plot is left, beside the run's store.
"""

import sys
from pathlib import Path
from typing import Any

import convgraph as autogen
from convgraph.coding import BubblewrapCodeExecutor

DATA = Path(__file__).with_name("cycling.csv")
QUESTION = (
    "How many riders did each station count in each year? The data are in /data/cycling.csv. "
    "Print the totals, and draw them as bars into plot.svg, with text as text."
)

assistant = autogen.AssistantAgent(
    "assistant",
    "You answer questions about tables with Python and matplotlib. Write one whole program in a fenced block. When it fails, say why, and "
    "write the whole program again. When its output answers the question, give the answer in a sentence, and end with TERMINATE.",
)


def is_done(message: dict[str, Any]) -> bool:
    """Whether the assistant says that the question is answered."""
    return str(message.get("content") or "").rstrip().endswith("TERMINATE")


def computer_in(folder: Path | None) -> autogen.UserProxyAgent:
    """Who runs the programs. What they write is left in `folder`; with None it is gone when the chat ends."""
    sandbox = BubblewrapCodeExecutor(work_dir=folder, timeout=60, libraries=True, readable=[DATA])
    return autogen.UserProxyAgent(
        "computer",
        human_input_mode="NEVER",
        is_termination_msg=is_done,
        max_consecutive_auto_reply=5,
        code_execution_config={"executor": sandbox},
        default_auto_reply="There was no program to run. Write one, or say TERMINATE if the question is answered.",
    )


graph = assistant.chat_graph(computer_in(None))


def chat(*, store: Any = None, work_dir: Path | None = None, **options: Any) -> autogen.ChatResult:
    """Have the chat; the plot is left in `work_dir`, or beside the store. The other options are those of `initiate_chat`."""
    return computer_in(work_dir or beside(store)).initiate_chat(assistant, message=QUESTION, store=store, **options)


async def achat(*, store: Any = None, work_dir: Path | None = None, **options: Any) -> autogen.ChatResult:
    """The same for those who await it."""
    return await computer_in(work_dir or beside(store)).a_initiate_chat(assistant, message=QUESTION, store=store, **options)


def beside(store: Any) -> Path | None:
    """The folder `runs-files` beside a store `runs.db`; None for a store that is no file."""
    path = str(store) if isinstance(store, str | Path) else getattr(store, "path", ":memory:")
    return Path(path).with_name(f"{Path(path).stem}-files") if path.endswith(".db") and "://" not in path else None


# What the stand-in says: a program that guesses a column's name, a look at the table when that fails, the right program, and the answer.

PROGRAM = """
import csv
from collections import Counter

import matplotlib.pyplot as plt

totals = Counter()
with open("/data/cycling.csv", newline="") as file:
    for row in csv.DictReader(file):
        totals[row["station"], row["month"][:4]] += int(row["riders"])

stations = sorted({station for station, _ in totals})
years = sorted({year for _, year in totals})
plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "riders"})
fig, ax = plt.subplots(figsize=(7, 4))
for number, year in enumerate(years):
    places = [place + (number - 1) * 0.27 for place in range(len(stations))]
    bars = ax.bar(places, [totals[station, year] / 1000 for station in stations], width=0.25, label=year)
    for bar, station in zip(bars, stations):
        bar.set_gid(f"{station}-{year}".replace(" ", "-"))
ax.set_xticks(range(len(stations)), stations)
ax.set_ylabel("riders (thousands)")
ax.set_title("Riders counted by station and year")
ax.legend()
fig.savefig("plot.svg", metadata={"Date": None})
for (station, year), riders in sorted(totals.items()):
    print(f"{station} {year}: {riders:,}")
""".strip()
GUESS = PROGRAM.replace('row["riders"]', 'row["count"]')
LOOK = 'with open("/data/cycling.csv") as file:\n    print(*(next(file) for _ in range(3)), sep="")'


def answer(request: dict[str, Any]) -> str:
    """What somebody says who knows Python and not the table."""
    from stage import last_text

    said = last_text(request)
    if "KeyError: 'count'" in said:
        return f"There is no column of that name. I look at the table first.\n```python\n{LOOK}\n```"
    if "month,station,riders" in said:
        return f"The column is called riders.\n```python\n{PROGRAM}\n```"
    if "execution succeeded" in said:
        totals = dict(line.rsplit(": ", 1) for line in said.splitlines() if " 20" in line)
        most = max(totals, key=lambda name: int(totals[name].replace(",", "")))
        return f"Most riders were counted at {most}: {totals[most]}. The plot is in plot.svg.\n\nTERMINATE"
    return f"I add up the riders of each station and year.\n```python\n{GUESS}\n```"


PARTS = {"You answer questions about tables": answer}


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    from stage import endpoint

    with endpoint(PARTS):
        print("Drawn to", graph.draw("data_visualisation.svg"), end="\n\n")
        result = chat(store="data_visualisation.db")
        print(f"{result.status}: {result.stop_reason} (run {result.run_id}, {result.usage.calls} model calls)")
        print("Answer:", result.summary)
        print("Plot:", Path("data_visualisation-files/plot.svg").absolute())
