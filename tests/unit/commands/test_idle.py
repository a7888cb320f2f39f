"""When a strategy may be stopped without crossing a run."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import heartbeat
from openbell.commands import idle
from openbell.commands.idle import Activity, activity_of, is_quiet
from openbell.journal import Journal
from openbell.ledger import Claim, Ledger
from openbell.manifest import Manifest, load_named
from tests.unit.strategy_file import write

NOW = datetime(2026, 3, 2, 9, 5, 2, tzinfo=UTC)
TOML = 'timezone = "UTC"\n[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "5s"\n'
STREAM = '[[bot]]\nid = "s"\nkind = "stream"\nsymbols = ["AAPL"]\n'


def after(seconds: float) -> datetime:
    """Return an instant that much later."""
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    with closing(Ledger(tmp_path / "state" / "ledger.sqlite")) as one:
        yield one


def manifest(folder: Path, text: str = TOML) -> Manifest:
    """Return a manifest of that text."""
    return load_named(write(folder, text) / "strategy.toml", "demo")


def claim(bot: str, slot: datetime, trigger: str = "loop") -> Claim:
    """Return a claim that has just been taken."""
    return Claim(bot, slot, f"run-{bot}", 1, trigger, slot)


def test_what_is_in_progress_and_what_is_next(tmp_path: Path, ledger: Ledger) -> None:
    """A claim that has no outcome is a run; the first slot without an outcome is next; a stream is neither."""
    one = manifest(tmp_path, TOML + STREAM)
    ledger.claim([claim("b", after(-2)), claim("s", after(-100), "stream")])
    assert activity_of(one, ledger, NOW) == Activity((("b", after(-2)),), (("b", after(3)),))
    ledger.finish([(claim("b", after(-2)), "succeeded")])
    assert activity_of(one, ledger, NOW) == Activity((), (("b", after(3)),))


def test_a_slot_that_is_due_and_not_yet_claimed_counts(tmp_path: Path, ledger: Ledger) -> None:
    """Between its instant and its claim, which are a millisecond apart."""
    one = manifest(tmp_path)
    ledger.account([("b", after(-7))])
    assert activity_of(one, ledger, NOW).coming == (("b", after(-2)),)


def test_slots_of_long_ago_are_not_waited_for(tmp_path: Path, ledger: Ledger) -> None:
    """They are the loop's to account for, and will not run."""
    ledger.account([("b", after(-3602))])
    assert activity_of(manifest(tmp_path), ledger, NOW).coming[0][1] >= after(-62)


@pytest.mark.parametrize(
    "now,first,strict,expected",
    [
        # Nothing in progress, nothing due within the five seconds: stop at once.
        (Activity((), (("b", after(30)),)), Activity((), (("b", after(30)),)), None, True),
        # A run in progress.
        (Activity((("b", NOW),), ()), Activity((), ()), None, False),
        # A slot was due soon at the first look, and is still to come.
        (Activity((), (("b", after(3)),)), Activity((), (("b", after(3)),)), None, False),
        # It has run, and the next is as near: a bot that is due every few seconds is quiet in between.
        (Activity((), (("b", after(8)),)), Activity((), (("b", after(3)),)), None, True),
        # Strictly, that is not quiet, if the next is within the time that is asked for.
        (Activity((), (("b", after(8)),)), Activity((), (("b", after(3)),)), after(10), False),
        (Activity((), (("b", after(20)),)), Activity((), (("b", after(3)),)), after(10), True),
    ],
)
def test_the_quiet_moment(now: Activity, first: Activity, strict: datetime | None, expected: bool) -> None:
    """No run in progress, and what was due soon has run."""
    assert is_quiet(now, first, after(5), strict) is expected


def test_what_a_person_is_told() -> None:
    """Runs with their begin, and what is due with the seconds to it."""
    seen = Activity((("a", NOW),), (("b", after(3)), ("c", after(300))))
    assert seen.lines(NOW, after(60)) == [
        "a: a run is in progress since 09:05:02 UTC",
        "b: due at 09:05:05 UTC, in 3 s",
    ]


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of a container of the strategy demo, with a loop that has just beaten."""
    for name in ("journal", "state", "control"):
        monkeypatch.setenv(f"OPENBELL_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("OPENBELL_FOLDER", str(write(tmp_path, TOML.replace('"5s"', '"24h"'))))
    monkeypatch.setenv("OPENBELL_STRATEGY", "demo")
    journal = Journal(tmp_path / "journal", "demo", "boot", echo=False)
    journal.folder.mkdir(parents=True)
    heartbeat.write(journal.folder, heartbeat.Heartbeat(datetime.now(UTC), "boot", ()))
    return tmp_path


def in_progress(container: Path) -> None:
    """Leave a run in progress."""
    with closing(Ledger(container / "state" / "demo" / "ledger.sqlite")) as one:
        one.claim([claim("b", datetime.now(UTC) - timedelta(seconds=1))])


def test_a_strategy_that_has_never_run_is_quiet(container: Path) -> None:
    """There is no ledger."""
    assert idle.main([]) == 0


def test_a_run_that_does_not_end_is_told(container: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And what it waited for."""
    in_progress(container)
    assert idle.main(["--for", "0.2"]) == idle.BUSY
    said = capsys.readouterr().out
    assert "b: a run is in progress since" in said
    assert "demo: no quiet moment within 0.2 s" in said


def test_a_look_does_not_wait(container: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It only tells."""
    in_progress(container)
    assert idle.main(["--look"]) == 0
    assert "b: a run is in progress since" in capsys.readouterr().out


def test_a_loop_that_is_dead_is_not_waited_for(container: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it left in progress, the next loop settles."""
    in_progress(container)
    old = heartbeat.Heartbeat(datetime.now(UTC) - timedelta(minutes=2), "boot", ("b",))
    heartbeat.write(container / "journal" / "demo", old)
    assert idle.main(["--for", "60"]) == 0
    assert "its loop does not beat" in capsys.readouterr().out


def test_a_manifest_that_is_not_valid_is_no_reason_to_wait(container: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Such a strategy starts no run."""
    in_progress(container)
    (Path(os.environ["OPENBELL_FOLDER"]) / "strategy.toml").write_text("nonsense")
    assert idle.main(["--for", "60"]) == 0
    assert "strategy.toml" in capsys.readouterr().err
