"""The whole promise in one sitting: a conversation is killed with -9, resumed, replayed without a network, explained and drawn.

`make demo` runs it. It needs no key: where neither OPENAI_API_KEY nor OPENAI_BASE_URL is set, a scripted endpoint, served
over HTTP, stands in for the model, and the demo says so. `python examples/demo.py DIRECTORY` puts its files elsewhere than
build/demo.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from convgraph import END, AssistantAgent, Context, ConversationGraph, Limits, Reply, RunResult, open_store
from convgraph.drawing.sequence_svg import sequence_svg
from convgraph.errors import ConvgraphError, DrawingError
from convgraph.journal.events import EffectFinished, Stepped
from convgraph.testing import ScriptedServer

HERE = Path(__file__).absolute()
RUN_ID = "demo"
KILL_AFTER_STEP = 4
INPUT = "A short paragraph on the Eiffel Tower for visitors: when it was finished, and how high it is."


# The conversation: three agents, one speaker that is plain code, a model that chooses, guards that decide what it may choose.


class Article(BaseModel):
    """What the conversation knows besides what was said."""

    wrong: list[str] = []


writer = AssistantAgent(
    "writer",
    "You are the writer. Write the paragraph that is asked for in at most 40 words, and nothing else. Correct what others find wrong.",
    description="Writes the paragraph.",
)
critic = AssistantAgent(
    "critic",
    "You are the critic. Judge the latest paragraph: say in one sentence what to improve, or answer only APPROVED.",
    description="Judges style and clarity; comes last, when the facts are right.",
)
editor = AssistantAgent(
    "editor",
    "You are the editor. Give the latest paragraph a headline; answer with the headline, a line break, and the paragraph.",
    description="Prepares the paragraph for print.",
)


async def fact_checker(ctx: Context) -> Reply:
    """Compares every number in the paragraph with the archive; to be asked whenever a number is new."""
    draft = next(message.text for message in reversed(ctx.messages) if message.sender == "writer")
    known: dict[str, str] = await ctx.effect("open_archive", open_archive, idempotent=True)
    wrong = [number for number in re.findall(r"\d+", draft) if number not in known]
    facts = "; ".join(f"{number}: {what}" for number, what in known.items())
    said = f"Not in the archive: {', '.join(wrong)}. What it has: {facts}." if wrong else "Every number is in the archive."
    return Reply(said, update={"wrong": wrong})


def open_archive() -> dict[str, str]:
    """Stands for a look into the newspaper's archive."""
    return {"1889": "the year in which it was finished", "330": "metres, its height today", "18038": "iron parts"}


graph = ConversationGraph("newsroom", state=Article, limits=Limits(turns=30, visits={"writer": 5}))
graph.add_node(writer, select="auto", fallback="fact_checker")
graph.add_node(fact_checker)
graph.add_node(critic)
graph.add_node(editor)
graph.add_edge(writer, fact_checker, label="numbers to check")
graph.add_edge(writer, critic, when="size(state.wrong) == 0", label="style to judge")
graph.add_edge(writer, editor, on="limit", label="five drafts are enough")
graph.add_edge(fact_checker, writer, when="size(state.wrong) > 0", label="correct it")
graph.add_edge(fact_checker, critic, label="facts are right")
graph.add_edge(critic, writer, when='!last.content.startsWith("APPROVED")', label="revise")
graph.add_edge(critic, editor, when="visits.fact_checker > 0", label="approved")
graph.add_edge(critic, fact_checker, label="approved, but not checked")
graph.add_edge(editor, END)
graph.set_start(writer)

FIRST = "The Eiffel Tower, finished in 1887, rises 330 metres above the Champ de Mars and is really very, very beautiful."
SECOND = "The Eiffel Tower, finished in 1889, rises 330 metres above the Champ de Mars and is really very, very beautiful."
THIRD = "Finished in 1889, the Eiffel Tower rises 330 metres above the Champ de Mars. Take the stairs to the second floor: no queue."


def choose_next(request: dict[str, Any]) -> dict[str, str]:
    """The stand-in's choice of the next speaker, which a real model makes by reading."""
    allowed = request["response_format"]["json_schema"]["schema"]["properties"]["next"]["enum"]
    checked = any("archive" in str(message["content"]) for message in request["messages"][1:])
    return {"next": "critic" if checked and "critic" in allowed else "fact_checker"}


PARTS = {
    "You choose who speaks next": choose_next,
    "You are the writer": [FIRST, SECOND, THIRD],
    "You are the critic": ["'Really very, very beautiful' tells a visitor nothing: say something useful instead.", "APPROVED"],
    "You are the editor": [f"Up on foot\n{THIRD}"],
}


# The acts. `run`, `resume` and `replay` are played by processes of their own: see `main`.


async def perform(act: str, store: str) -> None:
    """Run or resume the conversation in this process, and say each step as it is made."""

    def say(event: Any) -> None:
        if isinstance(event, Stepped) and "/" not in event.path:
            said = event.messages[-1].text if event.messages else "(nothing)"
            chosen = f"   -> {event.target}" + (" (chosen by the model)" if event.chosen_by == "auto" else "")
            print(_step_line(int(event.path.split("~")[0]), event.node, said), chosen, sep="\n", flush=True)

    if act == "run":
        result = await graph.arun(INPUT, store=store, run_id=RUN_ID, listener=say, target=f"{HERE}:graph")
    else:
        result = await graph.aresume(RUN_ID, store=store, listener=say)
    if result.status != "finished":
        sys.exit(f"The conversation {result.status}: {result.stop_reason}")


