"""Runs as files: written from any store, and put into any other, where they can be resumed, replayed and forked as here."""

from __future__ import annotations

from convgraph.errors import InputError, RunExists
from convgraph.journal.naming import check_run_id
from convgraph.journal.record_text import Record, contents_of, from_text, to_text, without_place
from convgraph.journal.runs import NewRun, RunInfo, RunStatus
from convgraph.journal.store import Store
from convgraph.journal.store_url import StoreLike, as_store
from convgraph.sync import run_sync

UNFINISHED: tuple[RunStatus, ...] = ("ready", "interrupted")


def export_run(run_id: str, *, store: StoreLike) -> str:
    """A stored run as JSON text, for `import_run`. See `aexport_run`."""
    return run_sync(aexport_run(run_id, store=store))


async def aexport_run(run_id: str, *, store: StoreLike) -> str:
    """A stored run as JSON text: its events with their times, its labels, the answers that wait for it, and the contents of its events.

    A run that waits, or was interrupted, is taken as it stands. A fork brings along what it shares. What is encrypted in the store
    is plain in the text. Raises `RunNotFound`, `StoreError`, and `InputError` for a run that is running.
    """
    async with as_store(store) as opened:
        return to_text(await whole_record(opened, run_id))


def import_run(text: str, *, store: StoreLike, run_id: str | None = None, target: str = "", where: str = "the record") -> RunInfo:
    """Put an exported run into a store. See `aimport_run`."""
    return run_sync(aimport_run(text, store=store, run_id=run_id, target=target, where=where))


async def aimport_run(text: str, *, store: StoreLike, run_id: str | None = None, target: str = "", where: str = "the record") -> RunInfo:
    """Put an exported run into a store, under its own id or another, and give it as it is listed there.

    `target` names its graph for the command line; the text does not. `where` is what messages call the text. Raises, before anything is
    written, `InputError` for a text that is no record or a damaged one, `StoreFormat` and `StoreCorrupt` for events that cannot be read,
    and `RunExists`.
    """
    record = from_text(text, where)
    async with as_store(store) as opened:
        return await kept(record, opened, run_id=run_id, target=target)


async def whole_record(store: Store, run_id: str) -> Record:
    """All that a store holds of a run. Raises `RunNotFound`, and `InputError` for a run that is running."""
    info = await store.info(run_id)
    if info.status == "running":
        raise InputError(f"run {run_id!r} is running; what is exported is a run that has stopped, so cancel it or let it end first")
    recorded = await store.load(run_id)
    events = tuple(without_place(each.event) for each in recorded)
    contents = {digest: text for digest in contents_of(events) if (text := await store.content(digest)) is not None}
    return Record(
        run_id,
        info.graph,
        info.fingerprint,
        events,
        contents,
        info.status if info.status in UNFINISHED else None,
        tuple(each.at for each in recorded),
        info.labels,
        info.queue,
        info.priority,
        {asked.id: asked.answer for asked in [*await store.aquestions(run_id), *await store.atimers(run_id)] if asked.answered},
    )


async def kept(record: Record, store: Store, *, run_id: str | None = None, target: str = "") -> RunInfo:
    """Put a record into a store, as a run of its own under its id or another. Raises `RunExists`, `InputError` for an id that is none."""
    name = record.run_id if run_id is None else check_run_id(run_id)
    new = NewRun(name, record.graph, record.fingerprint, target, queue=record.queue, priority=record.priority, labels=record.labels)
    contents = {digest: record.contents[digest] for digest in contents_of(record.events) if digest in record.contents}
    try:
        claim = await store.create(new, record.events, contents, claim=record.status != "ready", times=record.times)
    except RunExists as error:
        raise RunExists(f"there is a run {name!r} already in {store.url}; put the record there under another id") from error
    for question, answer in record.answers.items():
        await store.deliver(name, question, answer)
    if record.status != "ready":
        await store.release(claim)
    return await store.info(name)
