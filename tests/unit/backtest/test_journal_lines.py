"""The lines of a backtest's journal."""

import json
from datetime import UTC, datetime
from pathlib import Path

from openbell.backtest.journal import BacktestJournal
from openbell.manifest import load
from openbell.strategy.run_state import Run
from tests.unit.strategy_file import write as write_strategy

TEXT = 'timezone = "America/New_York"\ncalendar = "XNYS"\n[[bot]]\nid = "demo"\nsymbols = ["AAPL"]\nat = "09:35"\n'


def test_the_lines_that_every_run_has_name_its_own_run(tmp_path: Path) -> None:
    """Also where they are written by the form of the first, and the market's name has a percent sign."""
    write_strategy(tmp_path, TEXT)
    (bot,) = load(tmp_path / "demo").bots
    journal = BacktestJournal(tmp_path / "journal", "demo")
    runs = [Run(bot, datetime(2026, 1, day, 14, 35, tzinfo=UTC), f"{day:012x}", 1) for day in (5, 6, 7)]
    for one, error, orders in zip(runs, ("", "", "it failed"), (0, 2, 0), strict=True):
        journal.run_start(one, "50%s")
        journal.run_end(one, error, orders)
    journal.close()
    (path,) = (tmp_path / "journal" / "demo").iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    assert [(line["event"], line["slot"], line["run_id"]) for line in lines] == [
        (event, f"2026-01-{day:02}T14:35:00.000Z", f"{day:012x}")
        for day in (5, 6, 7)
        for event in ("run_start", "run_end")
    ]
    assert [line["timestamp"] for line in lines] == [line["slot"] for line in lines]
    assert {line["market"] for line in lines[::2]} == {"50%s"}
    ends = [(line["level"], line["outcome"], line["orders"]) for line in lines[1::2]]
    assert ends == [("info", "succeeded", 0), ("info", "succeeded", 2), ("error", "failed", 0)]
