"""What the demo sees: a strategy's journal, line by line, and a channel of the supervisor's alerts."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue


class JournalTail:
    """Reads what is new in a strategy's journal."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def new(self) -> list[Mapping[str, object]]:
        """Return the whole lines that were written since the last time."""
        found = []
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                whole, newline, _ = file.read().rpartition(b"\n")
            self._read[path] = self._read.get(path, 0) + len(whole + newline)
            found += [json.loads(line) for line in whole.splitlines()]
        return found


def words(event: Mapping[str, object]) -> str:
    """Return a line of the journal for a person, or an empty text for one that says nothing new."""
    match event["event"]:
        case "service_start":
            text = f"started (its stop before was {event['previous_stop']})"
        case "service_stop":
            text = f"stopped in order ({event['reason']})"
        case "decision":
            quantity = event.get("qty")
            amount = f" {quantity:.10g}" if isinstance(quantity, int | float) and quantity else ""
            text = f"{event['action']}{amount} {event['symbol']}: {event['reason']}"
        case "run_end":
            text = f"ran its slot {_clock(event['slot'])}: {event['outcome']}"
        case "slot_skipped":
            text = f"did not run its slot {_clock(event['slot'])}: {event['outcome']} ({event['reason']})"
        case "error":
            text = f"error: {event['error']}"
        case _:
            return ""
    return f"{_clock(event['timestamp'])}  {event.get('bot') or event['strategy']} {text}"


def _clock(instant: object) -> str:
    return str(instant)[11:19]


@dataclass(frozen=True)
class Message:
    """What a channel got."""

    title: str
    text: str


class WebhookReceiver:
    """A webhook on this machine: it keeps what the supervisor's alerts send to it until it is read."""

    def __init__(self) -> None:
        got: SimpleQueue[Message] = SimpleQueue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                got.put(Message(str(content.get("title", "")), str(content.get("message", ""))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
                """Keep requests to itself."""

        self._got = got
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """The channel as the alerts' settings name it."""
        return f"json://127.0.0.1:{self._server.server_port}"

    def new(self) -> list[Message]:
        """Return what has come since the last time."""
        found = []
        while True:
            try:
                found.append(self._got.get_nowait())
            except Empty:
                return found

    def close(self) -> None:
        """Take nothing more."""
        self._server.shutdown()
        self._server.server_close()
