"""Bytes that arrive at the page's port: every answer is one of HTTP's, none is an error of ours, and the page goes on."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from openbell.supervisor.web import connections
from tests.fuzz.inputs import fuzz, rounds
from tests.unit.supervisor.web.client import TOKEN, Client
from tests.unit.supervisor.world import World

HOST = b"Host: 127.0.0.1:8080\r\n"
GETS = [
    b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    for path in (b"/", b"/healthz", b"/metrics", b"/strategies/pulse", b"/api/status", b"/alerts?limit=5", b"/static/page.css")
]  # fmt: skip
BODY = b'{"paused": true, "reason": "a reason", "for": "30m"}'
POST = (
    b"PATCH /api/bots/pulse HTTP/1.1\r\n"
    + HOST
    + f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    + BODY
)
A_MOMENT = 0.01  # seconds; a request that is not whole has no answer
VALID = [*GETS, POST, GETS[0] + GETS[1], GETS[3].replace(HOST, HOST + b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n"]


class Server:
    """The page on a Unix socket, served by the real server in a thread."""

    def __init__(self, folder: Path) -> None:
        world = World(folder)
        world.strategy()
        world.start()
        world.beat()
        world.see()
        self.address = str(folder / "page.sock")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.address)
        listening.listen(64)
        self._server = connections.server(Client(world).page.app)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]})
        self._thread.start()
        self._world = world

    def ask(self, content: bytes, patience: float = 20.0) -> bytes:
        """Send all of it, and return what comes back first; nothing if that takes longer than so many seconds."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patience)
            connection.connect(self.address)
            with suppress(BrokenPipeError, ConnectionResetError):  # it has seen enough
                connection.sendall(content)
            with suppress(ConnectionResetError, TimeoutError):
                return connection.recv(1 << 16)
            return b""

    def close(self) -> None:
        """End the server."""
        self._server.should_exit = True
        self._thread.join()
        self._world.restart()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Give a page that is served."""
    serving = Server(tmp_path)
    yield serving
    serving.close()


@rounds()
def test_any_bytes_at_the_port(number: int, server: Server) -> None:
    """They are answered or the connection is closed."""
    assert server.ask(GETS[1]).startswith(b"HTTP/1.1 200")
    assert server.ask(POST).startswith(b"HTTP/1.1 2")

    def check(content: bytes) -> bool:
        answer = server.ask(content, A_MOMENT)
        status = answer[9:12]
        assert not answer or (answer.startswith(b"HTTP/1.1 ") and status.isdigit()), answer[:200]
        assert not status.startswith(b"5"), answer[:500]
        return status.startswith(b"2")

    fuzz(number, VALID, check)
    assert server.ask(GETS[1]).startswith(b"HTTP/1.1 200")
