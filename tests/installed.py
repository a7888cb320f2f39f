"""Programs that tests need beside Python's packages."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


class Installed:
    """Installs programs that tests need, by the scripts of that name."""

    def __init__(self, *, may_be_missing: bool) -> None:
        self._may_be_missing = may_be_missing

    def __call__(self, program: str) -> str:
        """Return what `scripts/<program>-ready` prints; where it fails on a machine that has little, skip the test."""
        done = subprocess.run(
            [ROOT / "scripts" / f"{program}-ready"], check=False, timeout=600, capture_output=True, text=True
        )
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        if done.returncode and self._may_be_missing:
            pytest.skip(said)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
