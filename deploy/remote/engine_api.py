"""The engine's API over its socket, which answers in a millisecond where starting Docker's command line takes a tenth of a second.

Each question returns None if the socket gives no usable answer. The caller then asks Docker's command line, which also finds an
engine elsewhere, and reports what is wrong.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

SOCKET = "/var/run/docker.sock"
TIMEOUT = 20.0  # seconds
_HEADER = 8  # bytes before each piece of an output: which stream it is, and how long
_SIZE = 4  # of them
_STREAMS = (0, 1, 2)


class EngineApi:
    """The engine behind the usual socket, if that is the one that Docker's command line talks to."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._is_meant = is_default(os.environ)

    def is_there(self) -> bool | None:
        """Tell whether an engine answers: True or None."""
        return True if self._ask("GET", "/_ping") is not None else None

    def containers(self, labels: Sequence[str]) -> list[dict[str, Any]] | None:
        """Return what the engine says of each container with all of these labels."""
        filters = json.dumps({"label": list(labels)})
        listed = self._json("GET", f"/containers/json?{urlencode({'all': 1, 'filters': filters})}")
        if not isinstance(listed, list):
            return None
        found = [self.container(str(one["Id"])) for one in listed]
        return None if None in found else [one for one in found if one]

    def container(self, identity: str) -> dict[str, Any] | None:
        """Return what the engine says of a container; nothing is in it if the container is gone."""
        return self._described(f"/containers/{identity}/json")

    def info(self) -> dict[str, Any] | None:
        """Return what the engine says of itself."""
        answer = self._ask("GET", "/info")
        return None if answer is None else _object(answer[1])

    def image(self, name: str) -> dict[str, Any] | None:
        """Return what the engine says of an image, by its id or a name; nothing is in it if there is none."""
        return self._described(f"/images/{name}/json")

    def images(self) -> list[dict[str, Any]] | None:
        """Return what the engine says of each of its images."""
        listed = self._json("GET", "/images/json")
        if not isinstance(listed, list):
            return None
        found = [self.image(identity) for identity in sorted({str(one["Id"]) for one in listed})]
        return None if None in found else [one for one in found if one]

    def create(self, name: str, image: str) -> bool:
        """Make a container that reaches no network, and is not started; tell whether it is there."""
        asked = {"Image": image, "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}
        return (
            self._ask("POST", f"/containers/create?{urlencode({'name': name})}", asked, [HTTPStatus.CREATED])
            is not None
        )

    def remove(self, name: str) -> bool:
        """Remove a container that does not run, and its volumes; tell whether it is gone."""
        gone = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND)
        return self._ask("DELETE", f"/containers/{name}?{urlencode({'v': 1, 'force': 1})}", allowed=gone) is not None

    def untag(self, name: str) -> bool:
        """Take a name from an image, which goes with its last one; tell whether that was done."""
        return self._ask("DELETE", f"/images/{name}") is not None

    def logs(self, identity: str, tail: int) -> str | None:
        """Return the last lines of a container's output."""
        options = urlencode({"stdout": 1, "stderr": 1, "tail": tail})
        answer = self._ask("GET", f"/containers/{identity}/logs?{options}")
        return None if answer is None else output(answer[1])

    def execute(self, identity: str, words: Sequence[str], seconds: float) -> tuple[int, str] | None:
        """Run a command in a container; return its exit code and all that it printed. TimeoutError if that takes too long.

        None says that it was not started. ConnectionError says that it may have been, and that its end is not known.
        """
        asked = {"Cmd": list(words), "AttachStdout": True, "AttachStderr": True}
        made = self._json("POST", f"/containers/{identity}/exec", asked, allowed=(HTTPStatus.CREATED,))
        if not isinstance(made, dict) or "Id" not in made:
            return None
        process = f"/exec/{made['Id']}"
        started = {"Detach": False, "Tty": False}
        try:
            answer = self._request("POST", f"{process}/start", started, seconds)
        except socket.timeout:  # in Python 3.9 it is not a TimeoutError yet
            raise TimeoutError from None
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionError(str(error)) from None
        if answer[0] != HTTPStatus.OK:
            return None
        ended = self._json("GET", f"{process}/json")
        if not isinstance(ended, dict) or not isinstance(ended.get("ExitCode"), int):
            msg = "the engine does not say how the command ended"
            raise ConnectionError(msg)
        return ended["ExitCode"], output(answer[1])

    def _described(self, path: str) -> dict[str, Any] | None:
        answer = self._ask("GET", path, allowed=(HTTPStatus.OK, HTTPStatus.NOT_FOUND))
        if answer is None:
            return None
        status, body = answer
        return {} if status == HTTPStatus.NOT_FOUND else _object(body)

    def _json(self, method: str, path: str, body: object = None, allowed: Sequence[int] = (HTTPStatus.OK,)) -> object:
        answer = self._ask(method, path, body, allowed)
        if answer is None:
            return None
        try:
            return json.loads(answer[1])
        except ValueError:
            return None

    def _ask(
        self, method: str, path: str, body: object = None, allowed: Sequence[int] = (HTTPStatus.OK,)
    ) -> tuple[int, bytes] | None:
        if not self._is_meant:
            return None
        try:
            answer = self._request(method, path, body, TIMEOUT)
        except (OSError, http.client.HTTPException):
            return None
        return answer if answer[0] in allowed else None

    def _request(self, method: str, path: str, body: object, seconds: float) -> tuple[int, bytes]:
        connection = _Connection(self._path, seconds)
        with contextlib.closing(connection):
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
            answer = connection.getresponse()
            return answer.status, answer.read()


class _Connection(http.client.HTTPConnection):
    """A connection to a socket of this machine."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("docker", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def is_default(environment: Mapping[str, str]) -> bool:
    """Tell whether nothing sends Docker's command line to another engine than that of the usual socket."""
    if any(environment.get(name) for name in ("DOCKER_HOST", "DOCKER_CONTEXT")):
        return False
    folder = environment.get("DOCKER_CONFIG") or str(Path(environment.get("HOME", "/")) / ".docker")
    try:
        content = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("currentContext", "default") == "default"


def output(raw: bytes) -> str:
    """Return the text of an output that comes in pieces, of either stream; that of a terminal comes as it is."""
    pieces, position = [], 0
    while position + _HEADER <= len(raw):
        if raw[position] not in _STREAMS or any(raw[position + 1 : position + _SIZE]):
            return raw.decode(errors="replace")
        size = int.from_bytes(raw[position + _SIZE : position + _HEADER], "big")
        position += _HEADER
        pieces.append(raw[position : position + size])
        position += size
    return b"".join(pieces).decode(errors="replace")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
