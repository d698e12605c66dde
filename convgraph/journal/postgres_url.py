"""What the URL of a store in PostgreSQL says: to libpq, to us, and to people."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from convgraph.errors import InputError, MissingDependency


class PostgresPlace(NamedTuple):
    """Where a store is: `dsn` for libpq, `shown` without a password, `namespace` if the URL names one."""

    dsn: str
    shown: str
    namespace: str | None


def postgres_place(url: str) -> PostgresPlace:
    """The place that a URL names, of whose query `namespace` is ours and not the database's. Raises `MissingDependency`, `InputError`."""
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise MissingDependency("a store in PostgreSQL needs psycopg: pip install 'convgraph[postgres]'") from None
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    namespace = query.pop("namespace", None)
    dsn = urlunsplit(parts._replace(scheme="postgresql", query=urlencode(query)))
    try:
        conninfo_to_dict(dsn)
        if "," not in parts.netloc:  # several hosts have a port each
            _ = parts.port
    except (psycopg.ProgrammingError, ValueError) as error:
        raise InputError(f"store URL {without_password(url)!r}: {str(error).strip()}") from None
    return PostgresPlace(dsn, without_password(dsn), namespace)


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"(?<=[?&])password=[^&]*", "password=***", re.sub(r"(?<=//)([^:/@]*):[^@/]*(?=@)", r"\1:***", url))
