"""A figure that is drawn by code, looked at by a critic who sees it, and sent back until nothing is wrong with it.

Shows: a picture that code has made as a message, an agent that looks at pictures, a verdict as a guard over an edge, and how often
a figure may be sent back as a number on that edge. AutoGen's FigureCreator, whose loop is hidden in a reply function, as a graph.
"""

import base64
import sys
from pathlib import Path
from typing import Any

import pydantic

import convgraph as autogen
from convgraph.chat.state import ChatState

PROGRAMS, FIGURES = 6, 3
"""How many programs are run at most, and how many figures the critic looks at."""

ORDER = (
    "Draw the mean temperature of each month in Lisbon and in Vienna, two lines in one figure. "
    "Lisbon: 11, 12, 14, 15, 18, 21, 23, 24, 22, 18, 14, 12. Vienna: 1, 3, 7, 12, 17, 20, 22, 22, 17, 11, 6, 2."
)


class Verdict(pydantic.BaseModel):
    """What the critic says of a figure."""

    approved: bool
    faults: list[str]


coder = autogen.AssistantAgent(
    "coder",
    "You draw figures with matplotlib. Answer with one whole Python program in a fenced block, which makes a single figure and ends with "
    "fig.savefig('figure.png', metadata={'Software': None}) and plt.close(fig). Mend what the traceback or the critic names, and leave the "
    "rest.",
)
critic = autogen.MultimodalConversableAgent(
    "critic",
    "You judge a figure by what you see in it, and by the order that it was drawn for. Is there a title? Can the lines be told apart, and "
    "does a legend name them? Are the axes named? Approve what is right; name each fault in a sentence that says what to do.",
    response_format=Verdict,
)


class FigureCreator(autogen.UserProxyAgent):
    """Whoever opens a chat with it has a figure drawn: it runs the coder's programs, and has the critic look at what they draw."""

    def chat_graph(self, initiator: Any, summary: Any = None) -> autogen.ConversationGraph:  # noqa: ARG002  # whoever it is, the figure is the same
        return graph


commander = FigureCreator(
    "commander",
    human_input_mode="NEVER",
    code_execution_config={"executor": "jupyter", "jupyter": {"timeout": 60}, "pictures": True},
    default_auto_reply="exitcode: 1 (there was no program in a fenced block)",
)
user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)


def deliver(ctx: autogen.Context) -> str:
    """Say what came of the order."""
    judged = [message.data for message in ctx.messages if message.sender == "critic"]
    if judged and judged[-1]["approved"]:
        return f"The figure is approved; it took {ctx.visits['coder']} programs."
    left = " ".join(judged[-1]["faults"]) if judged else "None of the programs has drawn a figure."
    return f"Here it ends, after {ctx.visits['coder']} programs. What is still wrong: {left}"


ORDER_AND_FIGURE = autogen.View(last=1, keep_first=True)

graph = autogen.ConversationGraph("figure", state=ChatState)
graph.add_node(coder)
graph.add_node(commander)
graph.add_node(critic)
graph.add_node(deliver)
graph.add_edge(coder, commander)
graph.add_edge(commander, critic, when='last.content.startsWith("exitcode: 0 ")', label="drawn", view=ORDER_AND_FIGURE)
graph.add_edge(commander, coder, when=f"visits['commander'] < {PROGRAMS}", label="failed")
graph.add_edge(commander, "deliver", label="enough programs")
graph.add_edge(critic, "deliver", when="last.data.approved", label="approved")
graph.add_edge(critic, coder, when=f"visits['critic'] < {FIGURES}", label="faults")
graph.add_edge(critic, "deliver", label="enough figures")
graph.add_edge("deliver", autogen.END, label="delivered")
graph.set_start(coder)


def chat(**options: Any) -> autogen.ChatResult:
    """Have the figure drawn; the options (`store=`, `run_id=` …) are those of `initiate_chat`."""
    return user.initiate_chat(commander, message=ORDER, **options)


async def achat(**options: Any) -> autogen.ChatResult:
    """The same for those who await it."""
    return await user.a_initiate_chat(commander, message=ORDER, **options)


def figures(messages: list[autogen.Message]) -> list[bytes]:
    """The figures among these messages, as the files that they were."""
    contents = [message.content for message in messages if isinstance(message.content, list)]
    addresses = [part["image_url"]["url"] for content in contents for part in content if part["type"] == "image_url"]
    return [base64.b64decode(address.partition(",")[2]) for address in addresses]


# What the stand-in says: a program that fails, one whose figure is poor, and one whose figure is good. Its critic looks at the pixels.

PROGRAM = """
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

months = list("JFMAMJJASOND")
lisbon = [11, 12, 14, 15, 18, 21, 23, 24, 22, 18, 14, 12]
vienna = [1, 3, 7, 12, 17, 20, 22, 22, 17, 11, 6, 2]

fig, ax = plt.subplots(figsize=(6, 4), dpi=80)
ax.plot(range(12), lisbon, color="tab:orange", label="Lisbon")
ax.plot(range(12), vienna, color="tab:blue", label="Vienna")
ax.set_xticks(range(12), months)
ax.set_ylabel("mean temperature (°C)")
ax.set_title("Lisbon is warmer than Vienna in every month")
ax.legend()
fig.savefig("figure.png", metadata={"Software": None})
plt.close(fig)
""".strip()
POOR = PROGRAM.replace("tab:orange", "tab:blue").replace('ax.set_title("Lisbon is warmer than Vienna in every month")\n', "")
BROKEN = POOR.replace("lisbon = [", "lissabon = [")

NO_TITLE = "Give the figure a title that says what it shows."
ONE_COLOUR = "Draw the lines in two colours, so that they can be told apart."


def draw(request: dict[str, Any]) -> str:
    """What a programmer says to the last message."""
    from stage import last_text

    said = last_text(request)
    if "NameError" in said:
        return f"The name was misspelt.\n```python\n{POOR}\n```"
    if "faults" in said:
        return f"With a title, and in two colours.\n```python\n{PROGRAM}\n```"
    return f"Two lines over the months.\n```python\n{BROKEN}\n```"


def look(request: dict[str, Any]) -> dict[str, Any]:
    """What a critic says who looks at nothing but the picture: is there ink where a title would be, and how many colours have the lines?"""
    import io

    import matplotlib.image

    parts = request["messages"][-1]["content"]
    address = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(address.partition(",")[2])), format="png")[..., :3]
    title = pixels[: int(len(pixels) * 0.11)].min() < 0.5
    orange = ((pixels[..., 0] > 0.9) & (pixels[..., 2] < 0.2)).sum() > 100
    faults = [*([] if title else [NO_TITLE]), *([] if orange else [ONE_COLOUR])]
    return {"approved": not faults, "faults": faults}


PARTS = {"You draw figures": draw, "You judge a figure": look}


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    from stage import endpoint

    with endpoint(PARTS):
        print("Drawn to", graph.draw("figure_critic.svg"), end="\n\n")
        result = chat(store="figure_critic.db", silent=True)
        for message in result.messages:
            print(f"{message.sender:>10}  {message.text.splitlines()[0]}")
        for number, figure in enumerate(figures(result.messages), 1):
            print("Figure:", Path(f"figure_{number}.png").absolute(), f"({Path(f'figure_{number}.png').write_bytes(figure):,} bytes)")
        print(f"\n{result.status}: {result.stop_reason} (run {result.run_id}, {result.usage.calls} model calls)")
        print("Outcome:", result.summary)
