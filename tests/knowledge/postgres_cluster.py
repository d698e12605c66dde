"""A PostgreSQL server of the tests' own: Debian's programs on a folder that is thrown away, reachable by a socket in it alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@contextmanager
def postgres_cluster() -> Iterator[str]:
    """The URL of a new cluster's first database. The server ends with the block, and its folder goes.

    It refuses to be root's: as root it is run as Debian's user `postgres`.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path may be no longer than 107 characters
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    data, log = folder / "data", folder / "log"

    def do(program: str, *arguments: str | Path, quietly: bool = True) -> None:
        subprocess.run(
            [PROGRAMS / program, "-D", data, *arguments],
            cwd=folder,
            env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
            check=True,
            capture_output=quietly,
            **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user is not None else {}),
        )

    settings = " ".join(f"-c {setting}" for setting in (*FAST, "listen_addresses=''", f"unix_socket_directories={folder}"))
    try:
        do("initdb", "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync")
        do("pg_ctl", "-w", "-s", "-l", log, "-o", settings, "start", quietly=False)  # the server would hold a pipe open
        try:
            yield f"postgresql://tests@/postgres?host={folder}"
        finally:
            do("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(url: str) -> str:
    """The URL of a database in the cluster that nobody has used."""
    name = f"db_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]  # a name cannot be a parameter
    return url.replace("/postgres?", f"/{name}?")


def emptied(url: str) -> str:
    """The URL of the cluster's first database, in which nothing of ours is any more: far quicker to have than a new one."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS convgraph CASCADE")
    return url
