"""Databases of small plans: they sleep, and they have few connections."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from openbell.postgres import database as module
from openbell.postgres.connection import PostgresError
from openbell.postgres.database import WAKING, Database
from tests.serverless.calls import BUYS, World, answer, go
from tests.serverless.pooler import running_pooler
from tests.serverless.postgres import Server

DELIVERIES = 6


@contextmanager
def sleeping(server: Server, seconds: float) -> Iterator[str]:
    """Yield the address of the server behind a gate that lets nothing through for so long after each connection."""
    with socket.create_server(("127.0.0.1", 0)) as gate:

        def serve() -> None:
            while True:
                try:
                    one, _ = gate.accept()
                except OSError:
                    return
                threading.Thread(target=_connect, args=(one, server.port, seconds), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.url().replace(f":{server.port}/", f":{gate.getsockname()[1]}/") + "?sslmode=disable"
        gate.shutdown(socket.SHUT_RDWR)


def _connect(one: socket.socket, port: int, seconds: float) -> None:
    time.sleep(seconds)
    other = socket.create_connection(("127.0.0.1", port))
    pairs = ((one, other), (other, one))
    threads = [threading.Thread(target=_copy, args=pair, daemon=True) for pair in pairs]
    for thread in threads:
        thread.start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_the_first_answer_may_take_longer_than_the_others(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that wakes up is waited for; one that is awake and silent is not."""
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with sleeping(server, 1.0) as url:
        database = Database(url, "public")
        assert database.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(PostgresError, match=r"no answer within 0\.2 s"):
            database.execute("SELECT pg_sleep(5)")


def test_how_long_is_waited_can_be_set(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """In seconds; what is none is one line."""
    monkeypatch.setenv(WAKING, "1")
    with sleeping(server, 3.0) as url, pytest.raises(PostgresError, match="no answer within 1 s"):
        Database(url, "public").execute("SELECT 1")
    for wrong in ("soon", "0", "nan", "601"):
        monkeypatch.setenv(WAKING, wrong)
        with pytest.raises(PostgresError, match=f'{WAKING}: found "{wrong}"; allowed: seconds from 1 to 600'):
            Database(server.url(), "public").execute("SELECT 1")


def test_six_deliveries_share_two_connections(world: World) -> None:
    """Behind a pooler that gives them out for a transaction: all are answered, and the slot runs once."""
    world.write(BUYS)
    with running_pooler(world.url, 2) as url:
        world.environment["OPENBELL_DATABASE_URL"] = url
        instances = [world.instance({"trigger": "schedule"}) for _ in range(DELIVERIES)]
        for instance in instances:
            go(instance)
        answers = [answer(instance) for instance in instances]
    assert [code for code, _ in answers] == [200] * DELIVERIES
    assert len(world.events("run_start")) == 1
