"""The four questions about slots: which spans and instants they take, what they agree on, and what they cost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
import pytz

from openbell import slots
from openbell.manifest import Anchor, Schedule
from openbell.slots import count_slots, last_slot, next_slot, slots_between
from tests.unit.slots.oracle import SECOND, TICK, parsed

HOUR = timedelta(hours=1)
EVERY_SECOND = parsed("UTC", every="1s")


def utc(text: str) -> datetime:
    """Return "2026-11-20 14:35" as an aware instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("schedule", [parsed("UTC", at="09:35"), parsed("UTC", every="5m", offset="7s")])
def test_a_span_has_its_end_but_not_its_beginning(schedule: Schedule) -> None:
    """A slot at `until` counts and one at `after` does not, to the microsecond, in every question alike."""
    first = next_slot(schedule, utc("2026-11-20"))
    assert first is not None

    for after, until, expected in (
        (first - TICK, first, [first]),
        (first, first + TICK, []),
        (first - SECOND, first - TICK, []),
        (first, first, []),
        (first + HOUR, first - HOUR, []),
    ):
        assert list(slots_between(schedule, after, until)) == expected
        assert count_slots(schedule, after, until) == len(expected)
        assert last_slot(schedule, after, until) == (expected[0] if expected else None)
    assert next_slot(schedule, first - TICK) == first
    assert next_slot(schedule, first) != first


@pytest.mark.parametrize(
    "schedule", [parsed("UTC", at="09:35"), parsed("UTC", every="1h"), parsed("UTC", "XNYS", every="1h")]
)
@pytest.mark.parametrize("ask", [slots_between, last_slot, count_slots])
def test_the_zone_in_which_an_instant_is_written_changes_nothing(
    ask: Callable[[Schedule, datetime, datetime], object], schedule: Schedule
) -> None:
    """Asked in New York's wall clock, across its clock change, the answer is the same, and it is in UTC."""
    spans = [
        [utc(text).astimezone(zone) for text in ("2026-10-30 12:00", "2026-11-03 12:00")]
        for zone in (UTC, ZoneInfo("America/New_York"), pytz.timezone("America/New_York"))
    ]

    answers = [ask(schedule, after, until) for after, until in spans]
    lists = [list(one) if ask is slots_between else [one] for one in answers]  # type: ignore[call-overload]

    assert lists[0] == lists[1] == lists[2]
    assert all(slot.tzinfo is UTC for one in lists for slot in one if isinstance(slot, datetime))
    assert getattr(next_slot(schedule, spans[1][0]), "tzinfo", None) is UTC


def test_a_naive_time_is_an_error() -> None:
    """A time without a zone is ambiguous: every question refuses it."""
    naive, aware = datetime(2026, 11, 20), utc("2026-11-21")  # noqa: DTZ001 - that is the point
    for schedule in (parsed("UTC", at="09:35"), EVERY_SECOND):
        for ask in (slots_between, last_slot, count_slots):
            for after, until in ((naive, aware), (aware, naive)):
                with pytest.raises(ValueError, match="slots need aware times, got 2026-11-20T00:00:00"):
                    list(ask(schedule, after, until))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="slots need aware times"):
            next_slot(schedule, naive)


def test_seven_thousand_years_of_seconds_are_counted_at_once() -> None:
    """Counting is arithmetic: it does not go through the slots, so a gap of any length costs the same."""
    first, last = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

    assert count_slots(EVERY_SECOND, first, last) == (last - first) // SECOND
    assert last_slot(EVERY_SECOND, first, last - TICK) == last - SECOND
    assert next(slots_between(EVERY_SECOND, first, last)) == first + SECOND
    assert next_slot(EVERY_SECOND, last) == last + SECOND


@pytest.mark.parametrize(
    "schedule",
    [EVERY_SECOND, parsed("America/New_York", every="1s", days="mon-fri"), parsed("UTC", "XTKS", every="1s")],
)
def test_counting_yields_no_slots(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten years of seconds, on some days or on a calendar too, are counted without making a slot."""

    def refuse(*_arguments: object) -> None:
        msg = "count_slots went through the slots"
        raise AssertionError(msg)

    monkeypatch.setattr(slots, "slots_between", refuse)

    counted = count_slots(schedule, utc("2025-01-01"), utc("2035-01-01"))

    assert counted > 40_000_000
    assert last_slot(schedule, utc("2025-01-01"), utc("2035-01-01")) is not None


def test_counting_seconds_by_hand() -> None:
    """A week of seconds: five days of New York's, and four and a half sessions."""
    week = (utc("2026-11-22 05:00") - SECOND, utc("2026-11-29 05:00") - SECOND)

    assert count_slots(parsed("America/New_York", every="1s", days="mon-fri"), *week) == 5 * 86400
    assert count_slots(parsed("UTC", "XNYS", every="1s"), *week) == 3 * 23400 + 3.5 * 3600
    assert count_slots(parsed("UTC", "XTKS", every="1s"), *week) == 4 * 5.5 * 3600  # Monday is a holiday


def test_slots_come_one_by_one() -> None:
    """Asking for the first of a huge span does not make the others."""
    assert list(islice(slots_between(EVERY_SECOND, utc("2020-01-01"), utc("9000-01-01")), 2)) == [
        utc("2020-01-01 00:00:01"),
        utc("2020-01-01 00:00:02"),
    ]


def test_a_slot_of_the_other_season_is_found() -> None:
    """13:45 UTC is within New York's session in summer only: in November the next slot is in March, and vice versa."""
    schedule = parsed("UTC", "XNYS", every="1d", offset="825m")

    assert next_slot(schedule, utc("2026-10-30 13:45")) == utc("2027-03-15 13:45")
    assert last_slot(schedule, utc("2020-01-01"), utc("2027-03-15 13:44")) == utc("2026-10-30 13:45")
    assert count_slots(schedule, utc("2026-10-30 13:45"), utc("2027-03-15 13:44")) == 0


def test_next_slot_gives_up_after_a_year() -> None:
    """A schedule that never occurs, which the manifest would refuse, has no next slot; the search ends."""
    never = Schedule("UTC", "XNYS", frozenset({5, 6}), (Anchor("open"),))

    assert next_slot(never, utc("2026-01-01")) is None
    assert last_slot(never, utc("2020-01-01"), utc("2026-01-01")) is None
    assert count_slots(never, utc("2020-01-01"), utc("2026-01-01")) == 0
