"""The canary: a slot missed on purpose, found by the watch's own code."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.slots import slots_between
from openbell.supervisor.alerts.canary import AHEAD, GRACE, KEPT, REQUEST, CanaryRunner, manifest, request_canary
from openbell.supervisor.alerts.grouping import CANARY_STRATEGY
from tests.unit.supervisor.alerts.scenes import NOW, SECOND

WRITE_MARGIN = SECOND  # which the book gives the journal


@pytest.fixture
def cage(tmp_path: Path) -> Iterator[CanaryRunner]:
    """A cage whose control folder is there."""
    with closing(CanaryRunner(tmp_path)) as opened:
        yield opened


def test_without_a_request_there_is_nothing(cage: CanaryRunner) -> None:
    """It costs a look at a file that is not there."""
    assert cage.step(NOW) == ((), None)


def test_a_canary_is_due_once_and_missed(cage: CanaryRunner, tmp_path: Path) -> None:
    """It is fine until its grace is over, then it has missed its slot, and after a while there is no canary any more."""
    request = request_canary(tmp_path, NOW, "a test")
    found_at, now = None, NOW
    while now < NOW + KEPT:
        conditions, wait = cage.step(now)
        assert wait is not None
        if conditions and found_at is None:
            found_at = now
            (condition,) = conditions
            assert (condition.kind, condition.strategy, condition.bot) == ("missed", CANARY_STRATEGY, "canary")
            assert condition.since == request.slot
        now += timedelta(seconds=max(0.01, min(wait, 0.25)))
    assert found_at is not None
    assert GRACE <= found_at - request.slot <= GRACE + WRITE_MARGIN + SECOND / 4
    assert cage.step(NOW + AHEAD + KEPT + SECOND) == ((), None)
    assert not (tmp_path / REQUEST).exists()


def test_nothing_is_left_of_a_canary(cage: CanaryRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder goes with it, also when the supervisor stops or another one is asked for."""
    places = tmp_path / "temporary"
    places.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(places))
    request_canary(tmp_path, NOW, "a test")
    cage.step(NOW)
    request_canary(tmp_path, NOW + SECOND, "a test")
    cage.step(NOW + SECOND)
    assert len(list(places.iterdir())) == 1
    cage.close()
    assert list(places.iterdir()) == []


def test_a_request_that_cannot_be_removed_is_obeyed_once(cage: CanaryRunner, tmp_path: Path) -> None:
    """Else the canary would begin anew at every look, and never be due."""
    request_canary(tmp_path, NOW, "a test")
    text = (tmp_path / REQUEST).read_text()
    cage.step(NOW)
    first = cage._canary
    (tmp_path / REQUEST).write_text(text)
    cage.step(NOW + SECOND)
    assert first is not None
    assert cage._canary is first


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"requested_at": "2026-11-20T00:00:00.000Z", "slot": "2026-11-20T00:00:02.000Z"}']
)
def test_a_request_that_is_torn_or_old_is_dropped(cage: CanaryRunner, tmp_path: Path, text: str) -> None:
    """A run from before a restart, for example, is not waited for."""
    (tmp_path / REQUEST).write_text(text)
    assert cage.step(NOW) == ((), None)
    assert not (tmp_path / REQUEST).exists()


@pytest.mark.parametrize(
    "slot", ["2026-11-23T00:00:00", "2026-11-23T14:36:03", "2026-11-23T23:59:59", "2026-03-08T07:00:00"]
)
def test_a_canarys_manifest_is_due_at_its_slot_alone(slot: str) -> None:
    """Once a day, at any second of it."""
    at = datetime.fromisoformat(slot).replace(tzinfo=UTC)
    (bot,) = manifest(at).bots
    day = timedelta(hours=23)
    assert list(slots_between(bot.schedule, at - day, at + day)) == [at]
