"""The model broker: `python3 broker.py PORT LOG remembers|forgets`. It needs nothing but Python, and runs in a container.

All orders are filled as they arrive. One that `remembers` knows their ids for ever: what comes again is the first order. One that
`forgets` knows an id only as long as its order is open, which is never: what comes again is another order.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Book:
    """The orders that were accepted, in a file that nothing else writes."""

    def __init__(self, log: Path, *, remembers: bool) -> None:
        self.remembers = remembers
        self._log, self._lock = log, threading.Lock()
        self.orders = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def find(self, name: str) -> dict[str, object]:
        """Return the order of that id, if it is remembered."""
        return next((one for one in self.orders if self.remembers and one["id"] == name), {})

    def place(self, sent: dict[str, object], host: str) -> dict[str, object]:
        """Accept an order."""
        with self._lock:
            if known := self.find(str(sent["id"])):
                return known
            order = {**sent, "host": host, "at": time.time()}
            with self._log.open("a") as file:
                file.write(json.dumps(order) + "\n")
            self.orders.append(order)
            return order


def handler(book: Book) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/rules":
                self._answer({"finds_every_order": book.remembers})
            elif self.path == "/held":
                self._answer({"quantity": sum(one["quantity"] for one in book.orders)})
            elif self.path == "/log":
                self._answer({"orders": book.orders})
            else:
                self._answer(book.find(self.path.rpartition("/")[2]))

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(book.place(sent, self.client_address[0]))

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, content: dict[str, object]) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


if __name__ == "__main__":
    port, log, kind = sys.argv[1:]
    ThreadingHTTPServer(("", int(port)), handler(Book(Path(log), remembers=kind == "remembers"))).serve_forever()
