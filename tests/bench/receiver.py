"""A webhook's receiving end, which stamps what arrives."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Message:
    """What arrived, where, and when (seconds since 1970)."""

    at: float
    path: str
    text: str


class Receiver(ThreadingHTTPServer):
    """Keeps all messages."""

    def __init__(self) -> None:
        # The engine's bridge is another network than loopback.
        super().__init__(("0.0.0.0", 0), _Handler)  # noqa: S104
        self.messages: list[Message] = []

    def url(self, scheme: str, path: str) -> str:
        """Return the address that a container reaches this at."""
        return f"{scheme}://host.docker.internal:{self.server_address[1]}/{path}"

    def first(self, path: str, words: list[str], after: float) -> float | None:
        """Return when the first message later than `after` came in that holds one of the words."""
        found = (one.at for one in self.messages if one.path == f"/{path}" and one.at > after and _holds(one, words))
        return min(found, default=None)


def _holds(message: Message, words: list[str]) -> bool:
    return any(word in message.text for word in words)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        at = time.time()
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
        assert isinstance(self.server, Receiver)
        self.server.messages.append(Message(at, self.path.rstrip("/"), text))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Give a receiver that is listening."""
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()