def replay(store: str) -> None:
    """Replay in this process, and compare with what was stored."""
    replayed = graph.replay(RUN_ID, store=store)
    stored = graph.resume(RUN_ID, store=store)  # a finished run is given back as it is
    same = replayed.messages == stored.messages and replayed.state == stored.state
    print(f"   {replayed.steps} steps made again, {len(replayed.messages)} messages, state and all: {'identical' if same else 'DIFFERENT'}")
    sys.exit(0 if same else 1)


def main(folder: Path) -> None:
    """Play the whole demo; the pictures and the store are left in `folder`."""
    from stage import endpoint

    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    store = str(folder / "runs.db")
    with endpoint(PARTS, latency=0.25) as stand_in:
        _headline("A conversation of a writer, a fact checker (plain code), a critic and an editor begins in a process of its own.")
        started = _run_until_killed(store, stand_in)
        where = "" if stand_in is None else ", in the middle of a model call"
        _headline(f"kill -9 {started}: the process is gone{where}. Another one resumes the run.")
        finished = _count_model_calls(store)
        _play("resume", store)
        print(f"\n   {finished} model calls had been finished before the kill: none of them was made again.")
        if stand_in is not None:
            asked, answered = len(stand_in.log), _count_model_calls(store)
            print(
                f"   The endpoint saw {asked} requests: {asked - answered} more than there are answers, for the one that the kill cut off."
            )
    _headline("Replay, with the endpoint shut down: everything is made again from the record.")
    _play("replay", store, {**os.environ, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    print(f"   requests to the endpoint: {'0, for there is none any more' if stand_in else '0; its address was taken away'}")
    _headline("Who chose the fact checker, and out of what? Step 1 explained:")
    print(textwrap.indent(str(graph.explain(RUN_ID, store=store, step=1)), "   "))
    _headline("Drawn, with the run on it:")
    pictures = list(_draw(folder, store))
    print(*(f"   {picture}" for picture in pictures), sep="\n")
    _farewell(folder, graph.resume(RUN_ID, store=store), time.monotonic() - began)


def _run_until_killed(store: str, stand_in: ScriptedServer | None) -> int:
    """Start the conversation in a child process, and kill that after a few steps. Returns its process id."""
    with subprocess.Popen([sys.executable, str(HERE), "run", store], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        steps = 0
        for line in child.stdout:
            print(line, end="", flush=True)
            steps += line.startswith("   ->")
            if steps == KILL_AFTER_STEP:
                if stand_in is not None:
                    _wait_for_a_call(stand_in)
                child.send_signal(signal.SIGKILL)
    if child.returncode == -signal.SIGKILL:
        return child.pid
    sys.exit(child.returncode or "The conversation ended before it could be killed.")


def _wait_for_a_call(stand_in: ScriptedServer) -> None:
    """Until a model call is under way."""
    deadline = time.monotonic() + 5
    while stand_in.usage.calls == len(stand_in.log) and time.monotonic() < deadline:
        time.sleep(0.005)


def _play(act: str, store: str, environment: dict[str, str] | None = None) -> None:
    code = subprocess.run([sys.executable, str(HERE), act, store], env=environment, check=False).returncode
    if code:
        sys.exit(code)


def _draw(folder: Path, store: str) -> Iterator[Path]:
    picture = folder / "newsroom.svg"
    try:
        graph.draw(picture, run=RUN_ID, store=store)
    except DrawingError as error:
        print(f"   ({error})")
        picture = folder / "newsroom.mmd"
        graph.draw(picture, run=RUN_ID, store=store)
    yield picture
    sequence = folder / "sequence.svg"
    with open_store(store) as opened:
        sequence.write_bytes(sequence_svg(opened.events(RUN_ID), graph.definition))
    yield sequence


def _count_model_calls(store: str) -> int:
    with open_store(store) as opened:
        effects = [recorded.event for recorded in opened.events(RUN_ID) if isinstance(recorded.event, EffectFinished)]
    return sum(effect.effect == "model" for effect in effects)


def _step_line(number: int, node: str, said: str) -> str:
    return textwrap.fill(f"{number:2} {node}: {said}", 110, subsequent_indent="      ")


def _headline(text: str) -> None:
    print(f"\n* {text}\n", flush=True)


def _farewell(folder: Path, result: RunResult, seconds: float) -> None:
    files = (Path(sys.executable), HERE, HERE.with_name("stage.py"), HERE.with_name("approval.py"))
    python, demo, stage, approval = (os.path.relpath(file) for file in files)
    convgraph = "convgraph" if shutil.which("convgraph") else f"{python} -m convgraph"
    store = os.path.relpath(folder / "runs.db")
    print(f"\nDone in {seconds:.0f} s: {result.usage.calls} model calls, {result.usage.tokens} tokens. Try next:\n")
    print(f"  {convgraph} show {RUN_ID} --store {store}")
    print(f"  {convgraph} explain {RUN_ID} 6 --store {store}")
    print(f"  {convgraph} simulate {demo}:graph")
    print(f"  {convgraph} fork {RUN_ID} --at 4 --id other --store {store}")
    print(f"  {python} {approval}")
    print(f"\nThe fork goes on with `{convgraph} resume other --store {store}`, and needs an endpoint: `{python} {stage} demo` serves one.")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    try:
        if arguments[:1] in (["run"], ["resume"]):
            asyncio.run(perform(*arguments))
        elif arguments[:1] == ["replay"]:
            replay(arguments[1])
        else:
            main(Path(arguments[0]) if arguments else HERE.parents[1] / "build" / "demo")
    except ConvgraphError as error:
        sys.exit(f"{type(error).__name__}: {error}")
