"""A PostgreSQL server of the tests' own: Debian's programs on a folder that is thrown away, reachable by a socket in it alone."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@contextmanager
def postgres_cluster(*, durable: bool = False) -> Iterator[str]:
    """The URL of a new cluster's first database. The server ends with the block, and its folder goes.

    It waits for the disk only where it is to be `durable`.

    It refuses to be root's: as root it is run as Debian's user `postgres`.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path may be no longer than 107 characters
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"
    as_user = ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"] if user is not None else []
    settings = [f"-c{setting}" for setting in (*(() if durable else FAST), "listen_addresses=", f"unix_socket_directories={folder}")]
    common: Any = {"cwd": folder, "env": {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}, "stdout": subprocess.DEVNULL}
    url = f"postgresql://tests@/postgres?host={folder}"
    try:
        make = ["setpriv", *as_user, PROGRAMS / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(make, check=True, stderr=subprocess.PIPE, **common)
        with (folder / "log").open("w") as log:
            # It ends with the process that has started it, however that ends.
            serve = ["setpriv", "--pdeathsig", "QUIT", *as_user, PROGRAMS / "postgres", "-D", data, *settings]
            server = subprocess.Popen(serve, stderr=log, **common)
        try:
            _wait_for(url, server, folder / "log")
            yield url
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: what was not written yet need not be
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str, server: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)


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
