"""What stands in the database so that whoever writes there also wakes: triggers, and DBOS's documented function to enqueue.

A wake-up belongs to the transaction that is its cause, whichever process commits it: `convgraph answer` on a host without DBOS,
a worker of another engine, a program that forks a run. So no writer can forget it, and no store has to know of an engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, LiteralString

from convgraph.journal.postgres_schema import MAKING

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

SCHEMA = "convgraph_dbos"
"""DBOS's tables for wake-ups: apart from those of an application that uses DBOS in the same database itself."""
APPLICATION = "convgraph"
WORKFLOW = "convgraph_advance"
VERSION = "1"
"""DBOS hands a wake-up to executors of the version that it was made for. Ours is always this one: whether a graph can go on
with a run, its journal says."""

# A run that stops waiting for something looks, in the transaction in which it stops, for what has come meanwhile, and for the times
# that it waits for. An answer locks the run's row before it wakes: so it is there when the run looks, or it comes after the run has
# stopped. A timer's wake-up has one id however often the run stops; any other may be one too many, which costs a look. It comes early,
# since DBOS looks once a second what is due: a worker stays with a run whose time is near (for a quarter of a second longer than that,
# for clocks that are not quite the same), and the time is kept by the clock, not by the queue.
# Whoever may write to the store may wake, though DBOS's tables belong to another role. Functions are in PL/pgSQL, which keeps their
# plans for as long as a connection lasts; those in SQL are planned anew with every wake-up.
_INSTALLED: LiteralString = """
CREATE TABLE IF NOT EXISTS rounds(queues TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL);
CREATE OR REPLACE FUNCTION wake_queue(namespace TEXT, graph TEXT, queue TEXT) RETURNS TEXT LANGUAGE SQL IMMUTABLE
    AS $$ SELECT replace(replace(namespace, '%', '%25'), '/', '%2F') || '/' || queue || '/' || graph $$;
CREATE OR REPLACE FUNCTION wake(which BIGINT, wake_id TEXT, at DOUBLE PRECISION) RETURNS VOID LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM convgraph_dbos.enqueue_workflow(
        'convgraph_advance', convgraph.wake_queue(namespace, graph, queue), ARRAY[to_json(run_id)],
        workflow_id => wake_id, app_version => '1', priority => runs.priority, queue_partition_key => run_id,
        delay_until_epoch_ms => CASE WHEN at > convgraph.unix_now() THEN (at * 1000)::bigint END, application_name => 'convgraph'
    ) FROM convgraph.runs WHERE id = which;
END $$;
CREATE OR REPLACE FUNCTION wake_for_run() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> 'waiting' OR EXISTS (
        SELECT 1 FROM convgraph.questions WHERE run = NEW.id AND (answer IS NOT NULL OR due <= convgraph.unix_now())
    ) THEN
        PERFORM convgraph.wake(NEW.id, NULL, NULL);
    ELSE
        PERFORM convgraph.wake(NEW.id, format('%s %s %s', NEW.id, id, due), due - 1.25)
        FROM convgraph.questions WHERE run = NEW.id AND due IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION wake_for_answer() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM convgraph.runs WHERE id = NEW.run FOR SHARE;
    PERFORM convgraph.wake(NEW.run, NULL, NULL);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER wake_made AFTER INSERT ON runs FOR EACH ROW WHEN (NEW.status = 'ready') EXECUTE FUNCTION wake_for_run();
CREATE OR REPLACE TRIGGER wake_stopped AFTER UPDATE OF status, owner ON runs FOR EACH ROW
    WHEN (OLD.owner <> '' AND NEW.owner = '' AND NEW.status IN ('running', 'waiting')) EXECUTE FUNCTION wake_for_run();
CREATE OR REPLACE TRIGGER wake_answered AFTER UPDATE OF answer ON questions FOR EACH ROW
    WHEN (OLD.answer IS NULL AND NEW.answer IS NOT NULL) EXECUTE FUNCTION wake_for_answer();
COMMENT ON FUNCTION wake IS '3';
"""
_NUMBER = 3
"""Of the above, in its last statement too: raised with every change. Workers of different versions keep the newest."""

# What nobody has woken: runs that were made before there was an engine, whose owner was no worker of it, whose wake-up came while a
# lease had not run out. As long as nothing changes, a run is woken for this once a minute, so that one that is refused costs little.
_SWEPT: LiteralString = """
SELECT wake(id, format('%%s swept %%s %%s %%s', id, status, epoch, floor(unix_now() / 60)), NULL) FROM runs
WHERE namespace = %(namespace)s AND graph = ANY(%(graphs)s) AND queue = ANY(%(queues)s) AND (
    status = 'ready' OR (status = 'running' AND (owner = '' OR lease < clock_timestamp()))
    OR (status = 'waiting' AND id IN (SELECT run FROM questions WHERE answer IS NOT NULL OR due <= unix_now() - 2))
) AND NOT EXISTS (
    SELECT 1 FROM convgraph_dbos.workflow_status WHERE queue_name = wake_queue(namespace, graph, queue)
    AND queue_partition_key = run_id AND status IN ('ENQUEUED', 'PENDING')
)
"""

_ROUND: LiteralString = (
    "INSERT INTO rounds VALUES(%s, unix_now()) ON CONFLICT (queues) DO UPDATE SET at=unix_now() WHERE rounds.at < unix_now() - %s"
    " RETURNING at"
)


def queue_name(namespace: str, graph: str, queue: str) -> str:
    """What a queue of ours is called for DBOS: one for each graph, since a worker takes wake-ups of its own graphs alone."""
    return f"{namespace.replace('%', '%25').replace('/', '%2F')}/{queue}/{graph}"


def install(connection: Connection[Any]) -> None:
    """Put the triggers into the database, or bring them to this version. DBOS's own tables have to be there."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
        cursor.execute("SELECT obj_description(to_regproc('wake'), 'pg_proc')::integer")
        row = cursor.fetchone()
        if row is None or row[0] is None or row[0] < _NUMBER:  # not with every start: triggers are made when nobody is writing
            cursor.execute(_INSTALLED)


def wake_now(cursor: Cursor[Any], namespace: str, run_id: str) -> None:
    """Wake a run, if it is there."""
    cursor.execute("SELECT wake(id, NULL, NULL) FROM runs WHERE namespace=%s AND run_id=%s", (namespace, run_id))


def begin_round(cursor: Cursor[Any], queues: str, seconds: float) -> bool:
    """Whether it is this worker that is to look after the others now: nobody is at it, nor was within so many seconds."""
    row = cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (MAKING + 1,)).fetchone()
    return row is not None and row[0] and cursor.execute(_ROUND, (queues, seconds)).fetchone() is not None


def living(cursor: Cursor[Any]) -> frozenset[str]:
    """The ids of the workers that have given a sign of life within their leases, by the database's clock."""
    return frozenset(row[0] for row in cursor.execute("SELECT id FROM workers WHERE beat > unix_now() - lease").fetchall())


def sweep(cursor: Cursor[Any], namespace: str, graphs: Sequence[str], queues: Sequence[str]) -> int:
    """Wake the runs that can go on and that nobody has woken; how many."""
    return cursor.execute(_SWEPT, {"namespace": namespace, "graphs": list(graphs), "queues": list(queues)}).rowcount
