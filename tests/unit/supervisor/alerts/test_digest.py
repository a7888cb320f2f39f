"""Digests: their words, and that each is sent once a day."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from openbell.supervisor.alerts.digest import DaySummary, after_close, before_open, done_today
from openbell.supervisor.alerts.quiet_hours import DailyTime
from openbell.supervisor.alerts.service import AlertService, AlertSetup
from openbell.supervisor.alerts.settings import from_environment
from openbell.supervisor.model.records import AccountRecord
from tests.unit.supervisor.alerts.scenes import HOOK, HOUR, MINUTE, SECOND, bot_view, environment, snapshot
from tests.unit.supervisor.world import World

FUND = (
    'timezone = "America/New_York"\ncalendar = "XNYS"\n'
    '[[bot]]\nid = "alpha"\nsymbols = ["AAPL"]\nat = ["09:35", "close-10m"]\n'
    '[[bot]]\nid = "beta"\nsymbols = ["IBM"]\nat = "11:00"\n'
)
BITS = 'timezone = "UTC"\n[[bot]]\nsymbols = ["BTC/USDT"]\nevery = "15m"\n'
MORNING = DailyTime("morning", time(8, 30), "America/New_York", frozenset(range(7)))
EVENING = replace(MORNING, name="evening")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world with a strategy on an exchange and one that never sleeps."""
    world = World(tmp_path)
    world.strategy("fund", FUND)
    world.strategy("bits", BITS)
    yield world
    world.restart()


def at(text: str) -> datetime:
    """Return an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


WELL = snapshot(bots=[bot_view("alpha"), bot_view("beta")])


@pytest.mark.parametrize(
    "now,expected",
    [
        (
            "2026-11-23 13:30:00",
            [
                "All 2 bots are well.",
                "Due today:",
                "- bits: 62 slots of 1 bots, first Mon 23 Nov 13:45:00 UTC",
                "- fund: 3 slots of 2 bots, first Mon 23 Nov 09:35:00 EST",
            ],
        ),
        (
            "2026-11-26 13:30:00",
            ["All 2 bots are well.", "XNYS: closed today (holiday)", "Due today:", "- bits: 62 slots of 1 bots, first Thu 26 Nov 13:45:00 UTC"],
        ),
        (
            "2026-11-27 13:30:00",
            [
                "All 2 bots are well.",
                "XNYS: half-day, closes Fri 27 Nov 13:00:00 EST",
                "Due today:",
                "- bits: 62 slots of 1 bots, first Fri 27 Nov 13:45:00 UTC",
                "- fund: 3 slots of 2 bots, first Fri 27 Nov 09:35:00 EST",
            ],
        ),
    ],
)  # fmt: skip
def test_before_the_open(world: World, now: str, expected: list[str]) -> None:
    """Who lives, what is due until midnight, and what the exchange does today: the day after Thanksgiving closes early."""
    manifests = [world.manifest("bits"), world.manifest("fund")]
    said = before_open(WELL, manifests, MORNING, at(now))
    assert said.body.splitlines() == expected
    assert said.title.startswith("INFO: morning digest, ")


def test_before_the_open_with_a_bot_down(world: World) -> None:
    """It is a warning that says which, and who is paused."""
    shown = snapshot(bots=[bot_view("alpha", "down"), bot_view("beta", "paused")], ok=False)
    said = before_open(shown, [world.manifest("fund")], MORNING, at("2026-11-23 13:30:00"))
    assert (said.severity, said.title) == ("warning", "WARNING: morning digest, Mon 23 Nov")
    assert said.body.splitlines()[:3] == ["0 of 2 bots are well.", "1 bot down: alpha", "Paused: beta"]


def test_after_the_close() -> None:
    """Runs, orders, skips with their reasons, the account with its day."""
    account = AccountRecord(
        at("2026-11-23 20:50:00"),
        "alpha",
        "paper",
        1000.0,
        103_250.5,
        "USD",
        {"AAPL": {"qty": 10.0}, "IBM": {"qty": 0.0}},
    )
    done = [
        DaySummary("fund", {"succeeded": 3, "skipped": 2}, {"overlap": 2}, 4, account, 103_000.0),
        DaySummary("bits", {"succeeded": 60, "failed": 1, "missed": 2}, {}, 0, None, None),
    ]
    said = after_close(done, WELL, EVENING, at("2026-11-23 21:30:00"))
    assert said.body.splitlines() == [
        "64 runs, 4 orders, 1 failed, 2 missed",
        "Skipped: 2 overlap",
        "- fund (paper): 103,250.50 USD (+250.50 today); holds 10 AAPL",
    ]
    assert said.title == "WARNING: evening digest, Mon 23 Nov"


def test_what_was_done_is_read_from_the_ledger(world: World) -> None:
    """Outcomes and orders of the zone's day, from what the strategies wrote."""
    world.now = at("2026-11-20 12:01:00")
    world.start("bits", ("bits",))
    world.see()
    for hour in range(12, 15):
        world.now = at(f"2026-11-20 {hour}:15:01")
        run: Mapping[str, object] = {
            "bot": "bits",
            "slot": at(f"2026-11-20 {hour}:15:00"),
            "run_id": f"r{hour}",
            "attempt": 1,
        }
        world.write("run_start", run, "bits", symbols=["BTC/USDT"], lateness_ms=1.0, queue_wait_ms=0.1, trigger="loop")
        world.write(
            "run_end",
            run,
            "bits",
            outcome="succeeded",
            tick_duration_ms=5.0,
            signal_generated=True,
            orders=2,
            trigger="loop",
        )
        world.see()
    assert world.store is not None
    (done,) = done_today(world.store, [world.manifest("bits")], at("2026-11-20 15:00:00"), "UTC")
    assert (done.outcomes["succeeded"], done.orders) == (3, 6)
    (done,) = done_today(world.store, [world.manifest("bits")], at("2026-11-21 15:00:00"), "UTC")
    assert done.orders == 0


