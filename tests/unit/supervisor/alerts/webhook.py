"""A real web server that receives what channels send: it answers, hangs, fails, is slow or has had enough."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.engine.kit import wait_until

__all__ = ["Hook", "hook", "wait_until"]

ANSWERS = {"ok": 200, "fail": 500, "enough": 429, "refuse": 401}


class Hook:
    """What each path received, and what it answers: the path's first part is the behaviour, which `answers` can change."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.received: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.pings = 0
        self.date: str | None = None  # of answers, instead of the real one
        self.answers = dict(ANSWERS)
        self.let_go = threading.Event()  # ends what hangs
        self._server = ThreadingHTTPServer((host, 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return Apprise's URL of a path, with a long time limit for reading the answer."""
        return f"json://{host}:{self.port}/{path}?rto=60"

    def titles(self, path: str) -> list[str]:
        """Return the titles that a path received."""
        return [one["title"] for one in self.received[path]]

    def close(self) -> None:
        """End it."""
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                path = self.path.strip("/").partition("?")[0]
                behaviour = path.partition("/")[0]
                hook.received[path].append(body)
                if behaviour == "hang":
                    hook.let_go.wait()
                    return
                self._answer(hook.answers[behaviour])

            def do_GET(self) -> None:
                hook.pings += 1
                if self.path.startswith("/hang"):
                    hook.let_go.wait()
                    return
                self._answer(hook.answers[self.path.strip("/").partition("/")[0]])

            def _answer(self, code: int) -> None:
                self.send_response_only(code)
                self.send_header("Date", hook.date or self.date_time_string())
                text = b"" if code == 200 else b"not today, says the service"
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def hook(host: str = "127.0.0.1") -> Iterator[Hook]:
    """Run a server for a while."""
    server = Hook(host)
    try:
        yield server
    finally:
        server.close()
