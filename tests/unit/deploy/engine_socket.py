"""An engine behind a socket, which answers over HTTP as Docker's does."""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer


class Engine(BaseHTTPRequestHandler):
    """Answers what it has an answer for; anything else is not there. With an event for content it answers nothing before that is set."""

    answers: dict[str, tuple[int, object]]
    asked: list[str]

    def do_GET(self) -> None:
        """Answer a question."""
        self._answer()

    def do_POST(self) -> None:
        """Answer what is to be done."""
        self.asked.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        self._answer()

    def do_DELETE(self) -> None:
        """Remove something."""
        self.asked.append(f"DELETE {self.path}")
        self._answer()

    def address_string(self) -> str:
        """A socket of this machine has no peer's address."""
        return "here"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        status, content = self.answers.get(f"{self.command} {self.path.partition('?')[0]}", (404, {"message": "none"}))
        if status == 0:  # the engine dies
            self.connection.close()
            return
        if isinstance(content, threading.Event):
            content.wait(30)
            return
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        with contextlib.suppress(BrokenPipeError):  # who asked has given up
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


@contextlib.contextmanager
def engine_behind(socket: Path, answers: Mapping[str, tuple[int, object]]) -> Iterator[type[Engine]]:
    """Serve an engine with these answers (method and path: status and content) at a socket; give what answers."""
    handler = type("Answers", (Engine,), {"answers": dict(answers), "asked": []})
    with ThreadingUnixStreamServer(str(socket), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield handler
        server.shutdown()
        thread.join()
