"""The sample market: which past day is today, and that nothing after its opening is seen."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
import pytz

from openbell import calendars
from openbell.calendars import CalendarExpired
from openbell.manifest import EVERY_DAY, Anchor, Schedule
from openbell.trading.markets import MarketError, history
from openbell.trading.markets.sample import ANCHOR, WARM_UP, SampleMarket, slot_number

NEW_YORK = pytz.timezone("America/New_York")
DAILY = Schedule("America/New_York", "XNYS", frozenset(range(5)), (Anchor("clock", time(9, 35)),))
MINUTELY = Schedule("UTC", every=timedelta(minutes=1))
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = tuple(date.fromordinal(day).isoformat() for day in history.common_days(("AAPL", "MSFT")))


def at_0935(day: date) -> datetime:
    """Return 09:35 in New York on `day`, in UTC."""
    return NEW_YORK.localize(datetime.combine(day, time(9, 35))).astimezone(UTC)


def xnys_sessions(first: date, last: date) -> list[date]:
    """Return the dates of the sessions, counted the slow way."""
    return [session.date for session in calendars.load("XNYS").sessions(first, last)]


def test_every_session_is_one_historical_day_further() -> None:
    """Over eleven years of sessions, before and after the anchor, no historical day is left out or seen twice."""
    market = SampleMarket(("AAPL", "MSFT"), DAILY)
    seen = [market.historical_day(at_0935(day)) for day in xnys_sessions(date(2020, 1, 1), date(2030, 12, 31))]
    start = DAYS.index(seen[0])
    expected = (DAYS[start:] + DAYS[WARM_UP:])[: len(seen)]
    assert seen == list(expected)


def test_a_holiday_and_a_weekend_use_up_no_historical_day() -> None:
    """Wednesday, Friday and Monday around Thanksgiving 2026 are neighbours."""
    numbers = [slot_number(DAILY, at_0935(date(2026, 11, day))) for day in (25, 27, 30)]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


def test_a_closed_day_stands_for_the_session_before_it() -> None:
    """A run by hand on a Sunday sees what Friday's saw."""
    assert slot_number(DAILY, at_0935(date(2026, 11, 22))) == slot_number(DAILY, at_0935(date(2026, 11, 20)))


def test_two_times_of_one_session_see_the_same_day() -> None:
    """Ten minutes before the close the historical day is that of the open."""
    assert slot_number(DAILY, at_0935(date(2026, 11, 20))) == slot_number(
        DAILY, datetime(2026, 11, 20, 20, 50, tzinfo=UTC)
    )


def test_the_date_is_the_exchanges_own() -> None:
    """Near midnight the date that counts is New York's, whatever zone the schedule is in."""
    evening = datetime(2026, 11, 20, 3, tzinfo=UTC)  # Thursday 22:00 in New York, Friday noon in Tokyo
    for zone in ("America/New_York", "Asia/Tokyo"):
        assert slot_number(Schedule(zone, "XNYS", EVERY_DAY), evening) == slot_number(
            DAILY, at_0935(date(2026, 11, 19))
        )


def test_without_a_calendar_the_weekdays_of_the_schedule_count() -> None:
    """A Monday, Wednesday, Friday schedule moves by one on each of these days in its own zone, and on no other."""
    schedule = Schedule("Europe/Berlin", None, frozenset({0, 2, 4}), (Anchor("clock", time(0, 30)),))
    days = [date(2025, 6, 2) + timedelta(step) for step in range(800)]
    instants = [
        pytz.timezone("Europe/Berlin").localize(datetime.combine(day, time(0, 30))).astimezone(UTC) for day in days
    ]
    numbers = [slot_number(schedule, instant) for instant in instants]
    assert [after - before for before, after in pairwise(numbers)] == [
        int(day.weekday() in (0, 2, 4)) for day in days[1:]
    ]


def test_around_the_clock_every_day_counts() -> None:
    """The calendar 24/7 has a session every day."""
    schedule = Schedule("UTC", "24/7", EVERY_DAY, (Anchor("open"),))
    numbers = [slot_number(schedule, START + timedelta(step)) for step in range(-500, 500)]
    assert numbers == list(range(-500, 500))


