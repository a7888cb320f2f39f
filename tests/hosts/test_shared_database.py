"""What a supervisor brings from the database, where no loop shares a folder with it, as in a cluster of Kubernetes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import control, heartbeat
from openbell.control import Control, Halt, Pause
from openbell.journal import Journal
from openbell.postgres.control import control_in, halt_in, unhalt_in
from openbell.postgres.database import Database, _WaitPolicy
from openbell.postgres.journal import PostgresJournal
from openbell.postgres.ownership import Ownership
from openbell.postgres.tables import SHARED, SHARED_SCHEMA
from openbell.supervisor.health import shared_database
from openbell.supervisor.health.shared_database import CAUGHT_UP, COPY, HOST, SharedDatabase

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
LINES = 1_100  # of one strategy of two: more than are fetched at once


@pytest.fixture(autouse=True)
def _usual_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor sets how long its process waits; for other tests that stays as it was."""
    for name, value in (("patience", None), ("hold_off", 0.0), ("failed_at", float("-inf"))):
        monkeypatch.setattr(_WaitPolicy, name, value)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """The folders of a supervisor, empty."""
    found = {name: tmp_path / name for name in ("journal", "control", "state")}
    for one in found.values():
        one.mkdir()
    return found


def supervisor(url: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, host: str) -> SharedDatabase:
    """Return what follows the database for a host; no thread runs."""
    monkeypatch.setenv(COPY, "yes")
    monkeypatch.setenv(HOST, host)
    return SharedDatabase(url, ["pulse"], folders, lambda: AT)


def test_lines_signs_and_wishes_arrive(
    url: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each line once, the owner's heartbeat, pauses and the halt; what is taken back is taken away."""
    one = supervisor(url, folders, monkeypatch, "a")
    shared = Database(url, SHARED_SCHEMA)
    shared.make(SHARED)
    writer = PostgresJournal(shared, tmp_path, "pulse", "boot")
    writer.write("note", AT, text="first")
    owner = Ownership(shared, "pulse", "boot", "c")
    acquired = owner.acquire()
    assert acquired is not None
    beat = {"timestamp": "2026-11-27T12:00:00.000Z", "boot_id": "boot", "running": []}
    assert owner.renew(acquired.epoch, json.dumps(beat))
    control_in(url, "pulse", tmp_path / "elsewhere").pause("b", Pause(AT, None, "ann", "earnings"))
    halt_in(url, Halt(AT, "ann", "odd fills"))
    one.step()
    writer.write("note", AT, text="second")
    one.step()
    assert not one.hosts.error
    assert one.hosts.runs_on == {"pulse": "c"}
    assert [event["text"] for event in Journal(folders["journal"], "pulse", "").since(AT.date())] == ["first", "second"]
    read = heartbeat.read(folders["journal"] / "pulse")
    assert read is not None
    assert read.boot_id == "boot"
    here = Control(folders["control"], "pulse")
    assert here.known_pause("b") == Pause(AT, None, "ann", "earnings")
    assert control.halted(folders["control"]) == Halt(AT, "ann", "odd fills")
    control_in(url, "pulse", tmp_path / "elsewhere").resume("b")
    unhalt_in(url)
    one.step()
    assert here.known_pause("b") is None
    assert here.resumed("b")
    assert control.halted(folders["control"]) is None


def test_one_supervisor_owns_the_alerts_until_it_is_gone(
    url: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order it lets go at once, and is no host that was lost."""
    one, other = (supervisor(url, folders, monkeypatch, name) for name in ("a", "b"))
    for _ in range(2):
        one.step()
        other.step()
    assert (one.hosts.sends, other.hosts.sends) == (True, False)
    one.close()
    other.step()
    assert other.hosts.sends
    assert other.hosts.gone == {}
    assert other.hosts.conditions(AT + timedelta(hours=1)) == ()


def test_a_strategy_that_was_removed_is_missed_by_no_host(
    url: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is still there: only what is watched counts as run by no host."""
    one = supervisor(url, folders, monkeypatch, "a")
    shared = Database(url, SHARED_SCHEMA)
    shared.make(SHARED)
    for name in ("pulse", "removed"):
        row = Ownership(shared, name, "boot", "c")
        acquired = row.acquire()
        assert acquired is not None
        row.release(acquired.epoch)
    one.step()
    assert one.hosts.homeless == ("pulse",)
    one.close()


def test_a_host_without_a_sign_of_life_is_noticed(
    url: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And forgotten when it is back."""
    one, other = (supervisor(url, folders, monkeypatch, name) for name in ("a", "b"))
    one.step()
    Database(url, SHARED_SCHEMA).execute("UPDATE hosts SET until = clock_timestamp() - interval '1 second'")
    other.step()
    assert other.hosts.gone == {"a": AT}
    one.step()
    other.step()
    assert other.hosts.gone == {}


def test_nothing_is_judged_while_journals_are_fetched(
    url: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose lines are not here yet would count as missed; afterwards all lines are here, in order."""
    monkeypatch.setattr(shared_database, "COPY_WITHIN", 0.0)
    now = [AT]
    monkeypatch.setenv(COPY, "yes")
    one = SharedDatabase(url, ["other", "pulse"], folders, lambda: now[0])
    shared = Database(url, SHARED_SCHEMA)
    shared.make(SHARED)
    line = {"timestamp": "2026-11-27T12:00:00.000Z", "event": "note", "strategy": "pulse", "boot_id": "boot"}
    written = "SELECT 'pulse', ?, (?::jsonb || jsonb_build_object('n', n))::text FROM generate_series(1, ?) AS n"
    shared.execute(f"INSERT INTO journal (strategy, at, line) {written}", (AT.isoformat(), json.dumps(line), LINES))
    seen = []
    for _ in range(6):
        now[0] += CAUGHT_UP
        one.step()
        seen.append(one.hosts.is_blind(now[0]))
    assert seen[0]
    assert seen == sorted(seen, reverse=True)
    assert not seen[-1]
    lines = list(Journal(folders["journal"], "pulse", "boot").since(AT.date()))
    assert [line["n"] for line in lines] == list(range(1, LINES + 1))
    one.close()
