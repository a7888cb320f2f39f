"""Small images for these tests: layers of random bytes, which are unique and cannot be compressed."""

import contextlib
import io
import random
import subprocess
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import docker
from docker.errors import BuildError, ImageNotFound

from deploy.log import Log
from deploy.ssh.connection import Connection
from deploy.transfer import host_images
from deploy.transfer.delivery import deliver
from deploy.transfer.shipment import Shipment, prepared
from tests.machine.machine import Machine

MEGABYTE = 1 << 20


class Blocks:
    """Images of this test alone, by short names. Each is built of a base's layers and some of its own."""

    def __init__(self, engine: docker.DockerClient) -> None:
        self._engine = engine
        self._project = f"openbell-test-{uuid.uuid4().hex[:8]}"
        self._built: list[str] = []  # ids, in the order in which they were built

    def name(self, short: str) -> str:
        """Return an image's name without a tag."""
        return f"{self._project}/{short}"

    def reference(self, short: str) -> str:
        """Return an image's name as the local engine has it."""
        return f"{self.name(short)}:local"

    def content(self, seed: str, size: int) -> bytes:
        """Return bytes that are always the same for a seed, and that no other test has."""
        return random.Random(f"{self._project} {seed}").randbytes(size)

    def build(self, short: str, *layers: tuple[str, int], base: str | None = None) -> str:
        """Build an image of layers (what makes their bytes, how many); return its reference."""
        files = {f"file-{number}": self.content(seed, size) for number, (seed, size) in enumerate(layers)}
        lines = [
            f"FROM {self.reference(base) if base else 'scratch'}",
            *(f"COPY {name} /{short}-{name}" for name in files),
        ]
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for name, data in {"Dockerfile": "\n".join(lines).encode(), **files}.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        for attempt in (1, 2, 3):
            raw.seek(0)
            try:
                image, _ = self._engine.images.build(
                    fileobj=raw, custom_context=True, tag=self.reference(short), rm=True
                )
                break
            except BuildError as error:
                # Another test has removed images of its own, and this builder's cache still has one of them.
                if attempt == 3 or "unable to find image" not in error.msg:
                    raise
        self._built.append(str(image.id))
        return self.reference(short)

    def remove(self) -> None:
        """Remove the images."""
        for image in dict.fromkeys(reversed(self._built)):  # none goes before what was built on it
            with contextlib.suppress(ImageNotFound):
                self._engine.images.remove(image, force=True)


@contextmanager
def blocks_of(engine: docker.DockerClient) -> Iterator[Blocks]:
    """Give images of one's own; remove them afterwards."""
    blocks = Blocks(engine)
    try:
        yield blocks
    finally:
        blocks.remove()


def ship(connection: Connection, references: Sequence[str], log: Log) -> tuple[Shipment, ...]:
    """Bring images to a host as a deploy does; return what was sent."""
    has = host_images.read(connection)
    with prepared(references, has, log) as shipment:
        return deliver(connection, shipment, has, log)


def file_in(server: Machine, tag: str, path: str) -> bytes:
    """Return a file of an image that the server has: by ssh, which loses no byte of a command that ends at once."""
    script = f"name=$(docker create {tag} true) && docker cp $name:{path} - | tar -xO; docker rm $name >/dev/null"
    words = ("ssh", "-F", str(server.ssh_config), server.host, script)
    return subprocess.run(words, check=True, capture_output=True, timeout=60).stdout
