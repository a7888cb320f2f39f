"""Trades, made of filled orders."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from openbell.supervisor.model.records import OrderRecord
from openbell.supervisor.web.trades import Trade, as_csv, matching, newest, trades

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def order(number: int, side: str, filled: float, price: float, fee: float = 0.0, **more: str) -> OrderRecord:
    """Return an order that was filled."""
    at = AT + timedelta(minutes=number)
    bot, symbol = more.get("bot", "b"), more.get("symbol", "AAPL")
    status = more.get("status", "filled")
    return OrderRecord(
        f"o{number}", bot, "r", symbol, side, filled, status, filled, price, fee, at, at, "", f"why {number}"
    )


def results(*orders: OrderRecord) -> list[tuple[str, float, float, float]]:
    """Return side, quantity, entry and result of the trades of orders."""
    return [(one.side, one.quantity, one.entry_price, one.result) for one in trades("s", orders)]


@pytest.mark.parametrize("orders, expected", [
    ([order(1, "buy", 2, 10)], []),
    ([order(1, "buy", 2, 10), order(2, "sell", 2, 12)], [("long", 2, 10, 4)]),
    ([order(1, "sell", 2, 10), order(2, "buy", 2, 12)], [("short", 2, 10, -4)]),
    ([order(1, "buy", 1, 10), order(2, "buy", 1, 20), order(3, "sell", 2, 30)], [("long", 2, 15, 30)]),
    ([order(1, "buy", 3, 10), order(2, "sell", 1, 11), order(3, "sell", 2, 13)], [("long", 1, 10, 1), ("long", 2, 10, 6)]),
    ([order(1, "buy", 1, 10), order(2, "sell", 3, 12), order(3, "buy", 2, 11)], [("long", 1, 10, 2), ("short", 2, 12, 2)]),
    ([order(1, "buy", 2, 10, 0.5), order(2, "sell", 1, 12, 0.2)], [("long", 1, 10, 1.55)]),
    ([order(1, "buy", 1, 10), order(2, "sell", 1, 12, bot="c")], []),
    ([order(1, "buy", 1, 10), order(2, "sell", 1, 12, symbol="MSFT")], []),
    ([order(1, "buy", 0, 10), order(2, "rejected", 1, 10)], []),
])  # fmt: skip
def test_what_was_closed(orders: list[OrderRecord], expected: list[tuple[str, float, float, float]]) -> None:
    """First in, first out, of each bot and symbol; costs of both sides, in proportion, are taken off."""
    assert [one[:3] for one in results(*orders)] == [one[:3] for one in expected]
    assert [one[3] for one in results(*orders)] == pytest.approx([one[3] for one in expected])


def made() -> list[Trade]:
    """Return two trades."""
    return trades("s", [order(1, "buy", 1, 10), order(2, "sell", 1, 12), order(3, "buy", 1, 5), order(4, "sell", 1, 4)])


def test_a_search_finds_reasons() -> None:
    """Each word must occur."""
    assert [one.exit_reason for one in matching(made(), "AAPL 2")] == ["why 2"]
    assert list(matching(made(), "nothing")) == []


def test_the_newest_trades_are_counted_with_all() -> None:
    """Newest first, and no more than are asked for."""
    count, found = newest(matching(made(), ""), 10)
    assert (count, [one.exit_reason for one in found]) == (2, ["why 4", "why 2"])
    count, found = newest(made(), 1)
    assert (count, [one.exit_reason for one in found]) == (2, ["why 4"])
    assert newest([], 5) == (0, [])


def test_a_spreadsheet_runs_nothing() -> None:
    """A reason that begins like a formula is text, and commas and quotes are quoted."""
    evil = order(1, "buy", 1, 10), order(2, "sell", 1, 12)
    told = trades("=1+1", evil)
    header, row = list(csv.reader(io.StringIO(as_csv(told))))
    assert header[:3] == ["strategy", "bot", "symbol"]
    assert row[0] == "'=1+1"
    assert row[header.index("result")] == "2.0"
    assert row[header.index("exit_at")] == "2026-11-20T12:02:00.000Z"