def digests(alerts: AlertService) -> list[str]:
    """Return the titles of all digests."""
    rows = alerts._alert_store.database.execute("SELECT title FROM messages WHERE sort = 'digest' ORDER BY id")
    return [title for (title,) in rows]


def test_a_digest_is_sent_once_a_day_whatever_is_restarted(world: World) -> None:
    """From the time on at which it was wished for; also by the first look after a restart that spans its time; not hours late."""
    settings = replace(from_environment(environment(DIGEST_MORNING="mon-fri 08:30 America/New_York")), channels=(HOOK,))
    clock = [at("2026-11-20 15:00:00")]  # a Friday, after its time

    def alerts() -> AlertService:
        world.see()
        assert world.store is not None
        manifests = [world.manifest("fund")]
        return AlertService(
            AlertSetup(settings, manifests, world.root, world.control, world.store, lambda: clock[0], lambda _: None)
        )

    with closing(alerts()) as first:
        first.process(WELL, clock[0])
        assert digests(first) == [], "today's time had passed when it was set"
        for _ in range(3):
            clock[0] += 20 * HOUR
            first.process(WELL, clock[0])
        assert digests(first) == [], "there is none on a weekend"
    clock[0] = at("2026-11-23 13:40:00")
    for _ in range(3):
        with closing(alerts()) as again:
            again.process(WELL, clock[0])
            again.process(WELL, clock[0] + MINUTE)
            assert digests(again) == ["INFO: morning digest, Mon 23 Nov"]
    clock[0] = at("2026-11-24 20:00:00")
    with closing(alerts()) as late:
        late.process(WELL, clock[0])
        assert len(digests(late)) == 1, "the morning's digest is not sent in the evening"
        while (wait := late.process(WELL, at("2026-11-25 13:29:50"))) == 0.0:
            pass  # it also says that it was away
        assert wait == pytest.approx(10.0)
        late.process(WELL, at("2026-11-25 13:30:00"))
        assert digests(late)[1:] == ["INFO: morning digest, Wed 25 Nov"]


def test_nobody_gets_a_digest_who_did_not_ask(world: World) -> None:
    """Without a setting there is none."""
    world.see()
    assert world.store is not None
    now = at("2026-11-23 13:00:00")
    settings = from_environment({})
    setup = AlertSetup(settings, [], world.root, world.control, world.store, lambda: now, lambda _: None)
    with closing(AlertService(setup)) as alerts:
        for minute in range(0, 120, 5):
            alerts.process(WELL, now + minute * MINUTE + SECOND)
        assert digests(alerts) == []
