"""What `make compare` has found: each strategy's newest comparison of what ran with a backtest, a row a decision."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from openbell import foreign_files

FOLDER = "comparisons"  # in the supervisor's folder
LARGEST = 32_000_000  # bytes of one: half a million decisions
MOST_SHOWN = 200  # decisions of one run
COLUMNS = ("slot", "bot", "symbol", "live", "backtest", "slippage_bp", "cost", "why")


@dataclass(frozen=True)
class ComparedDecision:
    """One decision on both sides, "-" where a side has none. why: empty if both did the same at the same price."""

    symbol: str
    live: str
    backtest: str
    slippage_bp: str
    cost: str
    why: str


def keep(state: Path, strategy: str, source: BinaryIO) -> int:
    """Replace the kept comparison; return how many decisions the new one has. ValueError if it is none, or too long."""
    if not strategy.isidentifier():
        msg = "STRATEGY: that is not a name of a strategy"
        raise ValueError(msg)
    content = source.read(LARGEST + 1)
    if len(content) > LARGEST:
        msg = f"the comparison is longer than {LARGEST // 1_000_000} MB: give a later SINCE="
        raise ValueError(msg)
    rows = list(csv.reader(StringIO(content.decode(), newline="")))
    if not rows or tuple(rows[0]) != COLUMNS:
        msg = "this is not a comparison as `make compare` writes it"
        raise ValueError(msg)
    kept = StringIO(newline="")
    csv.writer(kept).writerows([" ".join(cell.split()) for cell in row] for row in rows)  # one line a decision
    (state / FOLDER).mkdir(mode=0o755, exist_ok=True)
    foreign_files.replace(_file(state, strategy), state, kept.getvalue().encode())
    return len(rows) - 1


def of_run(
    state: Path, strategy: str, bot: str, slot: datetime
) -> tuple[datetime | None, tuple[ComparedDecision, ...]]:
    """Return when the newest comparison was made, None if there is none, and its decisions of a run."""
    try:
        with (
            foreign_files.opened(_file(state, strategy), state) as raw,
            TextIOWrapper(raw, "utf-8", newline="") as file,
        ):
            made_at = datetime.fromtimestamp(_file(state, strategy).stat().st_mtime, UTC)
            return made_at, tuple(_rows(file, f"{slot.astimezone(UTC):%Y-%m-%d %H:%M:%S}", bot))
    except (OSError, ValueError, csv.Error):
        return None, ()


def _rows(file: TextIO, slot: str, bot: str) -> Iterator[ComparedDecision]:
    wanted = f"{slot},"
    # Only lines that begin with the slot are parsed: a year of decisions is read in a moment.
    lines = (line for line in file if line.startswith(wanted))
    for count, row in enumerate(csv.reader(lines)):
        if count == MOST_SHOWN:
            return
        if len(row) == len(COLUMNS) and row[1] == bot:
            yield ComparedDecision(*row[2:])


def _file(state: Path, strategy: str) -> Path:
    return state / FOLDER / f"{strategy}.csv"
