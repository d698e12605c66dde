"""The tables in PostgreSQL, how they came to be what they are, and how a database is told to be ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convgraph.errors import StoreFormat

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMA = "convgraph"
MAKING = 0x63766772  # "cvgr": the number under which PostgreSQL lets one process at a time make or change the tables

# Runs of all namespaces are in the same tables: a run's number is what events belong to, and only its row knows the namespace.
# The lease is a time of the database's clock, and so is everything that is compared with it.
_FIRST = """
CREATE FUNCTION unix_now() RETURNS DOUBLE PRECISION LANGUAGE SQL VOLATILE
    AS 'SELECT extract(epoch FROM clock_timestamp())::double precision';
CREATE TABLE runs(
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, namespace TEXT NOT NULL, run_id TEXT NOT NULL, made TEXT NOT NULL,
    graph TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, fingerprint TEXT NOT NULL,
    created DOUBLE PRECISION NOT NULL, updated DOUBLE PRECISION NOT NULL,
    epoch INTEGER NOT NULL, owner TEXT NOT NULL, lease TIMESTAMPTZ NOT NULL,
    parent TEXT NOT NULL, parent_step INTEGER NOT NULL, parent_seq INTEGER NOT NULL, first_seq INTEGER NOT NULL, target TEXT NOT NULL,
    UNIQUE(namespace, run_id)
) WITH (fillfactor=80);
CREATE INDEX runs_newest ON runs(namespace, id DESC);
CREATE INDEX runs_by_status ON runs(namespace, status, id DESC);
CREATE INDEX runs_by_graph ON runs(namespace, graph, id DESC);
CREATE INDEX runs_by_change ON runs(namespace, updated DESC);
CREATE INDEX runs_by_parent ON runs(namespace, parent) WHERE parent <> '';
CREATE TABLE events(
    run BIGINT NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, at DOUBLE PRECISION NOT NULL, kind TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY(run, seq)
);
CREATE TABLE contents(namespace TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY(namespace, digest));
CREATE TABLE questions(
    run BIGINT NOT NULL, id TEXT NOT NULL, prompt TEXT NOT NULL, schema TEXT NOT NULL, node TEXT NOT NULL, path TEXT NOT NULL,
    asked DOUBLE PRECISION NOT NULL, answer TEXT, due DOUBLE PRECISION, PRIMARY KEY(run, id)
);
CREATE INDEX questions_by_person ON questions(node, asked);
CREATE INDEX questions_by_time ON questions(due) WHERE due IS NOT NULL;
CREATE INDEX questions_answered ON questions(run) WHERE answer IS NOT NULL;
"""

_QUEUES = """
ALTER TABLE runs ADD COLUMN queue TEXT NOT NULL DEFAULT 'default', ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_to_begin ON runs(namespace, priority, id) WHERE status='ready';
CREATE INDEX runs_by_graph_and_status ON runs(namespace, graph, status, id DESC);
CREATE TABLE workers(
    namespace TEXT NOT NULL, id TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, engine TEXT NOT NULL, graphs TEXT NOT NULL,
    queues TEXT NOT NULL, concurrency INTEGER NOT NULL, lease DOUBLE PRECISION NOT NULL, under_way INTEGER NOT NULL,
    since DOUBLE PRECISION NOT NULL, beat DOUBLE PRECISION NOT NULL, PRIMARY KEY(namespace, id)
);
"""

# A namespace that has runs by now is a plain one, and says so.
_SEALING = """
ALTER TABLE runs ADD COLUMN seal TEXT NOT NULL DEFAULT '';
CREATE TABLE sealing(namespace TEXT PRIMARY KEY, marker TEXT NOT NULL);
INSERT INTO sealing SELECT DISTINCT namespace, '' FROM runs;
"""

# Which requests to models were let through, and when. A limit's name begins with its namespace.
_LIMITS = """
CREATE TABLE rate_limits(name TEXT PRIMARY KEY, next_request DOUBLE PRECISION NOT NULL) WITH (fillfactor=50);
CREATE TABLE rate_admissions(
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, tokens INTEGER NOT NULL
);
CREATE INDEX rate_admissions_by_time ON rate_admissions(name, at);
"""

# What a run is labelled with stands in its row; by `labelled`, runs of a label are found where it can be read.
_LABELS = """
ALTER TABLE runs ADD COLUMN labels TEXT NOT NULL DEFAULT '';
CREATE TABLE labelled(namespace TEXT NOT NULL, label TEXT NOT NULL, run BIGINT NOT NULL, PRIMARY KEY(namespace, label, run));
CREATE INDEX labelled_by_run ON labelled(run);
"""

_MIGRATIONS: tuple[str, ...] = (_FIRST, _QUEUES, _SEALING, _LIMITS, _LABELS)
"""What led from each version of the tables to the next. A released one is never changed; the next one is appended."""

VERSION = len(_MIGRATIONS)


def prepare(connection: Connection[Any], place: str) -> None:
    """Make the tables, or bring them to this version. Raises `StoreFormat` where a newer convgraph has made them."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
        cursor.execute("CREATE SCHEMA IF NOT EXISTS convgraph")
        cursor.execute("SET search_path TO convgraph")
        cursor.execute("CREATE TABLE IF NOT EXISTS format(version INTEGER NOT NULL)")
        cursor.execute("SELECT version FROM format")
        row = cursor.fetchone()
        version = int(row[0]) if row is not None else 0
        if version > VERSION:
            raise StoreFormat(
                f"{place}: a newer convgraph made the tables (format {version}; this one reads up to {VERSION}); use the newer one"
            )
        for migration in _MIGRATIONS[version:]:
            cursor.execute(migration.encode())
        if row is None:
            cursor.execute("INSERT INTO format VALUES(%s)", (VERSION,))
        elif version < VERSION:
            cursor.execute("UPDATE format SET version=%s", (VERSION,))
