"""A backtest tells how far it is, and how long it will take."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from openbell.backtest import progress

STRATEGIES = Path(__file__).parents[3] / "strategies"


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that is moved by the test."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_many_symbols_are_told_of_while_they_are_read(seconds: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    """One line every few seconds, with the time that is left."""
    tell = progress.reading(seconds[0])
    for done in range(1, 501):
        seconds[0] += 0.0625
        tell(done, 500)
    said = capfd.readouterr().err.splitlines()
    assert said[0] == "openbell: prices of 40 of 500 symbols read, 29 s left"
    assert len(said) == 12


def test_slots_are_told_of_line_by_line_without_a_terminal(
    seconds: list[float], capfd: pytest.CaptureFixture[str]
) -> None:
    """With the rate and the time that is left."""
    with progress.running(1_000, "walk-forward: ") as tell:
        for done in range(0, 1_001, 100):
            tell(done)
            seconds[0] += 2.5
    assert capfd.readouterr().err.splitlines()[:2] == [
        "openbell: walk-forward: 200 of 1,000 slots, 40 a second, 20 s left",
        "openbell: walk-forward: 400 of 1,000 slots, 40 a second, 15 s left",
    ]


def test_a_terminal_has_a_bar(tmp_path: Path) -> None:
    """It ends with all slots of all combinations."""
    command = (sys.executable, "-m", "openbell", "backtest", "ma_crossover", "--strategies", str(STRATEGIES))
    options = ("--from", "2012-01-03", "--to", "2012-03-01", "--set", "fast=10,20", "--out", str(tmp_path))
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen((*command, *options), stdout=subprocess.DEVNULL, stderr=terminal, env=environment) as process:
        os.close(terminal)
        said = ""
        try:
            while part := os.read(controller, 65_536):
                said += part.decode()
        except OSError:  # the other end is closed
            pass
        finally:
            os.close(controller)
    assert process.returncode == 0, said
    shown = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", said)
    assert "\u2501" in shown
    assert re.search(r"82 of 82 slots, [0-9,]+ a second 0:00:00 left", shown), shown
