"""Databases of small plans: they sleep, and they have few connections."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from openbell.postgres import database as module
from openbell.postgres.connection import PostgresError
from openbell.postgres.database import WAKING, Database
from tests.serverless.calls import BUYS, World, answer, go
from tests.serverless.pooler import running_pooler
from tests.serverless.postgres import Server

DELIVERIES = 6


class _Gate(socketserver.BaseRequestHandler):
    """One connection, which is held up and then passed on."""

    port: int
    seconds: float

    def handle(self) -> None:
        """Wait, and copy in both directions until one side ends."""
        time.sleep(self.seconds)
        with socket.create_connection(("127.0.0.1", self.port)) as server:
            answers = threading.Thread(target=_copy, args=(server, self.request))
            answers.start()
            _copy(self.request, server)
            answers.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def sleeping(server: Server, seconds: float) -> Iterator[str]:
    """Yield the address of the server behind a gate that lets nothing through for so long after each connection."""
    handler = type("Gate", (_Gate,), {"port": server.port, "seconds": seconds})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as gate:
        threading.Thread(target=gate.serve_forever).start()
        try:
            yield server.url().replace(f":{server.port}/", f":{gate.server_address[1]}/") + "?sslmode=disable"
        finally:
            gate.shutdown()


def test_the_first_answer_may_take_longer_than_the_others(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that wakes up is waited for; one that is awake and silent is not."""
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with sleeping(server, 1.0) as url:
        database = Database(url)
        assert database.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(PostgresError, match=r"no answer within 0\.2 s"):
            database.execute("SELECT pg_sleep(3)")
        database.close()


def test_how_long_is_waited_can_be_set(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """In seconds; what is none is one line."""
    monkeypatch.setenv(WAKING, "1")
    with sleeping(server, 3.0) as url, pytest.raises(PostgresError, match="no answer within 1 s"):
        Database(url).execute("SELECT 1")
    database = Database(server.url())
    database.close()  # a connection that another test left, which would be used
    for wrong in ("soon", "0", "nan", "601"):
        monkeypatch.setenv(WAKING, wrong)
        with pytest.raises(PostgresError, match=f'{WAKING}: found "{wrong}"; allowed: seconds from 1 to 600'):
            database.execute("SELECT 1")


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
