"""The server's half of shipping: what its engine has, and images that arrive on standard input."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from deploy.remote.docker_client import DockerClient

PIECE = 1 << 16
TO_THE_END = -1  # a size that is not known beforehand
UNPACK = {"zstd": ("zstd", "-dc"), "gzip": ("gzip", "-dc")}
_TROUBLE = re.compile(r"error|fail|invalid|unexpected|no such|not found|denied|space|zstd:|gzip:|cannot", re.IGNORECASE)
# What ends an error message and does not say what went wrong.
_NOISE = re.compile(r"Exiting with failure status|is not recoverable|^exit status")


def inventory(docker: DockerClient) -> dict[str, Any]:
    """Return the engine's images as chains of layers, and what else decides how to ship to it; DockerError if it is away."""
    info = docker.info()
    return {
        "engine": info.get("ServerVersion", ""),
        "platform": f"{info.get('OSType', 'linux')}/{info.get('Architecture', '')}",
        "containerd": "containerd.snapshotter" in json.dumps(info.get("DriverStatus")),
        "zstd": shutil.which("zstd") is not None,
        "images": docker.images(),
    }


def load(compression: str, size: int, source: int = 0) -> str:
    """Load the images that the next `size` bytes of a descriptor are, or all bytes to its end; return what went wrong, or nothing.

    It reads all of them and none more, even if the load fails. The engine is never given packed bytes: of zstd some know
    nothing, and others fall over.
    """
    with ExitStack() as stack:
        pipe = subprocess.PIPE
        unpack = stack.enter_context(subprocess.Popen(UNPACK[compression], stdin=pipe, stdout=pipe, stderr=pipe))
        load_command = ("docker", "load")
        engine = stack.enter_context(
            subprocess.Popen(load_command, stdin=unpack.stdout, stdout=pipe, stderr=subprocess.STDOUT)
        )
        readers = stack.enter_context(ThreadPoolExecutor(2))
        assert unpack.stdin  # noqa: S101 - a pipe
        assert unpack.stdout  # noqa: S101 - a pipe
        assert unpack.stderr  # noqa: S101 - a pipe
        assert engine.stdout  # noqa: S101 - a pipe
        unpack.stdout.close()  # the engine has it
        from_unpack, from_engine = readers.submit(unpack.stderr.read), readers.submit(engine.stdout.read)
        _copy(source, size, unpack)
        said = from_unpack.result() + b"\n" + from_engine.result()
        codes = (engine.wait(), unpack.wait())
    return trouble(said.decode(errors="replace"), codes)


def trouble(said: str, codes: Sequence[int]) -> str:
    """Return what is wrong from what was said at loading, or nothing.

    The exit code says too little: some engines return 0 for a layer that was not there.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("Loaded image")]
    found = [line for line in lines if _TROUBLE.search(line) and not _NOISE.search(line)]
    if not found and not any(codes):
        return ""
    return f"the images could not be loaded: {'; '.join(found[:3]) or f'exit code {codes[0] or codes[1]}'}"


def _copy(source: int, size: int, unpack: subprocess.Popen[bytes]) -> None:
    assert unpack.stdin  # noqa: S101 - a pipe
    left = size
    while left and (piece := os.read(source, PIECE if left < 0 else min(left, PIECE))):
        left -= len(piece) if left > 0 else 0
        with contextlib.suppress(OSError, ValueError):  # it has given up: the rest is read all the same
            unpack.stdin.write(piece)
    with contextlib.suppress(OSError):
        unpack.stdin.close()


def verify(docker: DockerClient, images: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for each image that the engine has not whole. Each has a tag, ids, and whether it is new.

    A new image that is complete loses its second name, which marks it as unchecked; an incomplete one loses both.
    """
    new = [one for one in images if one["new"]]
    kept = [one for one in images if not one["new"]]
    with ThreadPoolExecutor(max(1, min(4, len(new)))) as pool:
        checks = [pool.submit(_verify_new, docker, one["tag"], one["ids"]) for one in new]
        lines = _verify_kept(docker, kept) if kept else []
        return [line for line in (*lines, *(check.result() for check in checks)) if line]


def _verify_kept(docker: DockerClient, images: Sequence[dict[str, Any]]) -> list[str]:
    """Compare what was seen to be whole when it came; the engine is asked for all at once."""
    form = "{{range .RepoTags}}{{.}}={{$.Id}} {{end}}"
    said = docker.ask("image", "inspect", "--format", form, *(one["tag"] for one in images)).text
    there = dict(word.rsplit("=", 1) for word in said.split() if "=" in word)
    return [_compare(one["tag"], one["ids"], there.get(one["tag"], "nothing")) for one in images]


def _verify_new(docker: DockerClient, tag: str, ids: Sequence[str]) -> str:
    """See whether all of an image's layers are there, by making a container of it."""
    name = f"openbell-verify-{tag.rpartition(':')[2]}"
    found = docker.image(tag)
    made = docker.create(name, tag)
    if not made.ok:
        docker.remove(name)  # one of this name may be left from a crash
        made = docker.create(name, tag)
    identity = found[0] if found else "nothing"
    problem = _compare(tag, ids, identity) if made.ok else f"image {tag} is not whole: {made.reason}"
    docker.remove(name)
    unchecked = f"{tag}-unchecked"
    docker.untag(*((tag, unchecked) if problem else (unchecked,)))
    return problem


def _compare(tag: str, ids: Sequence[str], found: str) -> str:
    if found in ids:
        return ""
    return f"image {tag} is not whole: the engine has {found} by this name, and not {','.join(ids)}"
