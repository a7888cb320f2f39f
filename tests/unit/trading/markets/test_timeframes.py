"""Which bar should be there: by the grid of a market that never closes, and by an exchange's sessions."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.trading.markets.timeframes import expected_close, length


@pytest.mark.parametrize("text, expected", [
    ("1m", timedelta(minutes=1)), ("15m", timedelta(minutes=15)), ("4h", timedelta(hours=4)), ("1d", timedelta(days=1)),
    ("0m", None), ("m", None), ("15", None), ("1w", None), ("100m", None), ("1 d", None),
])  # fmt: skip
def test_a_timeframe_is_a_length(text: str, expected: timedelta | None) -> None:
    """Minutes, hours and days; nothing else is one."""
    assert length(text) == expected


def utc(text: str) -> datetime:
    """Return an instant of November 2026."""
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize("timeframe, at, expected", [
    ("15m", "20T12:00:05", "20T12:00"),
    ("15m", "20T12:00:00", "20T12:00"),
    ("15m", "20T11:59:59", "20T11:45"),
    ("4h", "20T12:01", "20T12:00"),
    ("1d", "20T12:00", "20T00:00"),
])  # fmt: skip
def test_a_market_that_never_closes(timeframe: str, at: str, expected: str) -> None:
    """The newest bar closed at the newest instant of the grid."""
    assert expected_close(timeframe, utc(at), None) == utc(expected)


@pytest.mark.parametrize("timeframe, at, expected", [
    ("1d", "20T14:35", "19T21:00"),  # Friday's session has just opened: Thursday's bar is the newest
    ("1d", "20T21:00", "20T21:00"),  # it has closed
    ("1d", "23T14:35", "20T21:00"),  # Monday: the weekend has none
    ("1d", "27T14:35", "25T21:00"),  # the day after Thanksgiving
    ("1d", "27T18:00", "27T18:00"),  # which closes early, at 13:00 in New York
    ("15m", "20T14:35", "19T21:00"),  # five minutes into the session no bar of it has closed
    ("15m", "20T14:46", "20T14:45"),
    ("15m", "20T22:00", "20T21:00"),
    ("1h", "20T16:05", "20T16:00"),
    ("4h", "20T20:30", "20T16:00"),  # where its grid begins, the source decides: one bar's grace
])  # fmt: skip
def test_an_exchanges_sessions(timeframe: str, at: str, expected: str) -> None:
    """Nights, weekends, holidays and early closes have no bars that could be missing."""
    assert expected_close(timeframe, utc(at), "XNYS") == utc(expected)


def test_a_week_has_no_fixed_grid() -> None:
    """What is longer than a day is not judged."""
    assert expected_close("7d", utc("20T12:00"), None) is None
