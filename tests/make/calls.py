"""Calls of make in the project's folder."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(*words: str, limit: float = 60, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run make as from a fresh shell, without a terminal; return its exit code and what it printed."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENBELL_", "COMPOSE_", "MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ("make", *words),
        cwd=ROOT,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )


def message(done: "subprocess.CompletedProcess[str]") -> str:
    """Return what a failed call told, without make's own closing line."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    return "\n".join(lines)
