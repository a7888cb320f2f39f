"""What a layer holds, whenever it was built: names, kinds, modes, owners and bytes, but no times. Pure."""

import hashlib
import tarfile
from collections.abc import Iterable, Mapping
from typing import IO

_SHORT = 32  # digits


def of_layer(unpacked: IO[bytes]) -> str:
    """Return the content of an unpacked layer; two layers with the same content do the same."""
    entries = []
    with tarfile.open(fileobj=unpacked, mode="r:") as archive:
        for member in archive:
            kind = (member.name, member.type, member.mode, member.uid, member.gid, member.linkname, member.size)
            told = hashlib.sha256(repr(kind).encode())
            if file := archive.extractfile(member) if member.isfile() else None:
                while some := file.read(1 << 20):
                    told.update(some)
            entries.append(told.hexdigest())
    return hashlib.sha256("".join(sorted(entries)).encode()).hexdigest()[:_SHORT]


def of_image(layers: Iterable[str], known: Mapping[str, str], settings: str) -> str:
    """Return the content of an image: that of its layers, where it is known, and what it starts with."""
    told = [known.get(layer, layer) for layer in layers]
    return hashlib.sha256("\n".join([*told, settings]).encode()).hexdigest()[:_SHORT]
