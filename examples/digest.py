"""A digest of a folder: every document is summarised at the same time, then the summaries become one text.

Shows: `ForEach` over a list in the state, bounded concurrency, files read as an effect (a replay needs no files).
"""

from pathlib import Path

from pydantic import BaseModel

from convgraph import END, AssistantAgent, Context, ConversationGraph, ForEach, Reply

ENOUGH = 2_000


class Folder(BaseModel):
    """The documents' texts, each cut to what is enough for a summary."""

    documents: list[str] = []


async def read(ctx: Context) -> Reply:
    """Reads the Markdown files of the folder that the message names."""
    documents = await ctx.effect("read_folder", read_folder, ctx.messages[-1].text, idempotent=True)
    return Reply(f"{len(documents)} documents.", update={"documents": documents})


def read_folder(folder: str) -> list[str]:
    """The beginnings of the folder's Markdown files, in the order of their names."""
    return [path.read_text(encoding="utf-8")[:ENOUGH] for path in sorted(Path(folder).glob("*.md"))]


summariser = AssistantAgent("summariser", "You summarise the last document in one sentence.")
editor = AssistantAgent("editor", "You make a digest out of summaries: one line each, the most important first.")

graph = ConversationGraph("digest", state=Folder)
graph.add_node(read)
graph.add_node(ForEach(summariser, over="state.documents", concurrency=4), name="summaries")
graph.add_node(editor)
graph.add_edge(read, END, when="size(state.documents) == 0", label="nothing to read")
graph.add_edge(read, "summaries")
graph.add_edge("summaries", editor)
graph.add_edge(editor, END)
graph.set_start(read)

INPUT = str(Path(__file__).parents[1] / "docs")


def first_line(request: dict) -> str:
    """The stand-in's summary: the document's title."""
    return str(request["messages"][-1]["content"]).splitlines()[0].lstrip("# ")


def one_line_each(request: dict) -> str:
    """The stand-in's digest: the summaries as a list."""
    return "\n".join(f"- {message['content']}" for message in request["messages"] if message.get("name") == "summariser")


PARTS = {"You summarise the last document": first_line, "You make a digest": one_line_each}


if __name__ == "__main__":
    from stage import endpoint, tell

    with endpoint(PARTS):
        tell(graph.run(INPUT))
