"""The store keeps what it is given, whole or not at all."""

import hashlib
import json
import sqlite3
from contextlib import closing, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.journal import Event
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import (
    AccountRecord,
    ErrorRecord,
    Expected,
    Finding,
    NoteRecord,
    RunRecord,
    ServiceEvent,
    SignalRecord,
    SlotRecord,
    Streak,
)
from openbell.supervisor.store.event_tables import KEEP_EACH, EventRecord
from openbell.supervisor.store.retention import KEEP_DAYS
from openbell.supervisor.store.store import Store

FIXTURES = Path(__file__).parents[3] / "fixtures" / "supervisor"
AT = datetime(2026, 11, 20, 14, 35, 0, 123000, tzinfo=UTC)
RUN = RunRecord("r", "b", AT, "loop", 2, AT, AT, 0.25, AT, "failed", 12.5, 3, "Boom", judged=True)


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    """Instants to the millisecond, flags as flags, nothing as nothing."""
    opened = RunRecord("o", "b", AT - timedelta(minutes=1), "manual", 1)
    slot = SlotRecord(AT - timedelta(minutes=2), AT, 3, None, "why", late=True, judged=True, run_id="r")
    expected = Expected("s", "b", "daily", AT, AT, started=True)
    event = ServiceEvent(AT, "service_start", "boot", "abc", unclean=True)
    with closing(Store(tmp_path / "store")) as store:
        store.runs.put("s", RUN)
        store.runs.put("s", opened)
        store.slots.put("s", "b", slot)
        store.expect(expected)
        store.add("s", event, {"event": "x"})
        store.save_positions({"s/2026-11-20.jsonl": 7}, {})
    with closing(Store(tmp_path / "store", read_only=True)) as store:
        assert store.runs.recent("s", "b", 9) == [RUN, opened]
        assert store.runs.open("s") == [opened]
        assert store.slots.in_range("s", "b", AT, AT) == [slot]
        full = slot._replace(lateness_ms=0.25, duration_ms=12.5, error="Boom")
        assert store.slots.recent("s", "b", AT, 9) == [full]
        assert store.expected() == [expected]
        assert store.services("s", 9) == [event]
        assert store.positions() == {"s/2026-11-20.jsonl": 7}


def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    """What was written before an error is gone."""
    with closing(Store(tmp_path / "store")) as store:
        with pytest.raises(sqlite3.IntegrityError):
            _write_what_cannot_be(store)
        assert store.positions() == {}
        with store.transaction():
            store.save_positions({"file": 2, "other": 1}, {})
        with store.transaction():
            store.save_positions({"file": 3}, {"file": 2, "other": 1})
        assert store.positions() == {"file": 3}


def _write_what_cannot_be(store: Store) -> None:
    with store.transaction():
        store.save_positions({"file": 1}, {})
        store.runs.put("s", RUN._replace(trigger=None))  # type: ignore[arg-type]


def test_records_within_a_span(tmp_path: Path) -> None:
    """Those that touch it, oldest first."""
    slots = [SlotRecord(AT + timedelta(minutes=m), AT + timedelta(minutes=m + 3), 4, "missed") for m in (0, 4, 8, 12)]
    with closing(Store(tmp_path / "store")) as store:
        for slot in reversed(slots):
            store.slots.put("s", "b", slot)
        store.slots.put("s", "other", slots[0])
        assert store.slots.in_range("s", "b", AT + timedelta(minutes=5), AT + timedelta(minutes=9)) == slots[1:3]
        assert store.slots.in_range("s", "b", AT + timedelta(minutes=16), AT + timedelta(minutes=90)) == []
        store.slots.drop("s", "b", slots[1])
        assert store.slots.in_range("s", "b", AT, AT + timedelta(days=1)) == [slots[0], *slots[2:]]


def test_the_store_is_bounded(tmp_path: Path) -> None:
    """Old slots and runs go by their age, the rest by their number, for each bot; a run in progress stays."""
    with closing(Store(tmp_path / "store")) as store:
        for days in (0, KEEP_DAYS - 1, KEEP_DAYS + 1):
            at = AT - timedelta(days=days)
            store.slots.put("s", "b", SlotRecord(at, at, 1, "missed"))
            store.runs.put("s", RunRecord(f"r{days}", "b", at, "loop", 1, outcome="succeeded"))
        for number in range(KEEP_EACH + 50):
            for bot in ("b", "quiet") if number < 5 else ("b",):
                store.add(
                    "s",
                    ErrorRecord(AT, bot, None, "", f"e{number}", "", will_retry=False),
                    {"number": number, "bot": bot},
                )
        began = AT - timedelta(days=90)
        store.runs.put("s", RunRecord("stream", "streaming", began, "stream", 1))
        list(store.sweep(AT, lambda *_: None))
        assert len(store.slots.recent("s", "b", AT, 99)) == 2
        assert len(store.runs.recent("s", "b", 99)) == 2
        assert [run.slot for run in store.runs.open("s")] == [began]
        errors = store.errors("s", 9999)
        assert [error.bot for error in errors].count("quiet") == 5
        assert [error.error for error in errors if error.bot == "b"][-1] == "e50"


