"""Every rule of when a bot is due, in everything that asks: loop, supervisor, `make next`, cron, functions and backtests."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cronsim import CronSim

from openbell import calendars
from openbell.backtest.slot_order import slots_of
from openbell.calendars import own_days
from openbell.commands import next as next_command
from openbell.commands.crontab import fields, times_of
from openbell.manifest import Bot, Manifest, load_all
from openbell.own_days_file import publish_own_days
from openbell.runner.decide import decide
from openbell.slots import local_instant
from openbell.supervisor.ingest.expectation import WRITE_MARGIN
from tests.unit.strategy_file import write
from tests.unit.supervisor.world import World


class Rule(NamedTuple):
    """A schedule, a span of time in its zone, and the slots that lie in it, as local times."""

    lines: str
    bot: str
    begin: str
    end: str
    slots: list[str]
    zone: str = "America/New_York"
    own_days: str = ""


XNYS = 'calendar = "XNYS"'
DECEMBER = ("2026-12-09 00:00", "2026-12-11 00:00")
RULES = {
    "S1: a clock time behind an early close": Rule(
        XNYS, 'at = "15:50"', "2026-11-25 00:00", "2026-12-01 00:00", ["2026-11-25 15:50", "2026-11-30 15:50"]
    ),
    "S1: one that runs all the same": Rule(
        XNYS,
        'at = "15:50"\nearly_close = "run"',
        "2026-11-26 00:00",
        "2026-12-01 00:00",
        ["2026-11-27 15:50", "2026-11-30 15:50"],
    ),
    "S1: one that follows the close": Rule(
        XNYS, 'at = "close-10m"', "2026-11-26 00:00", "2026-12-01 00:00", ["2026-11-27 12:50", "2026-11-30 15:50"]
    ),
    "S2: the month's last session": Rule(
        XNYS,
        'at = "close-10m"\ndays = "month-end"',
        "2026-10-01 00:00",
        "2027-01-01 00:00",
        ["2026-10-30 15:50", "2026-11-30 15:50", "2026-12-31 15:50"],
    ),
    "S2: the first Monday": Rule(
        "", 'at = "09:35"\ndays = "1st mon"', "2026-11-01 00:00", "2027-01-01 00:00", ["2026-11-02 09:35", "2026-12-07 09:35"]
    ),
    "S2: the quarter's end": Rule(
        XNYS,
        'at = "open+5m"\ndays = "quarter-end"',
        "2026-09-01 00:00",
        "2027-01-01 00:00",
        ["2026-09-30 09:35", "2026-12-31 09:35"],
    ),
    "S2: the second last session of the month": Rule(
        XNYS,
        'at = "open+5m"\ndays = "session -2 of month"',
        "2026-11-01 00:00",
        "2026-12-31 00:00",
        ["2026-11-27 09:35", "2026-12-30 09:35"],
    ),
    "S3: futures on Sunday evening, with the daily break": Rule(
        'calendar = "CMES"\nblackout = ["daily 16:00 - 17:00 America/Chicago"]',
        'every = "1h"',
        "2026-11-22 12:00",
        "2026-11-23 18:30",
        [
            *(f"2026-11-22 {hour:02}:00" for hour in range(18, 24)),
            *(f"2026-11-23 {hour:02}:00" for hour in (*range(17), 18)),
        ],
    ),
    "S4: a closure of one's own": Rule(
        XNYS, 'at = "09:35"', "2026-12-08 00:00", "2026-12-11 00:00", ["2026-12-08 09:35", "2026-12-10 09:35"],
        own_days='[XNYS]\nclosures = ["2026-12-09"]\n',
    ),
    "S4: an early close of one's own": Rule(
        XNYS, 'at = "close-10m"', *DECEMBER, ["2026-12-09 12:50", "2026-12-10 15:50"],
        own_days='[XNYS]\nearly_closes = { "2026-12-09" = "13:00" }\n',
    ),
    "S5: the days of the strategy's zone with 24/7": Rule(
        'calendar = "24/7"', 'every = "12h"\ndays = "mon-fri"', "2026-11-20 12:00", "2026-11-23 12:00",
        ["2026-11-20 19:00", "2026-11-23 07:00"],
    ),
    "S6: a day's interval": Rule(
        "", 'every = "1d"\ndays = "mon-fri"', "2026-11-20 00:01", "2026-11-24 12:00", ["2026-11-23 00:00", "2026-11-24 00:00"]
    ),
    "an interval from the open, on a half day": Rule(
        XNYS,
        'every = "90m"\nfrom = "open+15m"',
        "2026-11-27 00:00",
        "2026-11-28 00:00",
        ["2026-11-27 09:45", "2026-11-27 11:15", "2026-11-27 12:45"],
    ),
    "an interval over a lunch break": Rule(
        'calendar = "XTKS"', 'every = "1h"', "2026-11-24 00:00", "2026-11-25 00:00",
        [f"2026-11-24 {hour}:00" for hour in ("09", "10", "11", "13", "14", "15")], zone="Asia/Tokyo",
    ),
    "a blackout": Rule(
        XNYS + '\nblackout = ["wed 10:00 - 14:00 America/New_York"]',
        'every = "2h"',
        "2026-12-09 00:00",
        "2026-12-10 00:00",
        ["2026-12-09 15:00"],
    ),
}  # fmt: skip


class Place(NamedTuple):
    """A rule as files, and the slots that are right."""

    manifest: Manifest
    bot: Bot
    begin: datetime
    end: datetime
    slots: list[datetime]


@pytest.fixture(params=RULES.values(), ids=list(RULES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each rule in turn."""
    rule: Rule = request.param
    grace = "6h" if "at =" in rule.bot else "30m"  # the loop of the test wakes twice in it
    write(
        tmp_path,
        f'timezone = "{rule.zone}"\n{rule.lines}\n[[bot]]\nsymbols = ["AAPL"]\ngrace = "{grace}"\n{rule.bot}\n',
    )
    if rule.own_days:
        (tmp_path / "calendar.toml").write_text(rule.own_days)
    (manifest,), errors = load_all(tmp_path)
    assert errors == ()
    begin, end = (local_instant(datetime.fromisoformat(one), rule.zone) for one in (rule.begin, rule.end))
    slots = [local_instant(datetime.fromisoformat(one), rule.zone) for one in rule.slots]
    yield Place(manifest, manifest.bots[0], begin, end, slots)
    calendars.use({})


