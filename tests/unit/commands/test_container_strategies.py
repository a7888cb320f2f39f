"""What a deploy asks of a container that hosts several strategies."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from openbell import heartbeat
from openbell.commands import gate, idle, preflight
from openbell.commands.container_strategies import environments
from openbell.journal import Journal
from openbell.ledger import Claim, Ledger
from tests.unit.strategy_file import write

TOML = 'timezone = "{zone}"\nsecrets = ["KEY_{key}"]\n[[bot]]\nid = "{name}-bot"\nsymbols = ["AAPL"]\nat = "{later}"\n'
CODE = """\
import os
import time

def run(ctx):
    assert [name for name in os.environ if name.startswith("KEY_")] == ["KEY_{key}"]
    assert os.environ["TZ"] == "{zone}"
    ctx.hold("AAPL", reason="fine")
"""
ZONES = {"a": "Europe/Berlin", "b": "Asia/Tokyo"}


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A container that hosts the strategies a and b and was started a minute ago; its folder."""
    for name in ("journal", "state", "control", "strategies"):
        monkeypatch.setenv(f"OPENBELL_{name.upper()}", str(tmp_path / name))
    monkeypatch.delenv("OPENBELL_STRATEGY", raising=False)
    monkeypatch.setattr(gate, "started", lambda: datetime.now(UTC).timestamp() - 60)
    (tmp_path / "strategies").mkdir()
    for name, zone in ZONES.items():
        later = (datetime.now(ZoneInfo(zone)) + timedelta(hours=6)).strftime("%H:%M")  # no run is due meanwhile
        toml = TOML.format(name=name, zone=zone, key=name.upper(), later=later)
        folder = write(tmp_path / "strategies", toml, name)
        (folder / "strategy.py").write_text(CODE.format(zone=zone, key=name.upper()))
        monkeypatch.setenv(f"KEY_{name.upper()}", f"s3cret of {name}")
        (tmp_path / "usr/share/zoneinfo" / zone).parent.mkdir(parents=True)
        (tmp_path / "usr/share/zoneinfo" / zone).write_text(zone)
    return tmp_path


def beats(container: Path, name: str) -> None:
    """Leave a beat of a strategy's loop."""
    (container / "journal" / name).mkdir(parents=True, exist_ok=True)
    heartbeat.write(container / "journal" / name, heartbeat.Heartbeat(datetime.now(UTC), f"boot-{name}", ()))


def in_progress(container: Path, name: str) -> None:
    """Leave a run in progress of a strategy whose loop beats."""
    began = datetime.now(UTC) - timedelta(seconds=1)
    with closing(Ledger(container / "state" / name / "ledger.sqlite")) as ledger:
        ledger.claim([Claim(f"{name}-bot", began, f"run-{name}", 1, "loop", began)])
    beats(container, name)


def test_each_strategy_has_an_environment_of_its_own(container: Path) -> None:
    """As the host gives it; one strategy's container has that of the process, the supervisor's has none."""
    given = {"OPENBELL_STRATEGIES": str(container / "strategies"), "KEY_A": "x", "KEY_B": "y"}
    found = environments(given)
    assert [(one["OPENBELL_STRATEGY"], one["TZ"]) for one in found] == list(ZONES.items())
    assert [{name for name in one if name.startswith("KEY_")} for one in found] == [{"KEY_A"}, {"KEY_B"}]
    assert environments({"OPENBELL_STRATEGY": "a"}) == [{"OPENBELL_STRATEGY": "a"}]
    assert environments({}) == []


def test_each_strategy_must_beat(container: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that does not closes the gate."""
    beats(container, "a")
    assert gate.main(["--beat", "0.2"]) == gate.FAILED
    assert capsys.readouterr().err == "b: no sign of life within 0.2 s\n"
    beats(container, "b")
    assert gate.main(["--beat", "0.2", "--runs"]) == 0


def test_the_first_run_of_each_strategy_counts(container: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also that of the last one."""
    for name in ZONES:
        beats(container, name)
    journal = Journal(container / "journal", "b", "boot-b", echo=False)
    journal.write("run_start", datetime.now(UTC), {"bot": "b-bot"}, trigger="loop")
    journal.write("run_end", datetime.now(UTC), {"bot": "b-bot"}, outcome="failed", trigger="loop")
    assert gate.main(["--beat", "0.2", "--runs"]) == gate.FAILED
    assert "b-bot: its first run failed" in capsys.readouterr().err


@pytest.mark.parametrize("busy", ["a", "b"])
def test_a_moment_is_quiet_if_it_is_for_all(container: Path, busy: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of either is waited for."""
    assert idle.main([]) == 0
    for name in ZONES:
        Ledger(container / "state" / name / "ledger.sqlite").close()
        beats(container, name)
    assert idle.main([]) == 0
    in_progress(container, busy)
    assert idle.main(["--for", "0.1"]) == idle.BUSY
    assert idle.main(["--look"]) == 0
    said = capsys.readouterr().out
    assert f"a, b: no quiet moment within 0.1 s: {busy}-bot: a run is in progress" in said


def test_a_loop_that_is_dead_is_not_waited_for(container: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it had in progress; the others are."""
    in_progress(container, "a")
    heartbeat.end(container / "journal" / "a")
    assert idle.main(["--for", "0.1"]) == 0
    assert capsys.readouterr().out == "a: its loop does not beat: there is no run to wait for\n"
    in_progress(container, "b")
    assert idle.main(["--for", "0.1"]) == idle.BUSY


def test_each_strategy_is_rehearsed_with_its_own_secrets_and_zone(
    container: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first that fails is the last that is said."""
    assert preflight.main(["--rehearse", "--root", str(container)]) == 0
    (container / "strategies/b/strategy.py").write_text("def run(ctx):\n    raise ValueError('no good')\n")
    assert preflight.main(["--rehearse", "--root", str(container)]) == 1
    assert capfd.readouterr().err.splitlines()[-1] == "b: bot b-bot: ValueError: no good"
