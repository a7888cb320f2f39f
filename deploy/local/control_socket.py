"""How a command reaches the background service: one JSON line each way, over a socket in the data folder.

The socket is the user's alone, so what travels may hold secrets, and none of them is written to a file.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

NAME = "control.sock"
SILENCE = 10.0  # seconds without a byte after which the other side is given up
BACKLOG = 16

Message = Mapping[str, object]


@contextmanager
def listening(folder: Path) -> Iterator[socket.socket]:
    """Give a socket that listens in the folder; the caller holds the folder's lock, so an old socket has no owner any more."""
    with _short(folder) as path, closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as server:
        with suppress(FileNotFoundError):
            Path(path).unlink()
        before = os.umask(0o177)
        try:
            server.bind(path)
        finally:
            os.umask(before)
        server.listen(BACKLOG)
        try:
            yield server
        finally:
            with suppress(FileNotFoundError):
                Path(path).unlink()


def ask(folder: Path, question: Message) -> dict[str, object] | None:
    """Return the answer of the service that runs with its data in the folder, or None if none runs."""
    try:
        with _short(folder) as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(SILENCE)
            client.connect(path)
            client.sendall(json.dumps(question).encode() + b"\n")
            answer = json.loads(_line(client))
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def answer_one(server: socket.socket, within: float, answer: Callable[[Message], Message]) -> None:
    """Wait for a question and answer it; return after that, or when `within` seconds have brought none."""
    server.settimeout(within)
    try:
        client, _ = server.accept()
    except TimeoutError:
        return
    # A command that was ended in the middle of its question must not end the service.
    with client, suppress(OSError, ValueError):
        client.settimeout(SILENCE)
        question = json.loads(_line(client))
        client.sendall(json.dumps(answer(question)).encode() + b"\n")


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    # A socket's path has room for 107 bytes, and a data folder's may be longer: its descriptor's is short.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


def _line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as incoming:
        return incoming.readline()
