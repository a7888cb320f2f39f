"""A private folder of unpacked layers on their way from the local engine to a host."""

import hashlib
import tarfile
import zlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

_PIECE = 1 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

_SHORT = 32  # digits
# What the name of an entry begins with that removes a file of the layers below (image-spec, layer.md).
_REMOVES = ".wh."
_CAPABILITIES = "SCHILY.xattr.security.capability"  # in the header of a file that may do more than its user


class Readable(Protocol):
    """What layers are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""
        ...


class LayerCache:
    """Layers by diff id, each checked against it when it is put in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layers: dict[str, Path] = {}
        self._contents: dict[str, Future[str]] = {}
        self._reader = ThreadPoolExecutor(1)  # reads a layer while the next one comes

    def put(self, source: Readable, wanted: Container[str]) -> str:
        """Read one layer, packed or not; keep it if its id is wanted and not here yet, and return its id."""
        part = self.folder / f"part-{len(self.layers)}"
        hashed = hashlib.sha256()
        first = source.read(_PIECE)
        unpack, finish = _unpacking(first)
        with part.open("wb") as file:

            def add(some: bytes) -> None:
                hashed.update(some)
                file.write(some)

            while first:
                add(unpack(first))
                first = source.read(_PIECE)
            add(finish())
        identity = f"sha256:{hashed.hexdigest()}"
        if identity in wanted and identity not in self.layers:
            self.layers[identity] = part.rename(self.folder / identity.replace(":", "-"))
            self._contents[identity] = self._reader.submit(self._read, identity)
        else:
            part.unlink()
        return identity

    def open(self, layer: str) -> IO[bytes]:
        """Open a layer."""
        return self.layers[layer].open("rb")

    def size(self, layer: str) -> int:
        """Return a layer's size in bytes, unpacked."""
        return self.layers[layer].stat().st_size

    def content(self, layer: str) -> str:
        """Return what a layer holds, as `content_of_layer` tells it."""
        return self._contents[layer].result()

    def _read(self, layer: str) -> str:
        with self.open(layer) as unpacked:
            return content_of_layer(unpacked)


def _unpacking(first: bytes) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    """Return what unpacks the pieces of a layer that begins so, and what gives the rest of it."""
    if first.startswith(_GZIP):
        gzip = zlib.decompressobj(wbits=31)
        return gzip.decompress, gzip.flush
    if first.startswith(_ZSTD):
        import zstandard  # noqa: PLC0415 - only newer engines have such layers

        zstd = zstandard.ZstdDecompressor().decompressobj()
        return zstd.decompress, lambda: b""
    return bytes, lambda: b""


def content_of_layer(unpacked: IO[bytes]) -> str:
    """Return the content of an unpacked layer; two layers with the same content do the same.

    Engines write it down differently: those before 25 name owners, and repeat in a mode what kind of file it is. What removes a
    file of the layers below has that file's rights and the time of the build, or none where the engine keeps images in containerd.
    """
    entries = []
    with tarfile.open(fileobj=unpacked, mode="r:") as archive:
        for member in archive:
            kind: tuple[object, ...] = (member.name,)
            if not PurePosixPath(member.name).name.startswith(_REMOVES):
                rights = (member.mode & 0o7777, member.uid, member.gid)
                capabilities = filter(None, [member.pax_headers.get(_CAPABILITIES)])
                kind = (member.name, member.type, *rights, member.linkname, member.size, *capabilities)
            digest = hashlib.sha256(repr(kind).encode())
            if file := archive.extractfile(member) if member.isfile() else None:
                while some := file.read(1 << 20):
                    digest.update(some)
            entries.append(digest.hexdigest())
    return hashlib.sha256("".join(sorted(entries)).encode()).hexdigest()[:_SHORT]


def content_of_image(layers: Iterable[str], known: Mapping[str, str], settings: str) -> str:
    """Return the content of an image: that of its layers, where it is known, and what it starts with."""
    contents = [known.get(layer, layer) for layer in layers]
    return hashlib.sha256("\n".join([*contents, settings]).encode()).hexdigest()[:_SHORT]


def base_of_image(layers: Sequence[str], known: Mapping[str, str], settings: str) -> str:
    """Return the content of an image apart from its strategies' folders; empty if its containers cannot follow newer ones.

    images/Dockerfile says how such an image is made: its last layer is the folders.
    """
    return content_of_image(layers[:-1], known, settings) if '"OPENBELL_RELOADS=' in settings else ""
