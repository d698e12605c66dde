"""Links and the database fail, and come back: every run ends, and what was recorded is never done again."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from typing import Literal

import psycopg
import pytest

from convgraph import open_store
from convgraph.journal.store import Store
from tests.failures.database_server import DatabaseServer
from tests.failures.machines import Machines, judge, until
from tests.failures.test_distributed_machines import dug, submitted


def test_a_machine_whose_link_is_a_black_hole_is_given_up_and_comes_back(machines: Machines, runs_in: Store) -> None:
    runs = submitted(runs_in, 4, seconds=0.2)
    lonely = machines.start()
    until(lambda: dug(machines) >= 4)
    lonely.cable.black_hole()
    second = machines.start()
    until(lambda: dug(machines, second) >= 4)
    lonely.cable.heal()
    judge(machines, runs_in, runs, late=[lonely], repeated=3 * len(runs))
    more = submitted(runs_in, 2)
    second.kill()
    judge(machines, runs_in, more, late=[lonely], repeated=4 * len(runs))


def test_a_link_that_is_cut_and_mended_loses_nothing(machines: Machines, runs_in: Store) -> None:
    runs = submitted(runs_in, 4, seconds=0.2)
    one, other = machines.start(), machines.start()
    until(lambda: dug(machines) >= 4)
    for machine in (one, other):
        machine.cable.cut()
        time.sleep(0.1)
        machine.cable.heal()
        time.sleep(0.1)
    judge(machines, runs_in, runs, late=[one, other], repeated=2 * len(runs))


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_the_database_is_restarted_under_way(machines: Machines, server: DatabaseServer, how: Literal["fast", "immediate"]) -> None:
    with open_store(machines.url) as store:
        runs = submitted(store, 4, seconds=0.15)
    both = [machines.start(), machines.start()]
    until(lambda: dug(machines) >= 6)
    server.stop(how)
    server.start()
    with open_store(machines.url) as store:
        judge(machines, store, runs, late=both, repeated=2 * len(runs))


@pytest.fixture
def on_small_disk(machines: Machines, server: DatabaseServer) -> Iterator[Machines]:
    """Machines whose database is on a disk that is soon full. Mounting it takes root, whose user the server is not."""
    folder = server.folder / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tests", folder], check=True)
    try:
        (space := folder / "space").mkdir()
        server.own(space)
        machines.database = server.new_database(space)
        yield machines
    finally:
        machines.close()
        server.drop_database(machines.database, with_tablespace=True)
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_the_servers_disk_is_full_for_a_while(on_small_disk: Machines) -> None:
    """What was not written is not there, and nothing comes after it; a machine that can give no sign of life for long ends."""
    machines = on_small_disk
    with open_store(machines.url) as store:
        runs = submitted(store, 4, seconds=0.3)
        machine = machines.start()
        until(lambda: dug(machines) >= 4)
        with psycopg.connect(machines.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE ballast(body TEXT)")
            for rows in (20, 1):
                with contextlib.suppress(psycopg.errors.DiskFull):
                    while True:
                        connection.execute(f"INSERT INTO ballast SELECT repeat('0', 1900) FROM generate_series(1, {rows})".encode())
            until(lambda: "disk is full" in machine.log.read_text(), told=machines.logs)
            connection.execute("DROP TABLE ballast")
        machines.start()
        judge(machines, store, runs, late=[machine], repeated=20 * len(runs))


@pytest.fixture
def namespaces() -> Iterator[list[str]]:
    """Two network namespaces, each with a link of its own to this one; none where that is not permitted."""
    names = ["cg-one", "cg-two"]
    made: list[str] = []
    try:
        for number, name in enumerate(names):
            made.append(name)
            for command in (
                f"ip netns add {name}",
                f"ip link add {name} type veth peer name eth0 netns {name}",
                f"ip addr add 10.213.{number}.1/24 dev {name}",
                f"ip link set {name} up",
                f"ip netns exec {name} ip addr add 10.213.{number}.2/24 dev eth0",
                f"ip netns exec {name} ip link set eth0 up",
            ):
                subprocess.run(command.split(), check=True, capture_output=True)
        yield names
    except (subprocess.CalledProcessError, FileNotFoundError):
        yield []
    finally:
        for name in made:
            with contextlib.suppress(FileNotFoundError):
                subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def test_a_machine_is_unplugged(machines: Machines, runs_in: Store, namespaces: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With real links between network namespaces; where those are not permitted, with black holes in proxies, and it says so."""
    runs = submitted(runs_in, 4, seconds=0.2)
    if namespaces:
        one, two = (
            machines.start(before=["ip", "netns", "exec", name], host=f"10.213.{number}.1") for number, name in enumerate(namespaces)
        )
    else:
        with capsys.disabled():
            print("network namespaces are not permitted here: loopback proxies stand in for unplugged links")
        one, two = machines.start(), machines.start()

    def plug(state: Literal["down", "up"]) -> None:
        if namespaces:
            subprocess.run(["ip", "link", "set", namespaces[0], state], check=True)
        elif state == "down":
            one.cable.black_hole()
        else:
            one.cable.heal()

    until(lambda: dug(machines) >= 4, told=machines.logs)
    plug("down")
    until(lambda: dug(machines, two) >= 8, told=machines.logs)
    plug("up")
    judge(machines, runs_in, runs, late=[one], repeated=3 * len(runs))
