"""The commands that look at runs, call them something, and throw them away: runs, show, explain, label, delete, prune."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from convgraph.cli import options as o
from convgraph.cli.output import Output
from convgraph.cli.session import existing, graph_of, place_of


def runs(
    *,
    status: Annotated[str | None, typer.Option("--status", metavar="STATUS", help="Only runs that are finished, waiting, failed …")] = None,
    graph: Annotated[str | None, typer.Option("--graph", metavar="NAME", help="Only runs of the graph of this name.")] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="LABEL", help="Only runs with this label.")] = None,
    search: Annotated[
        str | None, typer.Option("--search", metavar="TEXT", help="Only runs in which the text is, whatever its case.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="The newest N.")] = None,
    before: Annotated[str | None, typer.Option("--before", metavar="RUN_ID", help="Only runs that are listed after this one.")] = None,
    store: o.StoreUrl = o.DEFAULT_STORE,
    as_json: o.AsJson = False,
) -> int:
    """List the runs in the store, newest first.

    --search looks in ids, graphs, reasons and labels, and in what was said.
    """
    from convgraph.cli.report import run_document
    from convgraph.wording import table

    output = Output(as_json=as_json)
    with existing(store) as opened:
        found = opened.runs(
            status=status,  # type: ignore[arg-type]  # the store refuses an unknown status
            graph=graph,
            label=label,
            text=search,
            limit=limit,
            before=before,
        )
    rows = [[run.run_id, run.status, run.graph, _when(run.updated), ", ".join(run.labels), " ".join(run.reason.split())] for run in found]
    output.line(table(["run", "status", "graph", "changed", "labels", "reason"], rows) if rows else "no runs")
    output.result({"runs": [run_document(run) for run in found], "store": store})
    return 0


def show(
    run_id: o.RunId,
    *,
    events: Annotated[bool, typer.Option("--events", help="Every event of the journal, as it is stored.")] = False,
    inside: Annotated[bool, typer.Option("--inside", help="Also what was said in nested conversations, under their paths.")] = False,
    store: o.StoreUrl = o.DEFAULT_STORE,
    as_json: o.AsJson = False,
) -> int:
    """Show a run: its words, cost and questions."""
    from convgraph.cli.progress import said
    from convgraph.cli.report import message_document, next_steps, question_document, run_document, spent, usage_document
    from convgraph.cli.transcript import transcript
    from convgraph.journal.codec import encode_event
    from convgraph.wording import counted

    output = Output(as_json=as_json)
    with existing(store) as opened:
        info = asyncio.run(opened.info(run_id))
        recorded = opened.events(run_id)
        questions = opened.questions(run_id)
    told = transcript(recorded, inside=inside)
    output.line(f"run {run_id} of {info.graph}, {info.status}{f': {info.reason}' if info.reason else ''}")
    output.line(f"began {_when(info.created)}, changed {_when(info.updated)}" + (f", started with {info.target}" if info.target else ""))
    if info.labels:
        output.line(f"labelled {', '.join(info.labels)}")
    if info.parent:
        output.line(f"forked from {info.parent} at step {info.parent_step}")
    if events:
        for each in recorded:
            output.line(f"{each.seq} {each.event.kind} {encode_event(each.event)}")
    else:
        for path, message in told.messages:
            output.line(said(path, message))
    output.line(f"{counted(told.steps, 'turn')}, {spent(told.usage)}")
    for line in next_steps(run_id, info.status, questions, place_of(info, store)):
        output.line(line)
    document: dict[str, Any] = {
        **run_document(info),
        "steps": told.steps,
        "usage": usage_document(told.usage),
        "messages": [message_document(message) for _, message in told.messages],
        "questions": [question_document(question) for question in questions],
    }
    if events:
        document["events"] = [
            {"seq": each.seq, "at": each.at, "kind": each.event.kind, "body": encode_event(each.event)} for each in recorded
        ]
    output.result(document)
    return 0


def explain(
    run_id: o.RunId,
    step: Annotated[int, typer.Argument(metavar="STEP", help="The number of the turn, from 1; 0 is the choice of who begins.")],
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    graph: o.Graph = None,
    allow: o.Allow = None,
    as_json: o.AsJson = False,
) -> int:
    """Say why a run went where it went.

    For a step: every guard's value, who chose, what a selecting model or person answered, and how probable that made each choice.
    """
    from convgraph.runtime.distributions import distribution_document

    output = Output(as_json=as_json)
    with existing(store) as opened:
        loaded = graph_of(asyncio.run(opened.info(run_id)), graph, allow)
        explained = loaded.explain(run_id, store=opened, step=step)
    output.line(str(explained))
    guards = [
        {
            "edge": guard.edge.id,
            "label": guard.edge.label,
            "guard": guard.edge.guard.text if guard.edge.guard else None,
            "value": guard.value,
        }
        for guard in explained.guards
    ]
    output.result(
        {
            "run_id": run_id,
            "step": step,
            "node": explained.node,
            "said": list(explained.said),
            "guards": guards,
            "target": explained.target,
            "edge": explained.edge.id if explained.edge else None,
            "chosen_by": explained.chosen_by,
            "answers": list(explained.answers),
            "distribution": distribution_document(explained.distribution) if explained.distribution else None,
            "reason": explained.reason,
            "error": explained.error,
        }
    )
    return 0


def label(
    run_id: o.RunId,
    labels: Annotated[list[str] | None, typer.Argument(metavar="[LABEL...]", help="All that it is to have; none takes them away.")] = None,
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    as_json: o.AsJson = False,
) -> int:
    """Label a run, to find it by.

    The labels take the place of those that it has; `runs --label LABEL` lists the runs that have one.
    """
    output = Output(as_json=as_json)
    with existing(store) as opened:
        opened.label(run_id, labels or ())
        info = asyncio.run(opened.info(run_id))
    output.line(f"run {run_id} is labelled {', '.join(info.labels)}" if info.labels else f"run {run_id} has no labels")
    output.result({"run_id": run_id, "labels": list(info.labels)})
    return 0


def delete(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN_ID...", help="The runs' ids.")],
    *,
    store: o.StoreUrl = o.DEFAULT_STORE,
    as_json: o.AsJson = False,
) -> int:
    """Delete runs by their ids.

    A run that is running, or whose steps forks share, is refused.
    """
    output = Output(as_json=as_json)
    with existing(store) as opened:
        for run_id in run_ids:
            asyncio.run(opened.info(run_id))
        for run_id in run_ids:
            opened.delete(run_id)
            output.line(f"run {run_id} deleted")
    output.result({"deleted": run_ids})
    return 0


def prune(
    *,
    older_than: Annotated[str | None, typer.Option("--older-than", metavar="SPAN", help="Not changed for 90s, 30m, 12h, 7d, 2w.")] = None,
    status: Annotated[str | None, typer.Option("--status", metavar="STATUS", help="Only runs with this status.")] = None,
    keep: Annotated[int | None, typer.Option("--keep", min=0, metavar="N", help="Keep the newest N.")] = None,
    store: o.StoreUrl = o.DEFAULT_STORE,
    as_json: o.AsJson = False,
) -> int:
    """Delete old runs.

    Those that are running, or whose steps forks share, stay.
    """
    output = Output(as_json=as_json)
    span = o.seconds(older_than, "--older-than")
    with existing(store) as opened:
        deleted = opened.prune(older_than=span, status=status, keep=keep)  # type: ignore[arg-type]  # the store refuses an unknown status
    output.line(f"{deleted} deleted")
    output.result({"deleted": deleted})
    return 0


def _when(seconds: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")