def test_readers_read_while_the_watch_writes(tmp_path: Path) -> None:
    """The page never waits for the watch, and cannot write."""
    with closing(Store(tmp_path / "store")) as store, store.transaction():
        store.save_positions({"file": 1}, {})
        with closing(Store(tmp_path / "store", read_only=True)) as reader:
            assert reader.positions() == {}
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.stop_expecting("s", "b")


def test_a_file_of_a_newer_openbell_is_left_alone(tmp_path: Path) -> None:
    """After a roll back: one clear line, and the file as it was."""
    with closing(sqlite3.connect(tmp_path / "store")) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(sqlite3.DatabaseError, match="newer openbell"):
        Store(tmp_path / "store")


def test_a_file_of_the_first_format_is_carried_over(tmp_path: Path) -> None:
    """The ledger of expected slots goes on where it was; what the new tables hold begins now."""
    file = tmp_path / "supervisor.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.executescript((FIXTURES / "version-1.sql").read_text())
    now = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)
    with closing(Store(file)) as store:
        outcomes = [slot.outcome for slot in store.slots.recent("pulse", "pulse", now, 99)]
        assert outcomes == ["missed", *["succeeded"] * 2, "missed", *["succeeded"] * 5]
        (expected,) = store.expected()
        assert (expected.since, expected.recorded_until) == (now - timedelta(minutes=10), now.replace(second=0))
        assert [one.reason for one in store.decisions("pulse", "pulse", 9)] == ["flat"]
        assert [one.event for one in store.services("pulse", 9)] == ["service_start"]
        assert store.positions() == {"pulse/2026-11-20.jsonl": 7}
        assert len(store.runs.durations("pulse", "pulse", 99)) == 7
        assert (store.signals("pulse", "pulse", 9), store.last_fault()) == ([], 0)
        store.add_fault(Condition("missed", "pulse", "pulse", AT, "why"), AT)
    with closing(Store(file)) as store:
        assert store.last_fault() == 1


def test_what_runs_say_comes_back_as_it_was(tmp_path: Path) -> None:
    """Signals, notes, accounts, findings, newest first, each line once."""
    signal = SignalRecord(AT, "b", AT, "r", "AAPL", "0.25", {"fast": 1.5})
    note = NoteRecord(AT, "b", None, "r", "note", "info", "hello", {"weight": 2})
    account = AccountRecord(AT, "b", "paper", 1000.5, None, "USD", {"AAPL": {"qty": 2.0}}, -3.5)
    finding = Finding(AT, "stale_data", "b", AT, "r", {"symbol": "AAPL"})
    compared = finding._replace(kind="reconciled", bot="other")
    with closing(Store(tmp_path / "store")) as store:
        for number, found in enumerate((finding, compared)):
            assert store.add_if_new("s", found, {"number": number})
            assert not store.add_if_new("s", found, {"number": number})
        records: list[EventRecord] = [signal, note, account, signal._replace(signal="0.5"), finding]
        for record in records * 2:
            store.add("s", record, {"number": 0})
        assert store.signals("s", "b", 9) == [signal._replace(signal="0.5"), signal]
        assert store.signals("s", "b", 1) == [signal._replace(signal="0.5")]
        assert store.notes("s", 9) == [note]
        assert store.accounts("s", 9) == [account]
        assert store.findings("s", "b", "stale_data", 9) == [finding]
        assert store.comparisons("s", 9) == [compared]


@pytest.mark.parametrize("together", [True, False])
def test_a_line_is_stored_once_in_whatever_order_it_is_read(tmp_path: Path, *, together: bool) -> None:
    """A journal that is read again, older lines after newer ones, in one transaction or in many: by time, each once."""
    signals = [SignalRecord(AT + timedelta(seconds=n), "b", AT, "r", "AAPL", "1", {"n": n / 2}) for n in range(4)]
    twin = signals[1]._replace(symbol="MSFT")
    read = [signals[0], signals[2], signals[1], twin, *signals, twin, *signals]
    with closing(Store(tmp_path / "store")) as store:
        with store.transaction() if together else nullcontext():
            for signal in read:
                store.add("s", signal, {})
                store.add("s", signal._replace(bot="other"), {})
        assert store.signals("s", "b", 9) == [signals[3], signals[2], twin, signals[1], signals[0]]
        assert len(store.signals("s", "other", 9)) == 5


OLDER_TABLE = """
DROP TABLE signals;
CREATE TABLE signals (
    id INTEGER PRIMARY KEY, digest INTEGER NOT NULL UNIQUE, strategy TEXT NOT NULL, bot TEXT NOT NULL, at INSTANT NOT NULL,
    slot INSTANT, run_id TEXT NOT NULL, symbol TEXT NOT NULL, signal TEXT NOT NULL, about TEXT NOT NULL
);
CREATE INDEX signals_of_a_bot ON signals (strategy, bot, id);
"""


