"""`openbell halt` reads back who obeys it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import control, heartbeat
from openbell.commands import halt
from openbell.control import Halt
from openbell.heartbeat import Heartbeat
from openbell.runner.loop_control import LoopControl


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal and a control folder."""
    for name in ("journal", "control"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"OPENBELL_{name.upper()}", str(tmp_path / name))
    return tmp_path


def beat(place: Path, strategy: str, boot: str = "boot") -> LoopControl:
    """Be a loop that beats."""
    folder = place / "journal" / strategy
    folder.mkdir(exist_ok=True)
    heartbeat.write(folder, Heartbeat(datetime.now(UTC), boot, ()))
    return LoopControl(place / "control", strategy, folder, boot)


def test_who_has_answered_and_who_has_not(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A loop that beats and does not answer is named, and the exit code says so; one that is gone is not waited for."""
    loop = beat(place, "a")
    beat(place, "b")
    (place / "journal" / "gone").mkdir()
    assert halt.main(["--reason", "odd", "--wait", "0"]) == 1
    said = capsys.readouterr()
    assert "NOT acknowledged by: a, b" in said.err
    loop.acknowledge(loop.halted())
    held = control.halted(place / "control")
    assert halt._confirm(place / "journal", held, 0) == 1
    said = capsys.readouterr()
    assert "acknowledged by: a\n" in said.out
    assert "NOT acknowledged by: b:" in said.err
    other = beat(place, "b")
    other.acknowledge(other.halted())
    assert halt._confirm(place / "journal", held, 0) == 0


def test_an_answer_of_another_boot_or_to_another_halt_is_none(place: Path) -> None:
    """Only the loop that beats, and only this halt."""
    loop = beat(place, "a")
    loop.acknowledge(Halt(datetime.now(UTC), "bob", "an older one"))
    control.halt(place / "control", Halt(datetime.now(UTC), "ann", "odd"))
    held = control.halted(place / "control")
    assert not halt._obeys(place / "journal" / "a", held)
    loop.acknowledge(held)
    assert halt._obeys(place / "journal" / "a", held)
    beat(place, "a", "another boot")
    assert not halt._obeys(place / "journal" / "a", held)


def test_without_a_loop_it_holds_all_the_same(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever starts later finds the halt."""
    assert halt.main(["--reason", "odd"]) == 0
    assert "no loop is running" in capsys.readouterr().out
    assert control.halted(place / "control") is not None


def test_a_deployment_is_over_after_an_hour(place: Path) -> None:
    """Whatever was announced: nothing is muted until the year 2400."""
    since = datetime(2026, 3, 2, tzinfo=UTC)
    until = datetime(2400, 1, 1, tzinfo=UTC)
    control.announce(place / "control", control.Deployment("r", ("a",), since, until, "me"))
    found = control.deployment(place / "control")
    assert found is not None
    assert found.until == since + control.LONGEST_DEPLOYMENT
