"""Whole commands from start to end: a backtest of ten years of one share, beside a script for backtrader."""

import os
import resource
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, run

from openbell.trading.markets import Bar
from tests.bench.figures import Table

SCRIPT = Path(__file__).with_name("peers") / "backtrader_script.py"
TIMES = 5
TEN_YEARS = timedelta(days=3652)


def table(folder: Path, bars: Sequence[Bar]) -> Table:
    """Return the table. folder: the strategy's; prices are read from a CSV file, which holds ten years of the bars."""
    prices = folder.parent / "ten_years"
    prices.mkdir()
    path = prices / "AAPL.csv"
    kept = [bar for bar in bars if bar.timestamp > bars[-1].timestamp - TEN_YEARS]
    write_prices(kept, path)
    out = f"--out={folder.parent / 'out'}"
    words = (folder.name, f"--strategies={folder.parent}", f"--prices={prices}", out)
    ours = (sys.executable, "-m", "openbell", "backtest", *words)
    commands = {
        "openbell, with its report": (*ours, "--no-journal"),
        "backtrader, figures only": (sys.executable, str(SCRIPT), str(path), "20", "50", "100"),
        "openbell, with report and journal": ours,
        "the limit: an interpreter that reads the file": (sys.executable, "-c", f"open({str(path)!r}).read()"),
    }
    # Both with their bytecode, as a second run of each has it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(folder.parent / "bytecode")
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(TIMES + 1):
        for name, command in commands.items():
            taken[name].append(_seconds(command, environment))
    middle = {name: tuple(median(column) for column in zip(*found[1:], strict=True)) for name, found in taken.items()}
    first = next(iter(middle.values()))
    rows = [
        (name, f"{cpu:.2f}", f"{wall:.2f}", f"{first[0] / cpu:.2f}x", f"{first[1] / wall:.2f}x")
        for name, (cpu, wall) in middle.items()
    ]
    headings = ("command", "CPU seconds", "seconds", "ours / CPU seconds", "ours / seconds")
    return Table(f"the whole command, {len(kept):,} days of one share", headings, tuple(rows))


def write_prices(bars: Sequence[Bar], path: Path) -> None:
    """Write daily bars as the CSV file that all of them read."""
    lines = [
        f"{bar.timestamp:%Y-%m-%d},{bar.open!r},{bar.high!r},{bar.low!r},{bar.close!r},{bar.volume!r}" for bar in bars
    ]
    path.write_text("Date,Open,High,Low,Close,Volume\n" + "\n".join(lines) + "\n")


def _seconds(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return how many seconds of the processor's and of the clock's a command takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(command, check=True, env=environment, stdout=DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall
