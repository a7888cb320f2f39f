"""The registry that the local engine pushes to, asked as an engine asks it."""

import gzip
import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy.transfer.capturing_registry import CapturingRegistry, catching
from tests.unit.deploy.transfer.pieces import identity, layer

CONTENT = gzip.compress(layer("a", b"x" * 100_000), mtime=0)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[CapturingRegistry]:
    """A registry with room for a megabyte."""
    with catching(tmp_path, 1 << 20) as one:
        yield one


def ask(
    registry: CapturingRegistry, method: str, path: str, body: bytes | list[bytes] | None = None
) -> http.client.HTTPResponse:
    """Return the answer to one request; a list is sent in chunks. "~" stands for the registry's own path."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.server_port, timeout=10)
    where = path.replace("~", f"/v2/{registry.secret}/openbell/pulse")
    with closing(connection):
        connection.request(
            method, where, iter(body) if isinstance(body, list) else body, encode_chunked=isinstance(body, list)
        )
        answer = connection.getresponse()
        answer.read()
    return answer


def chunked(registry: CapturingRegistry, path: str, pieces: list[bytes]) -> http.client.HTTPResponse:
    """Return the answer to a PATCH whose length is not known before, which is how an engine sends a layer."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.server_port, timeout=10)
    headers = {"Transfer-Encoding": "chunked"}
    with closing(connection):
        connection.request("PATCH", path, iter(pieces), headers, encode_chunked=True)
        answer = connection.getresponse()
        answer.read()
    return answer


def test_it_says_that_it_has_what_it_does_not_want(registry: CapturingRegistry) -> None:
    """An engine then sends nothing of it."""
    registry.wanted.add("sha256:2")
    assert ask(registry, "GET", "/v2/").status == 200
    assert ask(registry, "HEAD", "~/blobs/sha256:1").status == 200
    assert ask(registry, "HEAD", "~/blobs/sha256:2").status == 404
    assert registry.heard.is_set()


def test_what_an_engine_sends_is_kept_under_its_digest(registry: CapturingRegistry) -> None:
    """An upload is begun, filled in pieces, and ended with a name."""
    registry.wanted.add(identity(CONTENT))
    begun = ask(registry, "POST", "~/blobs/uploads/")
    assert begun.status == 202
    where = str(begun.getheader("Location"))
    filled = chunked(registry, where, [CONTENT[:1000], CONTENT[1000:]])
    assert (filled.status, filled.getheader("Range")) == (202, f"0-{len(CONTENT) - 1}")
    ended = ask(registry, "PUT", f"{filled.getheader('Location')}?digest={identity(CONTENT).replace(':', '%3A')}")
    assert (ended.status, ended.getheader("Docker-Content-Digest")) == (201, identity(CONTENT))
    assert registry.blob(identity(CONTENT)).read_bytes() == CONTENT
    assert ask(registry, "HEAD", f"~/blobs/{identity(CONTENT)}").status == 200, "it has it now"


def test_manifests_are_kept_by_the_images_names(registry: CapturingRegistry) -> None:
    """The way from an image to its layers; some engines put several under one tag, one after the other."""
    content = b'{"layers": []}'
    answer = ask(registry, "PUT", "~/manifests/shipping", content)
    assert answer.status == 201
    assert registry.manifests == {"openbell/pulse:shipping": content, identity(content): content}


def test_an_engine_that_tries_tls_is_told_in_http_that_there_is_none(registry: CapturingRegistry) -> None:
    """One that keeps images in containerd does so, and goes on without TLS after an answer that begins like this."""
    with socket.create_connection(("127.0.0.1", registry.server_port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert ask(registry, "GET", "/v2/").status == 200


def test_a_stranger_is_not_served(registry: CapturingRegistry) -> None:
    """The port can be reached by every user of this machine; the secret in the path is the engine's alone."""
    assert ask(registry, "POST", "/v2/openbell/pulse/blobs/uploads/").status == 404
    assert ask(registry, "PUT", "/v2/0000000000000000/openbell/pulse/manifests/x", b"{}").status == 404
    assert not registry.manifests
    assert not list(registry.folder.iterdir())


def test_an_upload_cannot_leave_the_folder(registry: CapturingRegistry) -> None:
    """What comes in a path is taken for a name only."""
    assert ask(registry, "PATCH", "~/blobs/uploads/..%2f..%2fx", b"x").status != 500
    begun = ask(registry, "POST", "~/blobs/uploads/")
    answer = ask(registry, "PUT", f"{begun.getheader('Location')}?digest=../../outside")
    assert answer.status == 400
    assert not (registry.folder.parent / "outside").exists()


def test_too_much_is_cut_off(registry: CapturingRegistry) -> None:
    """Beyond the limit the other way is quicker."""
    where = str(ask(registry, "POST", "~/blobs/uploads/").getheader("Location"))
    with pytest.raises((http.client.HTTPException, OSError)):
        chunked(registry, where, [bytes(600_000)] * 4)
    assert registry.overrun.is_set()


def test_two_at_once_have_a_port_each(registry: CapturingRegistry, tmp_path: Path) -> None:
    """Two deploys from one machine."""
    with catching(tmp_path, 1 << 20) as other:
        assert other.server_port != registry.server_port
        assert ask(other, "GET", "/v2/").status == 200
