"""The commands that judge graphs: eval runs cases and compares, testcase keeps a stored run as a test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convgraph.cli import options as o
from convgraph.cli.exit_codes import ExitCode
from convgraph.cli.output import Output
from convgraph.cli.session import existing, graph_of
from convgraph.errors import InputError

if TYPE_CHECKING:
    from convgraph.conversation import ConversationGraph
    from convgraph.evaluation import Case, CaseFile, Comparison, Evaluation, Variant
    from convgraph.protocols import Model


def evaluate(
    cases: Annotated[Path, typer.Argument(metavar="CASES", help="The cases: a .yaml, .json or .csv file.")],
    *,
    graph: Annotated[str | None, typer.Option("--graph", metavar="TARGET", help="The graph, instead of the file's own.")] = None,
    against: Annotated[str | None, typer.Option("--against", metavar="TARGET", help="Compare with this graph.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="Ask this model instead: NAME, AGENT=NAME,… or JSON. Twice: compare the two."),
    ] = None,
    judge: Annotated[str | None, typer.Option("--judge", metavar="MODEL", help="The model that judges.")] = None,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="NAME|TAG", help="Only these cases (repeatable).")] = None,
    repeat: Annotated[int | None, typer.Option("--repeat", metavar="N", help="Run each case N times.")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", metavar="N", help="How many runs at a time.")] = 4,
    fail_under: Annotated[
        float | None, typer.Option("--fail-under", metavar="SCORE", help="What the score has to be, from 0 to 1.")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", envvar="CONVGRAPH_STORE", metavar="URL", help="Keep the runs here; else nowhere.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the results, as .svg or .png.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write the report as Markdown.")] = None,
    allow: o.Allow = None,
    as_json: o.AsJson = False,
) -> int:
    """Run a graph over a table of cases.

    Says which passed, why others did not, what they cost and which transitions were taken; with --against, or two --model,
    how two differ. Exits with 12 where cases failed (with --fail-under: where the score is less).
    """
    from convgraph.cli.interrupts import run_stoppable
    from convgraph.cli.tally import tally
    from convgraph.evaluation import acompare, aevaluate, read_cases
    from convgraph.evaluation.cases import check_count

    output = Output(as_json=as_json)
    _check_score(fail_under)
    if repeat is not None:
        check_count(repeat, "--repeat")
    if plot is not None:
        from convgraph.evaluation.plots import checked_path

        checked_path(plot)
    if markdown is not None and not markdown.parent.is_dir():
        raise InputError(f"--markdown {str(markdown)!r}: there is no folder {str(markdown.parent)!r}")
    read = read_cases(cases)
    sides = _sides(read, graph, against, model or (), allow)
    judging = _model(judge if judge is not None else read.judge, "--judge" if judge is not None else f"{cases}: judge")
    options: dict[str, Any] = {"repeat": repeat or read.repeat or 1, "concurrency": concurrency, "judge": judging}
    options |= {"only": only or (), "allow": allow or ()}
    runs = len(sides) * _runs_of(read.cases, only or (), options["repeat"])
    with tally(output, runs) as told:
        options |= {"store": store, "on_attempt": told}
        found: Evaluation | Comparison
        if len(sides) == 1:
            found = run_stoppable(aevaluate(sides[0], read.cases, **options))
        else:
            found = run_stoppable(acompare(sides[0], sides[1], read.cases, **options))
    return _report(output, found, fail_under, plot, markdown)


def keep_as_test(
    run_id: o.RunId,
    *,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="The test to write: tests/test_….py.")] = None,
    as_case: Annotated[Path | None, typer.Option("--as-case", metavar="FILE", help="Add the run to this file of cases.")] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="What the case is called (default: the run's id).")] = None,
    store: o.StoreUrl = o.DEFAULT_STORE,
    graph: o.Graph = None,
    allow: o.Allow = None,
    as_json: o.AsJson = False,
) -> int:
    """Keep a run as a regression test.

    --out writes a pytest file that replays the run's record, kept beside it, against the graph as it is then; --as-case adds
    a case with the run's answers as its script. The run is replayed first: what fails today is not written (exit 3).
    """
    from convgraph.evaluation.cases_from_runs import append_case, case_of
    from convgraph.evaluation.regression import check_secrets, check_test_path, write_test
    from convgraph.loading import absolute
    from convgraph.testing.records import areplay_record, record_of, to_text

    if out is None and as_case is None:
        raise InputError("testcase takes --out tests/test_….py, --as-case cases.yaml, or both")
    if out is not None:
        check_test_path(out)
    output = Output(as_json=as_json)
    written: dict[str, Any] = {"run_id": run_id, "test": None, "record": None, "cases": None, "warnings": []}
    with existing(store) as kept:
        info = asyncio.run(kept.info(run_id))
        loaded = graph_of(info, graph, allow)
        target = absolute(graph) if graph else info.target
        if as_case is not None:
            _check_same_graph(as_case, run_id, info.graph, allow)
            record = asyncio.run(record_of(kept, run_id))
            check_secrets(to_text(record), run_id)
            case = case_of(record, asyncio.run(areplay_record(loaded, record)), loaded.definition, name or run_id)
            append_case(as_case, case, target)
            output.line(f"case {name or run_id!r} added: {as_case}")
            written["cases"] = str(as_case)
        if out is not None:
            made = asyncio.run(write_test(loaded, run_id, out, store=kept, target=target, allow=allow or ()))
            output.line(f"written: {made.test}\nwritten: {made.record}")
            for warning in made.warnings:
                output.line(f"warning: {warning}")
            written |= {"test": str(made.test), "record": str(made.record), "warnings": list(made.warnings)}
    output.result(written)
    return 0


def _check_same_graph(file: Path, run_id: str, name: str, allow: list[str] | None) -> None:
    """Raise `InputError` where the cases in the file are for a graph of another name than the run's."""
    from convgraph.evaluation import read_cases

    target = read_cases(file).graph if file.exists() else None
    graph = _load(target, allow) if target is not None else None
    if graph is not None and graph.name != name:
        raise InputError(f"{file}: its cases are for graph {graph.name!r}, and run {run_id!r} is one of {name!r}; choose another file")


