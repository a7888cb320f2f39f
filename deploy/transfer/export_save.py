"""Takes what is missing out of the local engine by `docker save`: the way that always works, and is as quick for a first deploy."""

import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import IO

from deploy.errors import CommandError
from deploy.transfer.images import Local
from deploy.transfer.layer_cache import LayerCache

_LARGEST_JSON = 4 << 20  # bytes; a layer is never JSON


def export(images: Sequence[Local], needed: Mapping[str, object], cache: LayerCache) -> None:
    """Put the layers that are needed into the cache; CommandError if the engine fails, or has other images by now."""
    references = [image.reference for image in images]
    with subprocess.Popen(
        ("docker", "save", *references), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as saving:
        assert saving.stdout  # noqa: S101 - a pipe
        assert saving.stderr  # noqa: S101 - a pipe
        try:
            read(saving.stdout, needed, cache)
        except (tarfile.TarError, EOFError) as error:
            saving.kill()
            said = saving.stderr.read().decode(errors="replace").strip() or str(error)
            msg = f"the images could not be exported from the local engine (docker save {' '.join(references)}): {said}"
            raise CommandError(msg) from None
        except BaseException:
            saving.kill()
            raise
    lacking = [layer for layer in needed if layer not in cache.layers]
    if saving.returncode:
        msg = f"the images could not be exported from the local engine: docker save {' '.join(references)} ended with exit code {saving.returncode}"
        raise CommandError(msg)
    if lacking:
        msg = f"docker save {' '.join(references)} gave no layer {lacking[0]}: another command has rebuilt an image just now; run the command again"
        raise CommandError(msg)


def read(stream: IO[bytes], needed: Mapping[str, object], cache: LayerCache) -> None:
    """Put the layers that are needed from an archive of `docker save` into the cache; its format depends on the engine's version.

    Engines before 25 name layers <some id>/layer.tar, and repeated ones are links; later ones write an OCI layout, where
    layers may be packed, and are blobs like the documents that describe them.
    """
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            name = PurePosixPath(member.name)
            first = content.read(1)
            if first in {b"{", b"["} and member.size <= _LARGEST_JSON:
                continue
            if name.name == "layer.tar" or name.parts[:1] == ("blobs",):
                cache.put(_PeekedStream(first, content), needed)


class _PeekedStream:
    """A stream whose first byte was read ahead."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self._first, self._rest = first, rest

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""
        first, self._first = self._first, b""
        return first + self._rest.read(size - len(first))
