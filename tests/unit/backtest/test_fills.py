"""When an order of a backtest fills, and at what price: the next one after the decision, in every zone."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import pytz
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbell import calendars
from openbell.backtest import engine
from openbell.backtest.engine import Outcome, Setup
from openbell.backtest.session_hours import SessionHours, calendar_of
from openbell.strategy import Context
from tests.unit.strategy_file import write

HEADER = "Date,Open,High,Low,Close,Volume\n"


def daily(first: date, count: int, *, weekends: bool) -> str:
    """Return a file of days whose opening is 100, 102, … and whose close is one more."""
    days = [first + timedelta(number) for number in range(3 * count)]
    kept = [day for day in days if weekends or day.weekday() < 5][:count]
    return HEADER + "".join(
        f"{day},{100 + 2 * number},{102 + 2 * number},{99 + 2 * number},{101 + 2 * number},1000\n"
        for number, day in enumerate(kept)
    )


def backtest(
    folder: Path, schedule: str, files: dict[str, str], function: Callable[[Context], object], until: datetime
) -> Outcome:
    """Run `function` as a strategy whose bot has this schedule, on these files."""
    (folder / "prices").mkdir(exist_ok=True)
    for symbol, content in files.items():
        (folder / "prices" / f"{symbol.replace('/', '-')}.csv").write_text(content)
    if not (folder / "demo").exists():
        write(folder, f"{schedule}symbols = {sorted(files)!r}\n".replace("'", '"'))
    setup = Setup(folder / "demo", until.replace(day=1), until, prices=folder / "prices")
    return engine.run(setup, function)


def manifest(zone: str, at: str, calendar: str = "", days: str = "") -> str:
    """Return a manifest with one bot, all but its symbols."""
    named = f'calendar = "{calendar}"\n' if calendar else ""
    weekdays = f'days = "{days}"\n' if days else ""
    return f'timezone = "{zone}"\n{named}[[bot]]\nid = "demo"\nat = "{at}"\n{weekdays}'


def buy_once(symbol: str) -> Callable[[Context], object]:
    """Return a strategy that buys one share when it holds none and no order waits."""

    def run(ctx: Context) -> None:
        if not ctx.state.get("bought"):
            ctx.state["bought"] = True
            ctx.order(symbol, "buy", 1, reason="once")

    return run


@pytest.mark.parametrize(
    "symbol, zone, at, calendar, price, filled_at",
    [
        # Monday 2011-03-07 is the fifth weekday of the file: it opens at 108 and closes at 109.
        ("X", "America/New_York", "09:35", "XNYS", 108, "2011-03-07T14:35:00+00:00"),
        ("X", "America/New_York", "open", "XNYS", 108, "2011-03-07T14:30:00+00:00"),
        ("X", "America/New_York", "open-10m", "XNYS", 108, "2011-03-07T14:30:00+00:00"),
        ("X", "America/New_York", "close-10m", "XNYS", 109, "2011-03-07T21:00:00+00:00"),
        ("X", "America/New_York", "close", "XNYS", 110, "2011-03-08T14:30:00+00:00"),
        ("X", "America/New_York", "17:00", "XNYS", 110, "2011-03-08T14:30:00+00:00"),
        ("X", "Asia/Tokyo", "15:10", "XTKS", 110, "2011-03-08T00:00:00+00:00"),
        ("X", "Europe/London", "16:20", "XLON", 109, "2011-03-07T16:30:00+00:00"),
    ],
)
def test_an_order_fills_at_the_next_price_after_the_decision(
    tmp_path: Path, symbol: str, zone: str, at: str, calendar: str, price: float, filled_at: str
) -> None:
    """At the opening for a quarter of an hour, at the close before it is known, at the next opening afterwards."""

    def run(ctx: Context) -> None:
        if f"{ctx.slot.astimezone(UTC):%m-%d}" >= "03-07":
            buy_once(symbol)(ctx)

    files = {symbol: daily(date(2011, 3, 1), 12, weekends=False)}
    (fill,) = backtest(tmp_path, manifest(zone, at, calendar), files, run, datetime(2011, 3, 14, tzinfo=UTC)).fills
    assert (fill.price, fill.at) == (price, datetime.fromisoformat(filled_at))


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC-USDT"])
def test_a_coins_day_closes_at_midnight_in_utc(tmp_path: Path, symbol: str) -> None:
    """At 22:00 the day's own close is not known: the newest bar is the day before's, and the order fills at midnight."""
    seen: list[tuple[datetime, datetime]] = []

    def run(ctx: Context) -> None:
        if bars := ctx.bars(symbol, "1d", 1):
            seen.append((ctx.slot, bars[-1].timestamp))
        if ctx.slot.day == 7:
            buy_once(symbol)(ctx)

    files = {symbol: daily(date(2011, 3, 1), 12, weekends=True)}
    outcome = backtest(tmp_path, manifest("UTC", "22:00"), files, run, datetime(2011, 3, 10, tzinfo=UTC))
    assert len(seen) == 8
    assert all(slot - closed == timedelta(hours=22) for slot, closed in seen)
    (fill,) = outcome.fills
    assert (fill.at, fill.price) == (datetime(2011, 3, 8, tzinfo=UTC), 114)


def test_a_share_without_new_prices_is_refused_as_stale(tmp_path: Path) -> None:
    """Its data end on the 8th: an order of the 10th is not sent, and the report says so."""

    def run(ctx: Context) -> None:
        if ctx.slot.day == 10:
            placed = ctx.order("OLD", "buy", 1, reason="too late")
            assert (placed.status, placed.reason) == (
                "refused",
                "stale data: the newest price of OLD is of 2011-03-08 21:00 UTC",
            )

    files = {"OLD": daily(date(2011, 3, 1), 6, weekends=False), "X": daily(date(2011, 3, 1), 12, weekends=False)}
    schedule = manifest("America/New_York", "09:35", "XNYS")
    outcome = backtest(tmp_path, schedule, files, run, datetime(2011, 3, 12, tzinfo=UTC))
    assert not outcome.failures
    assert not outcome.fills
    assert [(one.symbol, one.reason.partition(":")[0]) for one in outcome.rejections] == [("OLD", "stale data")]


def test_a_share_that_is_no_longer_traded_is_sold_at_its_last_price(tmp_path: Path) -> None:
    """A week after its last price, and the outcome names it."""
    files = {"OLD": daily(date(2011, 3, 1), 6, weekends=False), "X": daily(date(2011, 3, 1), 20, weekends=False)}
    schedule = manifest("America/New_York", "09:35", "XNYS")
    outcome = backtest(tmp_path, schedule, files, buy_once("OLD"), datetime(2011, 3, 26, tzinfo=UTC))
    assert [(one.symbol, one.price) for one in outcome.ended] == [("OLD", 111)]
    assert [fill.quantity for fill in outcome.fills] == [1, -1]
    assert outcome.curve[-1].equity == pytest.approx(100_000 + 111 - 100)


def test_an_order_that_waits_is_no_position_yet_and_is_not_sent_twice(tmp_path: Path) -> None:
    """Two slots before the open: the first order waits, the second slot sees it, one share is bought."""
    waiting: list[bool] = []

    def run(ctx: Context) -> None:
        if ctx.slot.day == 2 and not ctx.position("X") and not ctx.state.get("sent"):
            placed = ctx.order("X", "buy", 1, reason="before the open")
            ctx.state["sent"] = True
            waiting.append(placed.status == "accepted")

    files = {"X": daily(date(2011, 3, 1), 6, weekends=False)}
    schedule = manifest("America/New_York", "08:00", "XNYS").replace('"08:00"', '["08:00", "09:00"]')
    outcome = backtest(tmp_path, schedule, files, run, datetime(2011, 3, 4, tzinfo=UTC))
    assert waiting == [True]
    assert [fill.price for fill in outcome.fills] == [102]


# A slot in every part of the day, in zones and on exchanges that lie apart from it.
Seen = tuple[datetime, object, object, float, float, str, float | None]
ANCHORS = ("open", "close", "open-30m", "open+1m", "close-1m", "close+2h", "00:00", "03:17", "09:35", "17:00", "23:59")


EXAMPLES = 500 if os.environ.get("OPENBELL_TEST_CALENDARS") == "whole" else 40


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calendar=st.sampled_from([*calendars.names(), "24/7"]),
    zone=st.sampled_from(pytz.common_timezones),
    anchor=st.sampled_from(ANCHORS) | st.times().map("{:%H:%M}".format),
    minutes=st.sampled_from([0, 0, 5, 15, 30, 60]),
    changed=st.integers(1, 40),
)
def test_what_a_run_saw_does_not_depend_on_what_came_after_it(
    tmp_path_factory: pytest.TempPathFactory, calendar: str, zone: str, anchor: str, minutes: int, changed: int
) -> None:
    """Change a bar but for its opening, and all after it: runs before that bar's close see and do the same."""
    rows = _rows(date(2024, 3, 4), minutes)  # which every calendar knows; clocks change in it
    cut = min(changed, len(rows) - 1)
    named = "" if calendar == "24/7" and anchor[0].isdigit() else calendar
    hours = SessionHours(calendar_of("X", named or None))
    closes = _closes_at(rows[cut][0], minutes, hours)
    seen = []
    for factor in (1, 3):
        lines = [
            _line(row, 1 if number <= cut else factor, 1 if number < cut else factor) for number, row in enumerate(rows)
        ]
        found: list[Seen] = []
        folder = tmp_path_factory.mktemp("lookahead")
        until = datetime(2024, 3, 15, tzinfo=UTC)
        files = {"X": HEADER + "".join(lines)}
        outcome = backtest(folder, manifest(zone, anchor, named), files, _recording(found, minutes), until)
        assert not outcome.failures
        seen.append([one for one in found if one[0] < closes])
    assert seen[0] == seen[1]


