"""The journal of a backtest: the lines of a live run, in one file, or only what the report needs of them."""

import json
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
        self._forms: dict[tuple[object, ...], str] = {}  # of the lines that every run has
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
        fields = {
            "symbols": one.bot.symbols,
            "lateness_ms": 0.0,
            "queue_wait_ms": 0.0,
            "trigger": TRIGGER,
            "market": market,
            "broker": "backtest",
        }
        self._write_as_before(one, "run_start", "info", market, fields)

    def run_end(self, one: Run, error: str, orders: int) -> None:
        """Write the line that a run ends with."""
        fields = {
            "outcome": "failed" if error else "succeeded",
            "tick_duration_ms": 0.0,
            "signal_generated": orders > 0,
            "orders": orders,
            "trigger": TRIGGER,
        }
        self._write_as_before(one, "run_end", "error" if error else "info", orders, fields)

    def _write_as_before(self, one: Run, event: str, level: str, detail: object, fields: Mapping[str, object]) -> None:
        """Write a line that differs from one before in its slot and run id only, if bot, level and `detail` are the same."""
        key = event, one.bot.id, level, detail
        form = self._forms.get(key)
        if form is None:
            line = self._line(event, one.slot, one.fields(), level, fields).replace("%", "%%")
            at, run_id = json.dumps(self._stamp(one.slot)), json.dumps(one.run_id)
            form = self._forms[key] = line.replace(at, '"%(at)s"').replace(run_id, '"%(run_id)s"') + "\n"
        self._append(one.slot.date(), (form % {"at": self._stamp(one.slot), "run_id": one.run_id}).encode())

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
