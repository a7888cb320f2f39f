"""The clock that runs faster, and the values that are refused."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import clock
from openbell.journal import Journal
from openbell.manifest import load
from openbell.paths import PathError, Paths
from openbell.runner.startup import launcher_of
from tests.unit.strategy_file import GOOD, write

PAST = "2026-01-05T09:35:00+00:00"


def test_a_speed_and_an_instant() -> None:
    """Both are taken as they are written; a Z is a zone."""
    assert clock.read("20@2026-01-05T09:35:00Z") == (20.0, datetime(2026, 1, 5, 9, 35, tzinfo=UTC))
    assert clock.read(f"1.5@{PAST}")[0] == 1.5


def test_without_a_setting_it_is_the_machines() -> None:
    """The tests themselves are given none."""
    assert clock.read("")[0] == clock.SPEED == 1.0
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_time_runs_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of the machine's is ten of this clock's."""
    origin = datetime.now(UTC) - timedelta(minutes=1)
    monkeypatch.setattr(clock, "SPEED", 10.0)
    monkeypatch.setattr(clock, "_ORIGIN", origin)
    gone = clock.now() - origin
    assert timedelta(minutes=10) <= gone < timedelta(minutes=20)


@pytest.mark.parametrize(
    "setting",
    [
        "20",
        "fast@2026-01-05T09:35:00Z",
        "0@2026-01-05T09:35:00Z",
        "nan@2026-01-05T09:35:00Z",
        "2000@2026-01-05T09:35:00Z",
        "20@2026-01-05T09:35:00",
        "20@yesterday",
        "20@9000-01-05T09:35:00Z",
        "1000@1900-01-05T09:35:00Z",
    ],
)
def test_what_is_no_clock_is_refused(setting: str) -> None:
    """No number, no instant, none with a zone, one to come, or one so long ago that the clock has run out of years."""
    with pytest.raises(ValueError, match=f'^OPENBELL_CLOCK: found "{setting}"; allowed: a speed from 1 to 1000'):
        clock.read(setting)


@pytest.mark.parametrize("command", [("run",), ("once", "pulse"), ("supervise",)])
def test_a_process_that_is_given_no_good_clock_says_so_in_one_line(command: tuple[str, ...]) -> None:
    """No traceback, and no process that runs by another clock than the one that was meant."""
    done = subprocess.run(
        [Path(sys.executable).parent / "openbell", *command],
        env={**os.environ, "OPENBELL_CLOCK": "fast"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith('openbell: OPENBELL_CLOCK: found "fast"; allowed: ')
    assert len(done.stderr.splitlines()) == 1


def test_a_strategy_that_trades_with_a_broker_is_never_run_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its orders would be real, and its slots would not."""
    monkeypatch.setattr(clock, "SPEED", 10.0)
    manifest = replace(load(write(tmp_path, GOOD)), broker="alpaca")
    places = Paths("demo", tmp_path / "demo", tmp_path, tmp_path, tmp_path)
    with pytest.raises(PathError, match=r'^OPENBELL_CLOCK is set, and demo trades with "alpaca": '):
        launcher_of(manifest, places, Journal(tmp_path, "demo", "boot", echo=False))