@pytest.mark.parametrize("every, offset", [(60, 0), (900, 5), (86400, 3600)])
def test_an_interval_is_one_historical_day_per_slot(every: int, offset: int) -> None:
    """Slot after slot, offset or not, the number is the unix time in intervals."""
    schedule = Schedule("UTC", every=timedelta(seconds=every), offset=timedelta(seconds=offset))
    slots = [START + timedelta(seconds=step * every + offset) for step in range(400)]
    assert [slot_number(schedule, slot) for slot in slots] == [int(slot.timestamp()) // every for slot in slots]
    assert slot_number(schedule, slots[1]) == slot_number(schedule, slots[0]) + 1


def test_past_the_last_day_the_sample_begins_again() -> None:
    """After 3,020 slots, as the sample's README says, the same historical day is back."""
    market = SampleMarket(("AAPL", "MSFT"), MINUTELY)
    seen = [market.historical_day(START + timedelta(minutes=step)) for step in range(3021)]
    assert len(set(seen)) == 3020
    assert seen[3020] == seen[0]
    assert "3,020 days" in (history.FOLDER / "README.md").read_text(encoding="utf-8")


def test_a_bar_is_visible_only_after_its_close() -> None:
    """At every session of a year the newest bar is that of the day before, and the price is the next bar's open."""
    market = SampleMarket(("AAPL", "MSFT"), DAILY)
    slots = [at_0935(day) for day in xnys_sessions(date(2026, 1, 1), date(2026, 12, 31))]
    for slot, following in pairwise(slots):
        today = market.historical_day(slot)
        newest = market.bars("AAPL", "1d", 1, slot)[0]
        assert newest.timestamp.astimezone(NEW_YORK).date().isoformat() == DAYS[DAYS.index(today) - 1]
        assert market.price("AAPL", slot) == market.bars("AAPL", "1d", 1, following).opens[0]


def test_bars_are_the_last_ones_oldest_first_stamped_at_the_close() -> None:
    """Fifty bars are fifty days in a row; each closes at 16:00 New York, summer and winter, told in UTC."""
    market = SampleMarket(("AAPL",), DAILY)
    slot = at_0935(date(2026, 5, 4))
    bars = market.bars("AAPL", "1d", 200, slot)
    end = DAYS.index(market.historical_day(slot))
    assert [bar.timestamp.astimezone(NEW_YORK).isoformat()[:16] for bar in bars] == [
        day + "T16:00" for day in DAYS[end - 200 : end]
    ]
    assert {bar.timestamp.tzinfo for bar in bars} == {UTC}
    assert {bar.timestamp.hour for bar in bars} == {20, 21}


def test_more_bars_than_there_are_is_as_many_as_there_are() -> None:
    """The first historical day of all looks back on the warm-up, the last on all days but itself."""
    market = SampleMarket(("AAPL",), MINUTELY)
    instants = [START + timedelta(minutes=step) for step in range(3020)]
    assert len(market.bars("AAPL", "1d", 10_000, min(instants, key=market.historical_day))) == WARM_UP
    assert len(market.bars("AAPL", "1d", 10_000, max(instants, key=market.historical_day))) == len(DAYS) - 1


def test_a_short_history_keeps_a_third_as_warm_up() -> None:
    """FB has 196 days: 65 to look back on and 131 to meet."""
    market = SampleMarket(("FB", "AAPL"), MINUTELY)
    counts = [len(market.bars("FB", "1d", 1000, START + timedelta(minutes=step))) for step in range(131)]
    assert sorted(counts) == list(range(65, 196))


def test_a_symbol_beside_the_bots_own_can_be_read() -> None:
    """A bot on AAPL may look at IBM, and at FB before its first day finds no bars and no price."""
    market = SampleMarket(("AAPL",), DAILY)
    slot = at_0935(date(2026, 11, 20))
    assert len(market.bars("IBM", "1d", 5, slot)) == 5
    assert market.bars("FB", "1d", 5, slot) == ()
    with pytest.raises(MarketError, match="FB has no price on"):
        market.price("FB", slot)


def test_provenance_names_the_source_and_the_day() -> None:
    """Every journal line of a run says that the prices are the sample's and of which day."""
    market = SampleMarket(("AAPL",), DAILY)
    slot = at_0935(date(2026, 11, 20))
    assert market.provenance(slot) == {"source": "sample", "historical_day": market.historical_day(slot)}
    assert DAYS.index(market.historical_day(slot)) == WARM_UP + len(xnys_sessions(ANCHOR, date(2026, 11, 20)))


def test_an_unknown_symbol_is_an_error_that_lists_the_known_ones() -> None:
    """It is raised when the market is opened, and when a run asks for it."""
    with pytest.raises(MarketError, match='the sample has no symbol "TSLA"; it has: AAPL, FB, GOOG, IBM, MSFT'):
        SampleMarket(("AAPL", "TSLA"), DAILY)
    with pytest.raises(MarketError, match=r'no symbol "\.\./AAPL"'):
        SampleMarket(("AAPL",), DAILY).price("../AAPL", START)


def test_an_unknown_timeframe_is_an_error_that_lists_what_there_is() -> None:
    """The sample has daily bars only."""
    with pytest.raises(MarketError, match='the sample has no "15m" bars; it offers: 1d'):
        SampleMarket(("AAPL",), DAILY).bars("AAPL", "15m", 5, START)


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_an_error(count: int) -> None:
    """No bars at all is nothing that a strategy can mean to ask for."""
    with pytest.raises(MarketError, match=f"at least 1, not {count}"):
        SampleMarket(("AAPL",), DAILY).bars("AAPL", "1d", count, START)


def test_an_instant_without_a_zone_is_an_error() -> None:
    """A naive time could mean any instant of two days."""
    with pytest.raises(ValueError, match="needs a zone"):
        slot_number(MINUTELY, START.replace(tzinfo=None))


def test_a_calendar_that_ran_out_is_an_error() -> None:
    """Days past the table are not counted as open."""
    after = calendars.load("XNYS").valid_through + timedelta(days=1)
    with pytest.raises(CalendarExpired):
        slot_number(DAILY, at_0935(after))


@pytest.mark.parametrize("name", calendars.names())
def test_every_calendar_knows_the_anchor(name: str) -> None:
    """Sessions are counted from the anchor, so a table that begins later would count wrong."""
    assert calendars.load(name).valid_from <= ANCHOR <= calendars.load(name).valid_through
