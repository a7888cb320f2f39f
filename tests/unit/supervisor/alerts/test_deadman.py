"""The dead-man ping, against a real server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.supervisor.alerts import view
from openbell.supervisor.alerts.deadman import Deadman, ping, skew
from openbell.supervisor.alerts.store import open_database
from tests.unit.supervisor.alerts.scenes import MINUTE, NOW, SECOND
from tests.unit.supervisor.alerts.webhook import Hook, wait_until

TOKEN = "0b9a6f2e-uuid"


class Watch:
    """What a ping needs to know of the watch, and what it tells it."""

    def __init__(self, folder: Path, url: str, every: timedelta = MINUTE) -> None:
        self.cycles = 0
        self.skews: list[float] = []
        self.file = folder / "alerts.sqlite"
        open_database(self.file).close()
        self.deadman = Deadman(url, every, self.file, lambda: self.cycles, lambda: datetime.now(UTC), self.skews.append)


@pytest.fixture
def watch(webhook: Hook, tmp_path: Path) -> Watch:
    """A watch whose pings are taken."""
    return Watch(tmp_path, f"http://127.0.0.1:{webhook.port}/ok/{TOKEN}")


def test_pings_follow_cycles(webhook: Hook, watch: Watch) -> None:
    """A ping needs a whole cycle of the watch since the last one: a watch that stalls falls silent."""
    assert not watch.deadman.step()
    watch.cycles += 1
    assert watch.deadman.step()
    assert not watch.deadman.step()
    assert webhook.pings == 1
    watch.cycles += 5
    assert watch.deadman.step()
    assert webhook.pings == 2


def test_what_became_of_a_ping_can_be_seen(webhook: Hook, watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """When it was taken last, when it failed last and why, without its address, which is a secret."""
    watch.cycles += 1
    watch.deadman.step()
    webhook.answers["ok"] = 500
    watch.cycles += 1
    watch.deadman.step()
    shown = view.read(watch.file)
    assert shown is not None
    assert shown.deadman is not None
    assert shown.deadman.last_pinged_at is not None
    assert shown.deadman.last_failed_at is not None
    assert "500" in shown.deadman.error
    assert TOKEN not in capsys.readouterr().out + shown.deadman.error


def test_a_server_that_is_gone_or_hangs_blocks_nothing(webhook: Hook) -> None:
    """It is an error like another, after the limit."""
    url = f"http://127.0.0.1:{webhook.port}/hang/{TOKEN}"
    assert "timed out" in ping(url, lambda: NOW, timeout=0.2).error
    assert "refused" in ping(f"http://127.0.0.1:1/{TOKEN}", lambda: NOW).error
    assert ping("http://[bad", lambda: NOW).error


@pytest.mark.parametrize(
    "date,took,expected",
    [
        ("Mon, 23 Nov 2026 14:36:01 GMT", timedelta(0), -0.5),
        ("Mon, 23 Nov 2026 14:35:01 GMT", SECOND, 60.0),
        ("Mon, 23 Nov 2026 15:36:01 GMT", timedelta(0), -3600.5),
        ("Mon, 23 Nov 2026 14:36:01 GMT", 6 * SECOND, None),
        ("yesterday", timedelta(0), None),
        (None, timedelta(0), None),
    ],
)
def test_the_answers_date_tells_the_clocks_skew(date: str | None, took: timedelta, expected: float | None) -> None:
    """Seconds that our clock is ahead; an answer that took long or has no date proves nothing."""
    assert skew(NOW, NOW + took, date) == expected


def test_the_watch_hears_of_the_skew(webhook: Hook, watch: Watch) -> None:
    """A server that is an hour behind says that we are an hour ahead."""
    webhook.date = f"{datetime.now(UTC) - timedelta(hours=1):%a, %d %b %Y %H:%M:%S GMT}"
    watch.cycles += 1
    watch.deadman.step()
    assert watch.skews == [pytest.approx(3600, abs=30)]


def test_the_thread_pings_until_it_is_stopped(webhook: Hook, tmp_path: Path) -> None:
    """It waits for the first cycle, and then pings at its interval as long as there are new ones."""
    watch = Watch(tmp_path, f"http://127.0.0.1:{webhook.port}/ok", every=timedelta(milliseconds=20))
    watch.deadman.start()
    try:
        watch.cycles = 1
        wait_until(lambda: webhook.pings == 1, "the first ping", 20)
        watch.cycles = 2
        wait_until(lambda: webhook.pings == 2, "another cycle's ping", 20)
    finally:
        watch.deadman.stop()
        watch.deadman._thread.join(20)
    assert not watch.deadman._thread.is_alive()
