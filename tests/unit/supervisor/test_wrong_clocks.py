"""A clock that was ahead for a while: nothing is removed for it, and what it has dated in the future is judged all the same."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell import heartbeat
from openbell.supervisor.alerts.incidents import Incidents
from openbell.supervisor.alerts.model import Message
from openbell.supervisor.alerts.settings import AlertSettings
from openbell.supervisor.alerts.store import AlertStore, open_database
from openbell.supervisor.store.retention import aged_to
from tests.unit.supervisor.world import World

YEAR = timedelta(days=365)
STREAM = 'timezone = "UTC"\n[[bot]]\nkind = "stream"\nsymbols = ["AAPL"]\ntimeout = "30s"\n'


def ahead_for_a_while(world: World, by: timedelta) -> None:
    """Let the clock be ahead, with a restart of the supervisor in each of three hours, and be corrected."""
    real = world.now
    for hour in range(3):
        world.now = real + by + timedelta(hours=hour)
        world.restart()
        world.beat()
        world.see()
        world.now += timedelta(minutes=61)
        world.see()
    world.now = real + timedelta(hours=4)
    world.restart()
    world.beat()
    world.see()


@pytest.mark.parametrize("by", [timedelta(days=2), timedelta(days=40), YEAR, 10 * YEAR])
def test_records_survive_a_start_with_a_clock_that_is_ahead(started: World, by: timedelta) -> None:
    """Runs, slots and how far the journals were read are there after the correction, and no line is read twice."""
    started.at("12:01:00")
    started.run(started.now)
    started.see()
    assert started.store is not None
    before = started.store.positions()
    ahead_for_a_while(started, by)
    assert started.store is not None
    assert [run.outcome for run in started.store.runs.recent("pulse", "pulse", 10)] == ["succeeded"]
    assert started.ledger()[0] == ("12:01:00", 1, "succeeded")
    assert before.items() <= started.store.positions().items()


def test_alerts_survive_a_start_with_a_clock_that_is_ahead(started: World) -> None:
    """What was sent stays for its month."""
    for later in (timedelta(0), YEAR, YEAR + timedelta(hours=2), timedelta(hours=4)):
        alerts = AlertStore(open_database(started.root / "alerts.sqlite"))
        if not later:
            with alerts.transaction():
                alerts.add_message(Message("alert", "critical", "a title", "a body"), started.now, ())
        Incidents(alerts, AlertSettings(), lambda _: []).process(started.see(), started.now + later)
        kept = alerts.database.execute("SELECT count(*) FROM messages WHERE title = 'a title'").fetchone()
        alerts.close()
        assert kept == (1,)


def test_after_an_absence_what_is_old_goes_little_by_little() -> None:
    """A supervisor that was off for ten days has removed what is too old after as many days again."""
    begin = datetime(2026, 11, 20, tzinfo=UTC)
    now = begin + timedelta(days=10)
    aged = aged_to(now, begin, is_first=True)
    assert aged == begin
    hours = 0
    while aged < now + timedelta(hours=hours):
        hours += 1
        aged = aged_to(now + timedelta(hours=hours), aged, is_first=False)
    assert 216 <= hours <= 240


def test_a_run_of_the_future_whose_end_was_lost_is_ended(started: World) -> None:
    """A minute after the correction the loop's heartbeat proves that it is over."""
    real = started.now
    started.now = real + YEAR
    started.run(started.now, None)
    started.beat("pulse", "pulse")
    started.see()
    started.now = real + timedelta(seconds=10)
    started.at("12:02:30")
    assert started.store is not None
    (run,) = started.store.runs.recent("pulse", "pulse", 10)
    assert (run.outcome, run.judged) == ("interrupted", True)


def test_a_run_of_the_future_that_goes_on_hangs(started: World) -> None:
    """Its timeout counts from the correction, since when the loop names it."""
    real = started.now
    started.now = real + YEAR
    started.run(started.now, None)
    started.beat("pulse", "pulse")
    started.see()
    started.now = real
    for _ in range(10):
        started.now += timedelta(seconds=5)
        started.beat("pulse", "pulse")
        snapshot = started.see()
    assert ("hung", "pulse") in {(one.kind, one.bot) for one in snapshot.conditions}


def test_a_stream_whose_sign_of_life_is_of_the_future_is_silent(world: World) -> None:
    """It counts as given at the correction: the stream is reported when its timeout has passed since then."""
    world.strategy("pulse", STREAM)
    world.start()
    real = world.now
    world.now = real + YEAR
    world.run(world.now, None, trigger="stream")
    future = world.now
    for seconds in range(0, 50, 5):
        world.now = real + timedelta(seconds=seconds)
        beat = heartbeat.Heartbeat(world.now, world.boot, ("pulse",), {"pulse": future})
        heartbeat.write(world.journal / "pulse", beat)
        kinds = {one.kind for one in world.see().conditions if one.bot}
        assert kinds == ({"stream_silent"} if seconds >= 40 else set())


def test_a_rejected_order_of_the_future_is_over_after_a_good_slot(started: World) -> None:
    """It is not reported for a year."""
    real = started.now
    started.now = real + YEAR
    run = {"bot": "pulse", "slot": started.now, "run_id": "run-9", "attempt": 1}
    started.write("decision", run, symbol="AAPL", action="buy", status="rejected", qty=1)
    started.see()
    started.now = real
    assert "order_rejected" in {one.kind for one in started.at("12:00:45").conditions}
    started.at("12:01:00")
    started.run(started.now)
    assert "order_rejected" not in {one.kind for one in started.see().conditions}