def _report(output: Output, found: Evaluation | Comparison, fail_under: float | None, plot: Path | None, markdown: Path | None) -> int:
    from convgraph.evaluation import Comparison

    output.line(str(found))
    if plot is not None:
        output.line(f"written: {found.plot(plot)}")
    if markdown is not None:
        _write(markdown, found.to_markdown())
        output.line(f"written: {markdown}")
    judged = found.after if isinstance(found, Comparison) else found
    passed = judged.passed if fail_under is None else judged.score >= fail_under
    if fail_under is not None and not passed:
        output.line(f"the score {judged.score:.3f} is less than {fail_under:g}")
    output.result({**found.as_document(), "status": "passed" if passed else "failed", "plot": str(plot) if plot else None})
    return ExitCode.DONE if passed else ExitCode.CASES_FAILED


def _sides(read: CaseFile, graph: str | None, against: str | None, models: Sequence[str], allow: list[str] | None) -> list[Variant]:
    """What is evaluated, or the two that are compared."""
    from convgraph.evaluation import Variant
    from convgraph.loading import absolute

    target = graph or read.graph
    if target is None:
        raise InputError(f"{read.path}: the file names no graph, so say which: --graph TARGET")
    if len(models) > 2 or (against is not None and len(models) > 1):
        raise InputError("two are compared: --against TARGET (with one --model for both, or none), or --model twice")
    swaps = [_swap(text) for text in models] or [(None, {})]
    loaded = _load(target, allow)
    if against is None:
        return [Variant(loaded, model, named, target=absolute(target)) for model, named in swaps]
    model, named = swaps[0]
    other = _load(against, allow)
    same = loaded.name == other.name
    return [
        Variant(loaded, model, named, target if same else "", absolute(target)),
        Variant(other, model, named, against if same else "", absolute(against)),
    ]


def _swap(text: str) -> tuple[Model | None, dict[str, Model]]:
    """`NAME`, JSON, or `AGENT=NAME,AGENT=NAME`: one model for all, or some by the name of who asks."""
    if "=" not in text or text.lstrip().startswith("{"):
        return _model(text, "--model"), {}
    named: dict[str, Model] = {}
    for pair in text.split(","):
        agent, _, name = pair.partition("=")
        made = _model(name.strip(), f"--model {pair!r}") if agent.strip() and name.strip() else None
        if made is None or agent.strip() in named:
            raise InputError(f"--model {text!r}: it takes NAME, JSON, or AGENT=NAME,AGENT=NAME with each agent once")
        named[agent.strip()] = made
    return None, named


def _model(described: Any, where: str) -> Model | None:
    """The model that a name, or a mapping (in JSON), describes. Its key comes from the environment."""
    from convgraph.loading.models import model_of

    if described is None:
        return None
    if isinstance(described, str) and described.lstrip().startswith("{"):
        try:
            described = json.loads(described)
        except ValueError as error:
            raise InputError(f"{where}: this is not JSON: {error}") from error
    return model_of(described, where)


def _runs_of(cases: Sequence[Case], only: Sequence[str], repeat: int) -> int:
    from convgraph.evaluation.cases import selected

    return sum(case.repeat or repeat for case in selected(cases, only))


def _load(target: str, allow: list[str] | None) -> ConversationGraph:
    from convgraph.loading import load_target

    return load_target(target, allow=allow or ())


def _check_score(fail_under: float | None) -> None:
    if fail_under is not None and not 0 <= fail_under <= 1:
        raise InputError(f"--fail-under is a score from 0 to 1, not {fail_under:g}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error}") from error
