"""The journal of a backtest: the lines of a live run, in one file, or only what the report needs of them."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from openbell.journal import NO_FIELDS, Journal, days
from openbell.strategy.run_state import Run

BOOT_ID = "backtest"
TRIGGER = "backtest"


class Rejection(NamedTuple):
    """An order that the account or a limit did not take."""

    at: datetime
    bot: str
    symbol: str
    reason: str


class BacktestJournal(Journal):
    """Writes the lines below `root`, in place of those of a backtest before; with no root it keeps no line.

    All lines are in the file of the first day: thousands of small files would take longer than the runs. They need not
    survive a power cut, since the backtest can be run again.
    """

    def __init__(self, root: Path | None, strategy: str) -> None:
        super().__init__(root or Path(), strategy, BOOT_ID, echo=False)
        self.rejections: list[Rejection] = []
        self.keeps_lines = root is not None
        self._lines: BinaryIO | None = None
        if self.keeps_lines:
            self.folder.mkdir(parents=True, exist_ok=True)
            for _, path in days(self.folder):
                path.unlink()

    def write(
        self,
        event: str,
        at: datetime,
        run: Mapping[str, object] = NO_FIELDS,
        /,
        *,
        level: str = "info",
        **fields: object,
    ) -> None:
        """Count orders that were not taken, and keep the line if there is somewhere to keep it."""
        if event == "decision":
            decision = {**run, **fields}
            if decision.get("action") == "refused" or decision.get("status") == "rejected":
                reason = str(decision.get("broker_reason") or decision.get("reason"))
                self.rejections.append(Rejection(at, str(decision.get("bot")), str(decision.get("symbol")), reason))
        if self.keeps_lines:
            super().write(event, at, run, level=level, **fields)

    def run_start(self, one: Run, market: str) -> None:
        """Write the line that a run begins with."""
        self.write(
            "run_start",
            one.slot,
            one.fields(),
            symbols=one.bot.symbols,
            lateness_ms=0.0,
            queue_wait_ms=0.0,
            trigger=TRIGGER,
            market=market,
            broker="backtest",
        )

    def run_end(self, one: Run, error: str, orders: int) -> None:
        """Write the line that a run ends with."""
        self.write(
            "run_end",
            one.slot,
            one.fields(),
            level="error" if error else "info",
            outcome="failed" if error else "succeeded",
            tick_duration_ms=0.0,
            signal_generated=orders > 0,
            orders=orders,
            trigger=TRIGGER,
        )

    def sync(self) -> None:
        """Leave it to the system when lines reach the disk."""

    def close(self) -> None:
        """Close the file."""
        if self._lines is not None:
            self._lines.close()
        self._lines = None

    def _append(self, day: date, line: bytes) -> None:
        if self._lines is None:
            self._lines = (self.folder / f"{day.isoformat()}.jsonl").open("ab")
        self._lines.write(line)
