"""What goes through the channel: one tar of images without the layers that the host has, packed.

The tar is an OCI image layout and an archive of `docker save` at once: engines of all ages read the one or the other. It
lists every layer and holds those that are missing; an engine takes the others from what it has. Layers are unpacked and
named by their diff ids, since that is the one name that both forms and every image store share.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import IO, Literal, cast

import zstandard

from deploy.transfer.images import Image, digest, unchecked
from deploy.transfer.layer_cache import LayerCache

Compression = Literal["zstd", "gzip"]

_OCI = "application/vnd.oci.image"
SMALL = 4 << 20  # bytes; data up to this size is compressed at the highest level, which takes no noticeable time
_PIECE = 1 << 20
_WINDOW = 25  # 32 MB, which is also what unpacking takes of the host's memory


def manifest(image: Image, sizes: Mapping[str, int]) -> bytes:
    """Return the image's OCI manifest. `sizes` has the layers that travel; of others the size is not known, nor needed."""
    layers = [
        {"mediaType": f"{_OCI}.layer.v1.tar", "digest": layer, "size": sizes.get(layer, 0)} for layer in image.layers
    ]
    config = {"mediaType": f"{_OCI}.config.v1+json", "digest": image.id, "size": len(image.configuration)}
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": config,
            "layers": layers,
        }
    )


def index(images: Sequence[Image], manifests: Sequence[bytes]) -> bytes:
    """Return index.json, which names the images."""
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.index.v1+json",
            "manifests": [
                {
                    "mediaType": f"{_OCI}.manifest.v1+json",
                    "digest": digest(content),
                    "size": len(content),
                    "annotations": {
                        "io.containerd.image.name": canonical(name),
                        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
                    },
                }
                for image, content in zip(images, manifests, strict=True)
                for name in (image.tag, unchecked(image.tag))
            ],
        }
    )


def listing(images: Sequence[Image]) -> bytes:
    """Return manifest.json, as `docker save` writes it."""
    return _json(
        [
            {
                "Config": blob(image.id),
                "RepoTags": [image.tag, unchecked(image.tag)],
                "Layers": [blob(layer) for layer in image.layers],
            }
            for image in images
        ]
    )


def blob(identity: str) -> str:
    """Return where in the tar the content of this digest is."""
    return f"blobs/{identity.replace(':', '/')}"


def canonical(reference: str) -> str:
    """Return an image's whole name, as containerd calls it: a name without a registry is Docker Hub's."""
    first, slash, _ = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference if slash else f'library/{reference}'}"


def pack(
    images: Sequence[Image],
    layers: Sequence[str],
    cache: LayerCache,
    compression: Compression,
    file: Path,
    tell: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the packed tar of these images with these of their layers to a file, and tell how many bytes were read."""
    sizes = {layer: cache.size(layer) for layer in layers}
    manifests = [manifest(image, sizes) for image in images]
    documents = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": index(images, manifests),
        "manifest.json": listing(images),
        **{blob(digest(content)): content for content in (*manifests, *(image.configuration for image in images))},
    }
    total = sum(sizes.values()) + sum(map(len, documents.values()))
    with (
        file.open("wb", buffering=0) as raw,  # it may be read meanwhile
        _packing(raw, compression, total) as packed,
        tarfile.open(fileobj=packed, mode="w|", bufsize=_PIECE) as archive,
    ):
        for name, content in documents.items():
            archive.addfile(_member(name, len(content)), io.BytesIO(content))
        for layer in layers:
            with cache.open(layer) as unpacked:
                archive.addfile(_member(blob(layer), sizes[layer]), cast(IO[bytes], _Told(unpacked, tell)))


class _Told:
    """A layer that tells how much of it is read."""

    def __init__(self, layer: IO[bytes], tell: Callable[[int], None]) -> None:
        self._layer, self._tell = layer, tell

    def read(self, size: int) -> bytes:
        """Return at most so many bytes; none at the end."""
        some = self._layer.read(size)
        self._tell(len(some))
        return some


def _packing(raw: IO[bytes], compression: Compression, total: int) -> AbstractContextManager[IO[bytes]]:
    if compression == "gzip":
        return closing(cast(IO[bytes], gzip.GzipFile("", fileobj=raw, mode="wb", compresslevel=6, mtime=0)))
    # The checksum is for what goes wrong on the way.
    if total <= SMALL:
        parameters = zstandard.ZstdCompressionParameters.from_level(19, source_size=total, write_checksum=True)
    else:  # images of one project repeat each other's files, megabytes apart
        parameters = zstandard.ZstdCompressionParameters.from_level(
            3, window_log=_WINDOW, enable_ldm=True, write_checksum=True, threads=-1
        )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    return closing(cast(IO[bytes], compressor.stream_writer(raw, closefd=False)))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
