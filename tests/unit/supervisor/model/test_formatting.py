"""Times as a person reads them."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.supervisor.model.formatting import dated, local, midnight, milliseconds, next_midnight, span

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "at, shown",
    [
        (NOW, "10:00:00 EST"),
        (NOW + timedelta(days=1), "Sat 21 Nov 10:00:00 EST"),
        (NOW - timedelta(days=120), "Thu 23 Jul 11:00:00 EDT"),
        (NOW + timedelta(days=60), "Tue 19 Jan 2027 10:00:00 EST"),
    ],
)
def test_an_instant_in_the_strategys_zone(at: datetime, shown: str) -> None:
    """Only as much date as is needed."""
    assert local(at, "America/New_York", NOW) == shown


def test_an_instant_with_its_date() -> None:
    """For texts that stay on the page over midnight."""
    assert dated(NOW, "Asia/Tokyo") == "Sat 21 Nov 00:00:00 JST"


@pytest.mark.parametrize(
    "seconds, shown",
    [
        (0, "0 s"),
        (-5, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (86400, "1 d"),
        (273600, "3 d 4 h"),
    ],
)
def test_a_span(seconds: float, shown: str) -> None:
    """At most two units."""
    assert span(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    "value, shown", [(None, "?"), (0.42, "0.4 ms"), (12.4, "12 ms"), (2400, "2.4 s"), (200_000, "3 min 20 s")]
)
def test_milliseconds(value: float | None, shown: str) -> None:
    """As exact as the eye."""
    assert milliseconds(value) == shown


@pytest.mark.parametrize(
    "zone", ["UTC", "America/New_York", "America/Havana", "Asia/Beirut", "Pacific/Apia", "Australia/Lord_Howe"]
)
def test_midnights_lie_around_now(zone: str) -> None:
    """At every hour of a year, clock changes at midnight included: else the watch would wait for an instant of the past."""
    for hour in range(0, 366 * 24, 1):
        now = datetime(2026, 1, 1, 0, 30, tzinfo=UTC) + timedelta(hours=hour)
        assert midnight(now, zone) <= now < next_midnight(now, zone) <= now + timedelta(hours=25)