def _closes_at(stamp: str, minutes: int, hours: SessionHours) -> datetime:
    if not minutes:
        return hours.of(date.fromisoformat(stamp))[1]
    return hours.zone.localize(datetime.fromisoformat(stamp)).astimezone(UTC) + timedelta(minutes=minutes)


def _line(row: tuple[str, int, int, int, int], opening: int, rest: int) -> str:
    stamp, open_, high, low, close = row
    return f"{stamp},{open_ * opening},{high * rest},{low},{close * rest},1\n"


def _rows(begin: date, minutes: int) -> list[tuple[str, int, int, int, int]]:
    days = [day for number in range(14) if (day := begin + timedelta(number)).weekday() < 5]
    if not minutes:
        stamps = [str(day) for day in days]
    else:
        clocks = [timedelta(minutes=minute) for minute in range(8 * 60, 17 * 60, minutes)]
        stamps = [
            f"{datetime.combine(day, datetime.min.time()) + clock:%Y-%m-%d %H:%M}" for day in days for clock in clocks
        ]
    return [(stamp, 100 + n, 103 + n, 99 + n, 101 + n) for n, stamp in enumerate(stamps)]


def _recording(found: list[Seen], minutes: int) -> Callable[[Context], object]:
    frames: Sequence[str] = ("1d",) if not minutes else ("1d", "1h", f"{minutes}m")

    def run(ctx: Context) -> None:
        bars = tuple(ctx.bars("X", frame, 5) for frame in frames)
        side = "sell" if ctx.position("X") else "buy"
        placed = ctx.order("X", side, 1, reason="every slot")
        price = ctx.price("X") if bars[-1] else None
        found.append((ctx.slot, bars, price, ctx.position("X"), ctx.cash, placed.status, placed.filled_price))

    return run
