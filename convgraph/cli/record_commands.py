"""Runs as files: what `export --record` writes, and the command that puts such files into a store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convgraph.cli import options as o
from convgraph.cli.output import Output
from convgraph.cli.session import existing, opened, place_of
from convgraph.errors import InputError, RunExists, RunNotFound

if TYPE_CHECKING:
    from convgraph.journal.store import Store


def export_record(run_id: str, out: Path | None, store: str, output: Output) -> int:
    """Write a run's record to a file, or to standard output."""
    from convgraph.journal.records import export_run

    with existing(store) as kept:
        text = export_run(run_id, store=kept)
    if out is None:
        output.line(text.rstrip("\n"))
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{str(out)!r} cannot be written: {error}") from error
        output.line(f"written: {out}")
    output.result({"run_id": run_id, "file": str(out) if out else None, "record": None if out else text})
    return 0


def import_records(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Records, as `convgraph export RUN_ID --record` writes them.")],
    *,
    new_id: Annotated[str | None, typer.Option("--id", metavar="NEW", help="Another id for the run (of one file).")] = None,
    graph: Annotated[str | None, typer.Option("--graph", metavar="TARGET", help="The runs' graph, so that `resume` finds it.")] = None,
    allow: o.Allow = None,
    store: o.StoreUrl = o.DEFAULT_STORE,
    as_json: o.AsJson = False,
) -> int:
    """Put runs that were exported into a store.

    They can be resumed, replayed and forked there. All files are read and checked first: where one is damaged, or a run of its
    id is there already, none is imported.
    """
    from convgraph.journal.naming import check_run_id
    from convgraph.journal.record_text import from_text
    from convgraph.journal.records import kept
    from convgraph.loading import absolute, load_target

    output = Output(as_json=as_json)
    if new_id is not None and len(files) > 1:
        raise InputError("--id names one run; import the files one by one")
    records = [from_text(_read(file), str(file)) for file in files]
    names = [record.run_id for record in records] if new_id is None else [check_run_id(new_id)]
    if graph is not None:
        load_target(graph, allow=allow or ())
    target = absolute(graph) if graph is not None else ""
    with opened(store) as there:
        _check_free(names, there)
        found = [asyncio.run(kept(record, there, run_id=name, target=target)) for record, name in zip(records, names, strict=True)]
    for info in found:
        output.line(f"run {info.run_id} of {info.graph}, {info.status}, imported into {store}")
        if not info.target:
            output.line(f"  its graph is named when it is gone on with: {place_of(info, store).command('resume', info.run_id)}")
    output.result({"runs": [{"run_id": info.run_id, "graph": info.graph, "status": info.status} for info in found], "store": store})
    return 0


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{str(file)!r} cannot be read: {error}") from error


def _check_free(names: Sequence[str], store: Store) -> None:
    """Raise `RunExists` where a run of one of these names is in the store, or two are called the same."""
    for name, times in Counter(names).items():
        try:
            asyncio.run(store.info(name))
        except RunNotFound:
            if times == 1:
                continue
            raise RunExists(f"{times} files hold a run {name!r}; import them one by one, with --id for each but one") from None
        raise RunExists(f"there is a run {name!r} in {store.url} already; nothing was imported. --id NEW names another id")
