"""Small images made by hand."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping


def identity(content: bytes) -> str:
    """Return the content's digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def archive(files: Mapping[str, bytes | tuple[str, str]]) -> bytes:
    """Return a tar with these files; a pair is a link: its kind ("symlink" or "hardlink") and where it leads."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                member.type = tarfile.SYMTYPE if content[0] == "symlink" else tarfile.LNKTYPE
                member.linkname = content[1]
                tar.addfile(member)
    return raw.getvalue()


def layer(name: str, content: bytes = b"content") -> bytes:
    """Return a layer with one file."""
    return archive({name: content})


def configuration(*layers: bytes) -> bytes:
    """Return the configuration of an image of these layers."""
    return json.dumps(
        {"os": "linux", "rootfs": {"type": "layers", "diff_ids": [identity(one) for one in layers]}}
    ).encode()