def test_the_loop_runs_at_each_and_passes_over_the_rest(place: Place) -> None:
    """Woken now and then within the grace it runs exactly the slots; what an early close makes none of is skipped as closed."""
    ran: list[datetime] = []
    after, now = place.begin, place.begin
    while now < place.end:
        now = min(now + place.bot.grace / 2, place.end)
        decision = decide(place.bot, after, now, busy=False, pause=None)
        assert {skip.reason for skip in decision.skips} <= {"closed"}
        ran += [decision.run] if decision.run is not None else []
        after = max([after, *ran, *(skip.last for skip in decision.skips)])
    assert ran == place.slots


def test_the_supervisor_expects_each(place: Place, tmp_path: Path) -> None:
    """While nothing runs each slot is missed, and nothing else is."""
    (tmp_path / "world").mkdir()
    world = World(tmp_path / "world")
    world.strategy("demo", (tmp_path / "demo" / "strategy.toml").read_text())
    if (own := tmp_path / own_days.TOML).is_file():
        publish_own_days(world.control, own_days.read(own))
    world.now = place.begin
    world.see()
    world.now = place.end + place.bot.grace + WRITE_MARGIN
    world.see()
    known = world.ledger("demo", "demo")
    world.restart()
    assert {outcome for _, _, outcome in known} == {"missed"}
    assert sum(count for _, count, _ in known) == len(place.slots)


def test_next_lists_them(place: Place) -> None:
    """In their order, from an instant before the first."""
    lines = [line for line in next_command.lines(place.bot, place.begin, len(place.slots)) if "blackout" not in line]
    assert [line.rsplit("  in ", 1)[1] for line in lines] == [
        str(timedelta(seconds=round((slot - place.begin).total_seconds()))) for slot in place.slots
    ]


def test_cron_and_functions_are_called_for_each(place: Place) -> None:
    """Some line starts in the minute of each slot."""
    lines = [CronSim(line, place.begin) for line in fields(times_of([place.bot], place.begin, UTC))]
    for slot in place.slots:
        assert any(
            slot.hour in line.hours and slot.minute in line.minutes and slot.isoweekday() % 7 in line.weekdays
            for line in lines
        ), slot


def test_a_backtest_runs_them(place: Place) -> None:
    """All of them and no other."""
    assert [slot for slot, _ in slots_of([place.bot], place.begin, place.end)] == place.slots
