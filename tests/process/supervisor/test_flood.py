"""A flood of connections against a real supervisor: the watch goes on, memory is bounded, and the page answers right afterwards."""

import json
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.supervisor.service.library_log import BURST
from tests.process.supervisor.test_service import Supervisor
from tests.unit.supervisor.world import World

DESCRIPTORS = 1024
FLOOD = 3500
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Filler: " + b"a" * 60_000
MEMORY = 64  # megabytes that a flood may cost
NAMES = ("pulse", "twin")


@pytest.fixture
def supervisor(world: World) -> Iterator[Supervisor]:
    """A supervisor with 1,024 descriptors, over two running strategies."""
    world.now = datetime.now(UTC)
    far = f"{world.now + timedelta(hours=12):%H:%M}"  # no slot is due meanwhile
    for name in NAMES:
        world.strategy(name, f'timezone = "UTC"\n[[bot]]\nid = "{name}"\nsymbols = ["A"]\nat = ["{far}"]\n')
        world.start(name, (name,))
    supervisor = Supervisor(world)
    hard = resource.prlimit(supervisor.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(supervisor.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    with beating(world):
        yield supervisor
    if supervisor.process.poll() is None:
        supervisor.process.kill()
        supervisor.process.communicate()


@contextmanager
def beating(world: World) -> Iterator[None]:
    """Let both loops beat every second."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(1):
            world.now = datetime.now(UTC)
            for name in NAMES:
                world.beat(name)

    thread = threading.Thread(target=beat)
    thread.start()
    yield
    stop.set()
    thread.join()


def memory(supervisor: Supervisor) -> int:
    """Return the most megabytes that the process has ever had."""
    status = Path(f"/proc/{supervisor.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) // 1024


def descriptors(supervisor: Supervisor) -> int:
    """Return how many descriptors the process has open."""
    return len(list(Path(f"/proc/{supervisor.process.pid}/fd").iterdir()))


def half_open(port: int, head: bytes) -> socket.socket:
    """Return a connection with a request that never ends."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.setblocking(False)
    with suppress(OSError):  # it may be closed already
        connection.send(head)
    return connection


def test_half_open_requests_with_large_headers_change_nothing(supervisor: Supervisor) -> None:
    """3,500 of them, held open: both strategies stay as they are, and what libraries log is bounded."""
    before = {one["name"]: one["status"] for one in json.loads(supervisor.wait())["strategies"]}
    had, most = memory(supervisor), 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, FLOOD + 1000)), hard))
    try:
        with ExitStack() as stack:
            for number in range(FLOOD):
                stack.enter_context(half_open(supervisor.port, HEAD))
                if number % 500 == 0:
                    most = max(most, descriptors(supervisor))
                    assert supervisor.ask("/healthz")[0] == 200
            answer = json.loads(supervisor.wait())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert {one["name"]: one["status"] for one in answer["strategies"]} == before
    assert answer["conditions"] == []
    assert supervisor.ask("/")[0] == 200
    assert most < DESCRIPTORS // 2
    assert memory(supervisor) - had < MEMORY
    code, lines = supervisor.end()
    assert code == 0
    assert sum(line["event"] == "library.logged" for line in lines) <= 2 * BURST
    assert not [line for line in lines if line["event"] == "headline.changed"][1:]


def test_a_request_with_too_many_headers_is_refused(supervisor: Supervisor) -> None:
    """Each of them costs memory; the server goes on."""
    supervisor.wait()
    with socket.create_connection(("127.0.0.1", supervisor.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + b"a: b\r\n" * 500 + b"\r\n")
        assert connection.makefile("rb").readline() == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    assert supervisor.ask("/")[0] == 200


def test_a_head_that_is_too_long_is_refused(supervisor: Supervisor) -> None:
    """It is not collected until it ends."""
    supervisor.wait()
    with socket.create_connection(("127.0.0.1", supervisor.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000)
        assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 400 ")
    assert supervisor.ask("/")[0] == 200
