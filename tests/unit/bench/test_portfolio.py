"""What the portfolio's benchmark makes of the journals' lines."""

import json
from datetime import UTC, datetime

from tests.bench.portfolio import Form, budgets, rounds, starts

SLOT = datetime(2026, 3, 2, 9, 0, 5, tzinfo=UTC)


def line(event: str, bot: str, slot: datetime, lateness: float) -> str:
    """Return a journal line."""
    return json.dumps({"event": event, "bot": bot, "slot": slot.isoformat(), "lateness_ms": lateness})


def test_starts_are_those_of_the_slots_looked_at() -> None:
    """Only starts count, and only those of the slots that were looked at."""
    lines = [
        line("run_start", "a", SLOT, 3.5),
        line("run_start", "b", SLOT, 12.0),
        line("run_end", "a", SLOT, 0),
        line("run_start", "a", SLOT.replace(minute=1), 500),
    ]
    found = starts(lines, SLOT.timestamp() - 5, SLOT.timestamp() + 55)
    assert [(start.bot, round(start.late, 4)) for start in found] == [("a", 0.0035), ("b", 0.012)]
    assert [[round(late, 4) for late in one] for one in rounds(found)] == [[0.0035, 0.012]]


def test_a_bot_that_did_not_start_is_missed() -> None:
    """A budget is not met by leaving bots out, nor by one that is late, nor by too much memory."""
    found = starts([line("run_start", "a", SLOT, 150)], 0, 2e9)
    told = budgets([Form("portfolio", 1, 600 * 2**20, {}, 1, found)])
    assert [(one.what.partition(": ")[2], one.figure, one.met) for one in told] == [
        ("memory", "600.0 MB", False),
        ("latest beyond its stagger", "150 ms", False),
        ("bots that did not start", "44", False),
    ]
