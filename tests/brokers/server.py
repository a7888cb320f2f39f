"""A local server for stubs, which can be told to go wrong on the way to the venue and on the way back."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

PATIENCE = 20.0  # seconds that a slow answer is held back unless the client hangs up


class Request(NamedTuple):
    """What came over the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, str]  # form or JSON
    headers: Mapping[str, str]  # names in lower case
    raw: str = ""


class Answer(NamedTuple):
    """What goes back."""

    status: int
    content: object = None
    headers: Mapping[str, str] = {}


Venue = Callable[[Request], Answer]
OOPS = Answer(500)


@dataclass
class Fault:
    """What goes wrong with the next `times` requests of this method whose path contains `path`.

    kind: "lost request" (the venue never sees it), "lost answer", "cut answer", "slow answer" (all after the venue has handled
    it), "doubled" (it arrives twice), "answer" (the venue is not asked, `answer` goes back), "late answer" (it is asked, and
    `answer` goes back), "kill before" and "kill after" (the process `pid` is killed, and the venue has not or has seen it).
    """

    method: str
    path: str
    kind: str
    times: int = 1
    answer: Answer = OOPS
    victim: Callable[[], int] = os.getpid


@dataclass
class Stub:
    """A running server. `seen` has every request that arrived, `faults` those to come."""

    venue: Venue
    address: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    ahead: timedelta = timedelta(0)  # of the venue's clock before ours

    def count(self, method: str, path: str) -> int:
        """Return how many requests of this method had a path that contains `path`."""
        return sum(1 for one in self.seen if one.method == method and path in one.path)

    def now(self) -> datetime:
        """Return the venue's time."""
        return datetime.now(UTC) + self.ahead

    def fault(self, request: Request) -> Fault | None:
        """Take what is to go wrong with this request."""
        for fault in self.faults:
            if fault.method == request.method and fault.path in request.path and fault.times > 0:
                fault.times -= 1
                return fault
        return None


@contextmanager
def running(venue: Callable[[Callable[[], datetime]], Venue]) -> Iterator[Stub]:
    """Serve a venue, which is made with its clock, on a free port."""
    stub = Stub(lambda _: Answer(500))
    stub.venue = venue(stub.now)

    class Handler(_Handler):
        server_stub = stub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # the body is a packet after the headers, and would wait 40 ms for an acknowledgement
    )
    server_stub: Stub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(self.server_stub.now(), usegmt=True)

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        request = self._request()
        stub = self.server_stub
        stub.seen.append(request)
        fault = stub.fault(request)
        kind = fault.kind if fault else ""
        if fault is not None and kind == "kill before":
            os.kill(fault.victim(), signal.SIGKILL)
        if kind in {"lost request", "kill before"}:
            self._hang_up()
            return
        answer = Answer(0) if kind == "answer" else stub.venue(request)
        if fault is not None and kind == "doubled":
            stub.venue(request)
        if fault is not None and kind in {"answer", "late answer"}:
            answer = fault.answer
        if fault is not None and kind == "kill after":
            os.kill(fault.victim(), signal.SIGKILL)
        if kind in {"lost answer", "kill after"}:
            self._hang_up()
        elif kind == "slow answer":
            stub.closing.wait(PATIENCE)
            self._hang_up()
        else:
            self._send(answer, half=kind == "cut answer")

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        body = json.loads(raw) if raw.startswith("{") else {} if raw.startswith("[") else dict(parse_qsl(raw))
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query))
        return Request(self.command, parts.path, query, body, headers, raw or parts.query)

    def _send(self, answer: Answer, *, half: bool) -> None:
        content = b"" if answer.content is None else json.dumps(answer.content).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)
        if half:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
