"""Calls of make, as from a fresh shell without a terminal: what they print, and that they are never silent for long."""

import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import PIPE

ROOT = Path(__file__).parents[2]
SILENCE = 10.0  # seconds that a command may print nothing, from its start to its end


def make(*words: str, limit: float = 60, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run make in the project's folder; return its exit code and what it printed."""
    return call(ROOT, ("make", *words), limit, environment)


def call(
    folder: Path, words: Sequence[str], limit: float, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command; TimeoutExpired after `limit` seconds, and a failed test if it printed nothing for SILENCE."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENBELL_", "COMPOSE_", "MAKE", "MFLAGS"))
    }
    printed: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    with (
        subprocess.Popen(
            words,
            cwd=folder,
            env={**inherited, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        ) as process,
        selectors.DefaultSelector() as streams,
    ):
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
            if stream is not None:
                streams.register(stream, selectors.EVENT_READ, name)
        began = heard = time.monotonic()
        silence = 0.0
        while streams.get_map():
            ready = streams.select(1)
            now = time.monotonic()
            silence = max(silence, now - heard)
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                printed[key.data] += data
                heard = now
                if not data:
                    streams.unregister(key.fileobj)
            if now - began > limit:
                process.kill()
                raise subprocess.TimeoutExpired(list(words), limit, printed["stdout"], printed["stderr"])
    out, err = (printed[name].decode() for name in ("stdout", "stderr"))
    # Where more processes want to run than there are cores, each of them takes longer to say the same.
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert silence <= SILENCE * busy, f"{words} printed nothing for {silence:.1f} s:\n{out}\n{err}"
    return subprocess.CompletedProcess(list(words), process.returncode, out, err)


def message(done: "subprocess.CompletedProcess[str]") -> str:
    """Return what a failed call told, without make's own closing line."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    return "\n".join(lines)
