"""The limits of the page's connections: how long one may take, and what clients may leave unread."""

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from openbell.supervisor.web import connections

LARGE = b"x" * 1_000_000


async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with a megabyte."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})
    await send({"type": "http.response.body", "body": LARGE})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A server whose limits are small; its address."""
    monkeypatch.setattr(connections, "LONGEST_EXCHANGE", 0.5)
    monkeypatch.setattr(connections, "MOST_UNREAD", 3_000_000)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    serving = connections.server(answer)
    thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
    thread.start()
    host, port = listening.getsockname()[:2]
    yield host, port
    serving.should_exit = True
    thread.join()


def opened(address: tuple[str, int], content: bytes) -> socket.socket:
    """Return a connection that has sent this and reads little."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect(address)
    connection.sendall(content)
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Read to the end; return whether the server has closed the connection before a whole answer."""
    read = 0
    try:
        while read < len(LARGE) and (chunk := connection.recv(1 << 16)):
            read += len(chunk)
    except ConnectionResetError:
        return True
    return read < len(LARGE)


@pytest.mark.parametrize(
    "content", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"]
)
def test_a_request_that_takes_too_long_ends_with_its_connection(server: tuple[str, int], content: bytes) -> None:
    """With no request, with half a head, and with half a body."""
    began = time.monotonic()
    with opened(server, content) as connection:
        while connection.recv(1 << 16):
            pass
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize("after", ["close", "keep-alive"])
def test_answers_that_nobody_reads_are_bounded(
    server: tuple[str, int], monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """Of ten clients that ask for a megabyte and read nothing, those that have waited longest are closed."""
    monkeypatch.setattr(connections, "LONGEST_EXCHANGE", 60.0)
    clients = []
    for _ in range(10):
        clients.append(opened(server, f"GET / HTTP/1.1\r\nHost: a\r\nConnection: {after}\r\n\r\n".encode()))
        clients[-1].recv(1)  # it is being answered
    closed = [is_closed(one) for one in clients]
    for one in clients:
        one.close()
    assert 5 <= sum(closed) <= 8
    assert closed[0]
    assert not closed[-1]


# What asyncio has accepted when its server is closed, but has not set up yet, it leaves to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("steps", range(6))
def test_a_connection_accepted_at_the_end_does_not_hold_it_up(steps: int, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever asyncio has done of its set-up when the server closes the connections that it has."""
    listening = socket.create_server(("127.0.0.1", 0))
    serving = connections.server(answer)

    async def connect_and_end() -> None:
        await serving.startup(sockets=[listening])
        with socket.create_connection(listening.getsockname()):
            for _ in range(steps):
                await asyncio.sleep(0)
            await serving.shutdown(sockets=[listening])
            assert not serving.server_state.connections

    serving.config.load()
    serving.lifespan = serving.config.lifespan_class(serving.config)
    asyncio.run(connect_and_end())
    gc.collect()
    assert not caplog.records
