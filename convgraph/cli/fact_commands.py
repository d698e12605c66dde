"""The command that looks at what agents have learnt, has it forgotten, or takes it elsewhere: facts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convgraph.cli import options as o
from convgraph.cli.output import Output
from convgraph.cli.session import file_of
from convgraph.errors import InputError

if TYPE_CHECKING:
    from convgraph.knowledge.fact import Fact
    from convgraph.knowledge.facts import FactStore


def facts(
    action: Annotated[Literal["list", "forget", "export"], typer.Argument(metavar="ACTION", help="list, forget or export.")],
    fact_ids: Annotated[list[str] | None, typer.Argument(metavar="[FACT_ID...]", help="For forget: the facts' ids.")] = None,
    *,
    namespace: Annotated[str | None, typer.Option("--namespace", metavar="N", help="Those in this namespace, and under it.")] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN_ID", help="Those that this run has taught.")] = None,
    store: o.StoreUrl = o.DEFAULT_STORE,
    as_json: o.AsJson = False,
) -> int:
    """List what agents have learnt, forget some of it, or export it as lines of JSON.

    Forgetting deletes: by ids, or all that --namespace or --run names.
    """
    output = Output(as_json=as_json)
    if fact_ids and action != "forget":
        raise InputError(f"facts {action} takes no ids; --namespace and --run say which facts")
    with existing_facts(store) as opened:
        if action == "forget":
            return _forget(opened, output, fact_ids or [], namespace, run)
        found = opened.list(namespace, run=run, superseded=action == "export")
    if action == "export":
        return _export(output, found)
    return _list(output, found, store)


def _list(output: Output, found: list[Fact], store: str) -> int:
    from convgraph.knowledge.fact import document_of

    for fact in found:
        source = fact.source
        taught = f"run {source.run_id}, step {source.step}, {source.node}" if source.run_id else "no run"
        output.line(f"{fact.id}  {fact.namespace}  (taught by {taught})")
        output.line("\n".join(f"    {line}" for line in filter(None, [*fact.about.splitlines(), *fact.text.splitlines()])))
    if not found:
        output.line("no facts")
    documents = [{key: value for key, value in document_of(fact).items() if key != "score"} for fact in found]
    output.result({"facts": documents, "store": store})
    return 0


def _export(output: Output, found: list[Fact]) -> int:
    from convgraph.knowledge.fact import exported

    lines = [exported(fact) for fact in found]
    for line in lines:
        output.line(line)
    output.result({"lines": lines})
    return 0


def _forget(opened: FactStore, output: Output, fact_ids: list[str], namespace: str | None, run: str | None) -> int:
    if (len(fact_ids) > 0) + (namespace is not None) + (run is not None) != 1:
        raise InputError("facts forget takes one of: ids, --namespace N, --run RUN_ID")
    for fact_id in fact_ids:
        if opened.get(fact_id) is None:
            raise InputError(f"there is no fact {fact_id!r}; `convgraph facts list` shows what there is")
    where: list[dict[str, Any]] = [{"fact_id": fact_id} for fact_id in fact_ids] or [{"namespace": namespace, "run": run}]
    forgotten = sum(opened.forget(**one) for one in where)
    output.line(f"{forgotten} forgotten")
    output.result({"forgotten": forgotten})
    return 0


@contextmanager
def existing_facts(url: str) -> Generator[FactStore]:
    """The facts at `url`. Raises `InputError` where there is no such file: a command that reads must not make one."""
    from convgraph.knowledge.facts import open_facts

    file = file_of(url)
    if file is not None and not file.exists():
        raise InputError(f"there is no store {url!r} (in {Path.cwd()}); --store URL names another")
    with open_facts(url) as opened:
        yield opened
