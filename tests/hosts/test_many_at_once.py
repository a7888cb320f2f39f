"""A hundred loops that start at one instant on an empty database: nothing fails, nothing is made twice, each owner is one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from openbell.postgres.database import Database, Guard, wait_no_longer_than
from openbell.postgres.ledger import PostgresLedger
from openbell.postgres.ownership import Ownership
from openbell.postgres.tables import LEASES, LEDGER, SHARED, SHARED_SCHEMA
from tests.serverless.pooler import running_pooler
from tests.serverless.postgres import Server

HOSTS, STRATEGIES = 2, 30
SESSIONS = 10  # that the pooler has for all of them
LOOPS = 100
WITHIN = 150.0  # seconds on a busy machine: a hundred interpreters have to start first
MANIFEST = 'timezone = "UTC"\n[[bot]]\nid = "b{number}"\nsymbols = ["AAPL"]\nevery = "15m"\n'
CODE = "def run(ctx):\n    pass\n"


def contend(url: str, strategy: str, host: str, pipe: Connection) -> None:
    """Do what a loop does before its first run, at the same instant as all others; tell the epoch, 0 without ownership."""
    wait_no_longer_than(WITHIN / 2, 0)  # a loop has less patience, and comes again; here each has one try
    database = Database(url, SHARED_SCHEMA)
    pipe.recv()
    try:
        database.make(SHARED)
        Database(url, f"openbell_{strategy}").make(LEDGER + LEASES)
        acquired = Ownership(database, strategy, host, host).acquire()
        if acquired is not None:
            guard = Guard(strategy, acquired.epoch, host)
            PostgresLedger(url, strategy, prepare=True, guard=guard).remember("previous stop", "unclean")
        pipe.send(acquired.epoch if acquired is not None else 0)
    except Exception as error:  # noqa: BLE001 - the test shows it
        pipe.send(repr(error))


def test_each_strategy_gets_one_owner_behind_a_pooler(url: str) -> None:
    """Two hosts with thirty strategies each, whose sixty connections share ten sessions."""
    context = get_context("fork")
    with running_pooler(url, SESSIONS) as pooled, ExitStack() as started:
        pipes = []
        for number in range(STRATEGIES):
            for host in range(HOSTS):
                here, there = context.Pipe()
                one = context.Process(target=contend, args=(pooled, f"s{number}", f"h{host}", there), daemon=True)
                one.start()
                started.callback(one.join)
                pipes.append(here)
        for pipe in pipes:
            pipe.send("go")
        told = [pipe.recv() for pipe in pipes]
    assert sorted(map(str, told)) == ["0"] * STRATEGIES + ["1"] * STRATEGIES


@pytest.fixture
def loops(tmp_path: Path, url: str) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Real loops of one host, a strategy each, that were started at once behind a pooler: a server has 100 connections."""
    with running_pooler(url, SESSIONS) as pooled:
        found = started(tmp_path, pooled)
        yield found
        for process in found:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def started(tmp_path: Path, url: str) -> list["subprocess.Popen[bytes]"]:
    """Start a loop for each strategy."""
    found = []
    for number in range(LOOPS):
        name = f"s{number}"
        folder = tmp_path / "strategies" / name
        folder.mkdir(parents=True)
        (folder / "strategy.toml").write_text(MANIFEST.format(number=number))
        (folder / "strategy.py").write_text(CODE)
        given = {"OPENBELL_STRATEGY": name, "OPENBELL_FOLDER": str(folder), "OPENBELL_DATABASE": url}
        places = {f"OPENBELL_{one.upper()}": str(tmp_path / one) for one in ("journal", "state", "control")}
        for one in places.values():
            Path(one).mkdir(exist_ok=True)
        with (tmp_path / f"{name}.said").open("wb") as said:
            command = (sys.executable, "-m", "openbell", "run")
            environment = {**os.environ, **given, **places, "OPENBELL_HOST": "a"}
            found.append(subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True))
    return found


@pytest.mark.hosts_long
@pytest.mark.timeout(300)
def test_a_hundred_loops_start_at_once(
    loops: list["subprocess.Popen[bytes]"], server: Server, url: str, tmp_path: Path
) -> None:
    """None ends, each begins once, in its first epoch, and the server has refused nothing."""
    database = Database(url, SHARED_SCHEMA)
    database.make(SHARED)
    until = time.monotonic() + WITHIN
    begun = "SELECT count(*), count(DISTINCT strategy) FROM journal WHERE line::json->>'event' = 'service_start'"
    while database.execute(begun) != [(LOOPS, LOOPS)]:
        said = "\n".join((tmp_path / f"s{number}.said").read_text()[-300:] for number in range(LOOPS))
        ended = [process.returncode for process in loops if process.poll() is not None]
        assert (ended, time.monotonic() < until) == ([], True), f"{said}\n{server.log()}"
        time.sleep(0.5)
    owners = "SELECT count(*), max(epoch) FROM owners WHERE until > clock_timestamp()"
    assert database.execute(owners) == [(LOOPS, 1)]
    assert "deadlock" not in server.log()
    database.close()
