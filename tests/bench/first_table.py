"""How long `make up` takes where the images are built: from its first line, and from the last image, to the table."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.bench.containers import STRATEGIES, Bench
from tests.bench.figures import Budget, Report, Table, duration, percentile
from tests.engine.kit import ROOT

BUILT, TABLE = "starting the containers", "Status page:"  # what `make up` says at these moments
TARGET = 5.0  # seconds


def measure(bench: Bench, *, quick: bool) -> Report:
    """Start everything and stop it again, some times."""
    ignore = shutil.ignore_patterns("__pycache__", "hosts.toml")
    for name in ("deploy", "scripts"):
        shutil.copytree(ROOT / name, bench.kit.folder / name, ignore=ignore)
    times = [_up(bench) for _ in range(1 if quick else 3)]
    rows = [_row("from the command", [whole for whole, _ in times])]
    rows.append(_row("from the last image", [rest for _, rest in times]))
    middle = percentile([rest for _, rest in times], 50)
    budget = Budget("from images built to the table", duration(middle), f"<= {TARGET:.0f} s", middle <= TARGET)
    title = f"`make up` of {len(STRATEGIES) + 1} services whose images are built, to the table"
    return Report((Table(title, ("", "median", "longest"), tuple(rows)),), (budget,))


def _row(label: str, seconds: Sequence[float]) -> tuple[str, str, str]:
    return label, duration(percentile(seconds, 50)), duration(max(seconds))


def _up(bench: Bench) -> tuple[float, float]:
    """Return the seconds to the table, from the command and from the moment at which the images were there."""
    began = built = ended = time.monotonic()
    folder = bench.kit.folder
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{folder}/images"}
    command = (sys.executable, "-m", "deploy")
    said = []
    with subprocess.Popen(
        (*command, "up"), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            said.append(line)
            if BUILT in line:
                built = time.monotonic()
            if line.startswith(TABLE):
                ended = time.monotonic()
    subprocess.run((*command, "down"), cwd=folder, env=environment, check=False, capture_output=True)
    if process.returncode or not began < built < ended:
        msg = f"make up failed: {''.join(said[-5:])}"
        raise RuntimeError(msg)
    return ended - began, ended - built
