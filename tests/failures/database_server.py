"""A PostgreSQL server that can be restarted, on loopback: what it has committed it still has when its processes are killed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Literal

import psycopg

from tests.knowledge.postgres_cluster import PROGRAMS

# What a commit has written is in the hands of the kernel, which lives on: so nothing need be waited for but the write.
SETTINGS = ("fsync=off", "full_page_writes=off", "synchronous_commit=on", "max_connections=200", "shared_buffers=16MB")


class DatabaseServer:
    """The server, from `start` to `remove`. As root it is run as Debian's user `postgres`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.own(self.folder)
        self.port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self.folder / "data", "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync")

    @property
    def url(self) -> str:
        """The URL of the first database, past all cables."""
        return f"postgresql://tests@127.0.0.1:{self.port}/postgres"

    def own(self, folder: Path) -> None:
        """Let the server have a folder."""
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        listens = (f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}")
        settings = [f"-c{setting}" for setting in (*SETTINGS, *listens)]
        command = ["setpriv", "--pdeathsig", "QUIT", *self._as_user(), PROGRAMS / "postgres", "-D", self.folder / "data", *settings]
        with (self.folder / "log").open("a") as log:
            self._server = subprocess.Popen(command, stderr=log, stdout=log, cwd=self.folder, env=_environment())
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)

    def stop(self, how: Literal["fast", "immediate"]) -> None:
        """Stop it: `fast` ends all connections first, `immediate` is a crash."""
        assert self._server is not None
        self._server.send_signal(signal.SIGINT if how == "fast" else signal.SIGQUIT)
        self._server.wait(30)

    def new_database(self, tablespace: Path | None = None) -> str:
        """The name of a database that nobody has used, in a folder of its own where one is given."""
        name = f"db_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            where = ""
            if tablespace is not None:
                connection.execute(f"CREATE TABLESPACE {name} LOCATION '{tablespace}'".encode())
                where = f" TABLESPACE {name}"
            connection.execute(f"CREATE DATABASE {name}{where}".encode())
        return name

    def drop_database(self, name: str, *, with_tablespace: bool = False) -> None:
        """Remove a database, whoever uses it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            if with_tablespace:
                connection.execute(f"DROP TABLESPACE IF EXISTS {name}".encode())

    def remove(self) -> None:
        """End it and remove what it has written."""
        if self._server is not None and self._server.poll() is None:
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _as_user(self) -> list[str]:
        user = self._user
        return [] if user is None else ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]

    def _run(self, program: str, *arguments: Any) -> None:
        command = ["setpriv", *self._as_user(), PROGRAMS / program, *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, env=_environment())


def _environment() -> dict[str, str]:
    return {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
