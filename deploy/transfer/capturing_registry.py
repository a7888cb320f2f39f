"""Exports layers from the local engine: a registry on loopback that the engine pushes to, and that wants only what is missing.

An engine knows the compressed form of a layer that it has pushed before, asks a registry whether it has that, and is told
"have it". What it has not pushed before it sends at once. So a change of some kilobytes is out in tenths of a second,
where `docker save` would write the whole image. The protocol is that of the OCI distribution specification.
"""

import io
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, cast
from urllib.parse import parse_qs, urlsplit

from deploy.transfer.images import digest

_PIECE = 1 << 20
# The same one each time: containerd notes with each layer all registries that it was pushed to, by host and port.
_PORT = 20497
_TLS = b"\x16"  # a handshake: RFC 8446, section 5.1
_DIGEST = re.compile("sha256:[0-9a-f]{64}")


class CapturingRegistry(ThreadingHTTPServer):
    """The registry. What it is sent lies in its folder, by digest; manifests are in `manifests` by name and tag, and by digest."""

    daemon_threads = True

    def __init__(self, folder: Path, limit: int) -> None:
        try:
            super().__init__(("127.0.0.1", _PORT), _Handler)
        except OSError:  # another deploy has it
            super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.limit = limit  # bytes; a client that sends more is cut off, and `overrun` is set
        self.secret = secrets.token_hex(8)  # other users of this machine can reach the port, too
        self.wanted: set[str] = set()  # digests that it says it has not
        self.uploads: set[str] = set()  # that were begun
        self.manifests: dict[str, bytes] = {}
        self.heard = threading.Event()  # a request has arrived
        self.overrun = threading.Event()
        self._lock = threading.Lock()
        self._received = 0

    @property
    def repository(self) -> str:
        """What names of images begin with that the engine is to push here."""
        return f"localhost:{self.server_port}/{self.secret}"

    def blob(self, identity: str) -> Path:
        """Return where content of this digest is, or would be."""
        return self.folder / identity.replace(":", "-")

    def has(self, identity: str) -> bool:
        """Tell whether content of this digest need not be sent."""
        return identity not in self.wanted or self.blob(identity).exists()

    def count(self, received: int) -> bool:
        """Add so many bytes; tell whether it is still within the limit."""
        with self._lock:
            self._received += received
            if self._received > self.limit:
                self.overrun.set()
        return not self.overrun.is_set()

    def handle_error(self, *_: object) -> None:
        """Say nothing: an engine that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _catcher(self) -> CapturingRegistry:
        return cast(CapturingRegistry, self.server)

    def handle(self) -> None:
        """Answer what a connection asks; one that begins with TLS is told in HTTP that there is none.

        Some engines try that first, and go on without it only after such an answer.
        """
        if cast(io.BufferedReader, self.rfile).peek(1)[:1] == _TLS:
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        else:
            super().handle()

    def do_GET(self) -> None:
        """Answer whether this is a registry, and that there is nothing to fetch."""
        self._catcher.heard.set()
        self._answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        """Answer whether a blob need not be sent."""
        kind, identity = self._what()
        has = kind == "blobs" and self._catcher.has(identity)
        self._answer(200 if has else 404, {"Docker-Content-Digest": identity} if has else {})

    def do_POST(self) -> None:
        """Begin an upload."""
        if self._what()[0] == "uploads":
            upload = secrets.token_hex(8)
            self._catcher.uploads.add(upload)
            self._catcher.blob(upload).touch()
            self._began(upload, 202)

    def do_PATCH(self) -> None:
        """Take some of an upload."""
        kind, upload = self._what()
        if kind == "uploads" and self._receive(upload):
            self._began(upload, 202)

    def do_PUT(self) -> None:
        """Take the rest of an upload under its digest, or a manifest."""
        kind, name = self._what()
        if kind == "manifests":
            content = b"".join(self._body())
            self._catcher.manifests |= {self._image(): content, digest(content): content}
            self._answer(201, {"Docker-Content-Digest": digest(content), "Location": self.path})
        elif kind == "uploads" and self._receive(name):
            identity = parse_qs(urlsplit(self.path).query).get("digest", [""])[0]
            if not _DIGEST.fullmatch(identity):
                self._answer(400)
                return
            self._catcher.blob(name).rename(self._catcher.blob(identity))
            self._answer(201, {"Docker-Content-Digest": identity, "Location": self.path})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _what(self) -> tuple[str, str]:
        """Return what a path of ours is about and its last part: blobs and a digest, uploads and an id, manifests and a tag."""
        self._catcher.heard.set()
        parts = urlsplit(self.path).path.strip("/").split("/")
        ours = parts[:2] == ["v2", self._catcher.secret] and len(parts) >= 5
        if ours and parts[-2:] == ["blobs", "uploads"]:
            return "uploads", ""
        if not ours or (parts[-2] == "uploads" and parts[-1] not in self._catcher.uploads):
            self.close_connection = True  # what may follow is not read
            self._answer(404)
            return "", ""
        return parts[-2], parts[-1]

    def _image(self) -> str:
        parts = urlsplit(self.path).path.strip("/").split("/")
        return f"{'/'.join(parts[2:-2])}:{parts[-1]}"

    def _receive(self, upload: str) -> bool:
        with self._catcher.blob(upload).open("ab") as file:
            for piece in self._body():
                if not self._catcher.count(len(piece)):
                    self.close_connection = True  # in the middle of its sentence: it will not be answered
                    return False
                file.write(piece)
        return True

    def _body(self) -> Iterator[bytes]:
        source = cast(IO[bytes], self.rfile)
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield from _pieces(source, int(self.headers.get("Content-Length") or 0))
            return
        while size := int(source.readline().split(b";")[0], 16):
            yield from _pieces(source, size)
            source.readline()
        while source.readline().strip():
            pass  # what may follow the last chunk is of no interest

    def _began(self, upload: str, status: int) -> None:
        end = max(0, self._catcher.blob(upload).stat().st_size - 1)
        place = f"{urlsplit(self.path).path.partition('/blobs/')[0]}/blobs/uploads/{upload}"
        self._answer(status, {"Location": place, "Range": f"0-{end}", "Docker-Upload-UUID": upload})

    def _answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Docker-Distribution-Api-Version": "registry/2.0", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _pieces(source: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0:
        piece = source.read(min(size, _PIECE))
        if not piece:
            msg = "the engine hung up"
            raise ConnectionError(msg)
        size -= len(piece)
        yield piece


@contextmanager
def catching(folder: Path, limit: int) -> Iterator[CapturingRegistry]:
    """Run the registry with this folder until the end of the block."""
    with CapturingRegistry(folder, limit) as registry:
        thread = threading.Thread(target=registry.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
        thread.start()
        try:
            yield registry
        finally:
            registry.shutdown()
            thread.join()
