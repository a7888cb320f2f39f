"""`openbell missed`: which runs did not happen, or failed, since it was asked last."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import clock, heartbeat
from openbell.commands import missed
from openbell.heartbeat import Heartbeat
from openbell.journal import Journal

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HOURLY = (
    'timezone = "UTC"\n{top}\n[[bot]]\nid = "{bot}"\nsymbols = ["AAPL"]\nevery = "1h"\ngrace = "5m"\ntimeout = "1m"\n'
)
HOUR = timedelta(hours=1)


class Host:
    """A machine on which cron starts `openbell missed` at the instants that a test chooses."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, printed: pytest.CaptureFixture[str]) -> None:
        self.root, self._patch, self._printed = root, patch, printed
        for name in ("strategies", "journal", "state"):
            patch.setenv(f"OPENBELL_{name.upper()}", str(root / name))
        self.add("demo")

    def add(self, strategy: str, top: str = "", bot: str = "b") -> None:
        """Write a strategy that is due every hour."""
        folder = self.root / "strategies" / strategy
        folder.mkdir(parents=True)
        (folder / "strategy.toml").write_text(HOURLY.format(top=top, bot=bot))

    def at(self, hours: float, *names: str) -> tuple[int, list[str]]:
        """Ask so many hours after the start; return exit code and lines."""
        self._patch.setattr(clock, "now", lambda: START + hours * HOUR)
        code = missed.main(names)
        captured = self._printed.readouterr()
        return code, [*captured.out.splitlines(), *captured.err.splitlines()]

    def write(self, hours: float, event: str, run_id: str = "", **fields: str | float | datetime | list[str]) -> None:
        """Write a line into the journal, as of so many hours after the start; of the slot at the full hour, if of a run."""
        at = START + hours * HOUR
        slot = at.replace(minute=0, second=0, microsecond=0)
        run = {"bot": "b", "slot": slot, "run_id": run_id, "attempt": 1} if run_id else {}
        Journal(self.root / "journal", "demo", "boot", echo=False).write(event, at, run | fields)

    def run(self, hours: float, outcome: str = "succeeded") -> None:
        """Let a run happen at the full hour, and its process end in order."""
        run_id = f"{int(hours * 10):012x}"
        self.write(hours, "run_start", run_id, symbols=["AAPL"], lateness_ms=1.0, trigger="cron")
        if outcome != "succeeded":
            self.write(hours, "error", run_id, error="ValueError: no bars", traceback="", will_retry=False)
        self.write(hours, "run_end", run_id, outcome=outcome, tick_duration_ms=5.0, orders=0, trigger="cron")
        self.write(hours, "service_stop", reason=heartbeat.UNTIL_NEXT)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Host:
    """A machine on which it was asked once, at 09:30."""
    made = Host(tmp_path, monkeypatch, capsys)
    assert made.at(0) == (0, [])
    return made


def test_while_all_runs_happen_it_is_quiet(host: Host) -> None:
    """A slot that is within its grace is not missed yet."""
    host.run(0.5)
    assert host.at(0.6) == (0, [])
    assert host.at(1.55) == (0, [])


def test_a_run_that_did_not_happen_is_told_once(host: Host) -> None:
    """After its grace; the next time there is nothing new."""
    assert host.at(0.6) == (1, ["demo/b: the slot 10:00:00 UTC missed: nothing has started it"])
    assert host.at(0.7) == (0, [])


def test_many_are_one_line(host: Host) -> None:
    """The machine was off for a morning."""
    assert host.at(3.7) == (1, ["demo/b: the slot 13:00:00 UTC and 3 before it missed: nothing has started it"])


def test_the_journals_own_word_adds_nothing_to_what_was_told(host: Host) -> None:
    """`once` accounts for what it was not started for: it is the same slot."""
    assert host.at(0.6)[0] == 1
    host.write(1.5, "slot_skipped", "", bot="b", slot=START + HOUR / 2, outcome="missed", reason="late", count=1)
    host.run(1.5)
    assert host.at(1.6) == (0, [])


def test_a_run_that_failed_is_told_with_its_error(host: Host) -> None:
    """Whether or not the exit code of `once` was noticed."""
    host.run(0.5, "failed")
    assert host.at(0.6) == (1, ["demo/b: the slot 10:00:00 UTC failed: ValueError: no bars"])
    host.run(1.5)
    assert host.at(1.6) == (0, [])


def test_a_run_whose_process_was_killed_is_told_once_its_time_is_over(host: Host) -> None:
    """Not while its loop still handles it, and not again before its next start settles it."""
    host.write(0.5, "run_start", "f00", symbols=["AAPL"], lateness_ms=1.0, trigger="cron")
    folder = host.root / "journal" / "demo"
    heartbeat.write(folder, Heartbeat(START + 0.52 * HOUR, "boot", ("b",)))
    assert host.at(0.521) == (0, [])
    line = "b: the run of the slot 10:00:00 UTC began and has no end: its process was killed"
    assert host.at(0.6) == (1, [line])
    assert host.at(0.7) == (0, [])


def test_why_it_could_not_start(host: Host) -> None:
    """The journal's newest word on it, rather than that nothing has started it."""
    host.write(0.5, "service_stop", reason="cannot start: No module named 'numpy'")
    assert host.at(0.6) == (1, ["demo/b: the slot 10:00:00 UTC missed: cannot start: No module named 'numpy'"])


def test_those_that_are_named_and_their_own_news(host: Host) -> None:
    """Two lines of a crontab that ask for different strategies: each is told its own, also of a profile."""
    host.add("other", 'profile = "p"', "o")
    assert host.at(0, "other") == (0, [])
    assert host.at(0.6) == (1, ["demo/b: the slot 10:00:00 UTC missed: nothing has started it"])
    assert host.at(0.6, "other") == (1, ["other/o: the slot 10:00:00 UTC missed: nothing has started it"])


def test_a_name_that_does_not_exist_is_one_line(host: Host) -> None:
    """With what there is; exit code 2."""
    assert host.at(0.6, "nope") == (
        2,
        [f'openbell missed: found "nope"; allowed: a strategy below {host.root}/strategies (demo)'],
    )


def test_a_manifest_that_is_not_valid_is_told_and_its_slots_are_not_forgotten(host: Host) -> None:
    """Until it is mended; then what was missed meanwhile is told."""
    manifest = host.root / "strategies" / "demo" / "strategy.toml"
    good = manifest.read_text()
    manifest.write_text("nothing = 1\n")
    code, lines = host.at(0.6)
    assert code == 1
    assert lines
    assert all(line.startswith("demo/strategy.toml: ") for line in lines)
    manifest.write_text(good)
    assert host.at(0.7) == (1, ["demo/b: the slot 10:00:00 UTC missed: nothing has started it"])


def test_a_store_that_is_none_is_one_line(host: Host) -> None:
    """Exit code 3: it is not known whether anything was missed."""
    file = host.root / "state" / "missed.sqlite"
    for path in file.parent.glob("missed.sqlite*"):
        path.unlink()
    file.write_text("this is not a database, and long enough to be looked at as one" * 20)
    code, lines = host.at(0.6)
    assert (code, len(lines)) == (3, 1)
    assert lines[0].startswith("openbell missed: ")