def test_tables_of_the_version_before_are_migrated_beside_the_watch(tmp_path: Path) -> None:
    """A store with the index of digests works at once, and the sweep brings its tables to their present form."""
    signals = [SignalRecord(AT + timedelta(seconds=n), "b", AT, "r", "AAPL", "1", {"n": n}) for n in range(300)]
    file = tmp_path / "store"
    Store(file).close()
    with closing(sqlite3.connect(file)) as database:
        database.executescript(OLDER_TABLE)
    for _ in range(2):  # before and after the sweep
        with closing(Store(file)) as store:
            for signal in signals:
                store.add("s", signal, {"n": signal.values["n"]})
            with store.transaction():
                list(store.sweep(AT, lambda *_: None))
            assert store.signals("s", "b", 999) == signals[:-201:-1]
    with closing(sqlite3.connect(file)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE tbl_name = 'signals'")]
        assert names == ["signals", "signals_by_time"]


def test_a_finding_that_an_older_version_has_stored_is_not_stored_again(tmp_path: Path) -> None:
    """Its digest is of another kind; lines that are newer than all that it has stored get ours."""
    finding = Finding(AT, "stale_data", "b", AT, "r", {})
    later = finding._replace(at=AT + timedelta(seconds=1))
    line: Event = {"event": "stale_data", "symbol": "AAPL", "price": 1e16, "text": "déjà"}
    with closing(Store(tmp_path / "store")) as store:
        store.add("s", finding, line)
    content = json.dumps(line, sort_keys=True).encode()
    digest = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)
    with closing(sqlite3.connect(tmp_path / "store")) as database:
        database.execute("UPDATE findings SET digest = ?", (digest,))
        database.execute("DELETE FROM marks WHERE name = 'quick digests since'")
        database.commit()
    for is_new in (True, False):
        with closing(Store(tmp_path / "store")) as store:
            assert not store.add_if_new("s", finding, line)
            assert store.add_if_new("s", later, {**line, "number": 2}) is is_new
            assert not store.add_if_new("s", later, {"number": 2, **line})
            assert store.findings("s", "b", "stale_data", 9) == [later, finding]


@pytest.mark.parametrize("odd", [2**70, "\ud800"])
def test_a_line_that_orjson_cannot_write_is_stored_once(tmp_path: Path, odd: object) -> None:
    """Such lines are rare, and are told apart all the same."""
    finding = Finding(AT, "stale_data", "b", None, "r", {})
    with closing(Store(tmp_path / "store")) as store:
        assert [store.add_if_new("s", finding, {"odd": odd}) for _ in range(2)] == [True, False]


def test_what_waits_in_a_transaction_is_read_and_is_gone_with_it(tmp_path: Path) -> None:
    """Runs, decisions and totals of a transaction are read within it; one that fails leaves none of them."""
    signal = SignalRecord(AT, "b", AT, "r", "AAPL", "0.25", {})
    with closing(Store(tmp_path / "store")) as store:
        with suppress(RuntimeError), store.transaction():
            store.runs.put("s", RUN)
            store.slots.put("s", "b", SlotRecord(AT, AT, 1, "succeeded"))
            store.add("s", signal, {"number": 1})
            assert store.runs.get("s", RUN.run_id) == RUN
            assert store.runs.recent("s", "b", 9) == [RUN]
            assert store.signals("s", "b", 9) == [signal]
            assert store.totals()["s"].runs
            store.runs.put("s", RUN._replace(run_id="other"))
            raise RuntimeError
        assert (store.runs.get("s", RUN.run_id), store.runs.get("s", "other"), store.runs.recent("s", "b", 9)) == (
            None,
            None,
            [],
        )
        assert (store.signals("s", "b", 9), store.totals()) == ([], {})


def test_slots_gone_wrong_since_the_last_good_one(tmp_path: Path) -> None:
    """A row for each outcome; what lies before the last success, and in the future, is not asked for."""
    outcomes = ["failed", "succeeded", "missed", "skipped", "failed", "failed", None, "missed", "failed"]
    with closing(Store(tmp_path / "store")) as store:
        for number, outcome in enumerate(outcomes):
            at = AT + timedelta(minutes=number)
            store.slots.put("s", "b", SlotRecord(at, at, 1, outcome))
        until = AT + timedelta(minutes=7)
        good = store.slots.last_success("s", "b", until)
        assert good == AT + timedelta(minutes=1)
        assert store.slots.bad_streaks("s", "b", good, until) == [
            Streak("missed", 2, AT + timedelta(minutes=2), AT + timedelta(minutes=7)),
            Streak("failed", 2, AT + timedelta(minutes=4), AT + timedelta(minutes=5)),
        ]
        begun_late = AT + timedelta(minutes=8)
        store.slots.put("s", "b", SlotRecord(begun_late, begun_late, 1, None, late=True))
        assert store.slots.bad_streaks("s", "b", until, begun_late) == [Streak("missed", 1, begun_late, begun_late)]
        assert store.slots.last_success("s", "other", until) is None
        assert store.slots.bad_streaks("s", "other", None, until) == []
