"""The ledger: what is claimed once stays claimed, what is accounted never comes back, what is intended is remembered."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.ledger import Claim, Ledger, OrderRecord

SLOT = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CLAIM = Claim("b", SLOT, "r1", 1, "loop", SLOT)
ORDER = OrderRecord("ob-1", "b", SLOT, "AAPL", "buy", "", 2.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    """A new ledger."""
    with closing(Ledger(path)) as one:
        yield one


def ended(ledger: Ledger, minute: int, outcome: str, trigger: str = "loop") -> None:
    """Let a run of some slot end."""
    claim = Claim("b", SLOT + minute * MINUTE, f"r{minute}", 1, trigger, SLOT)
    ledger.claim([claim])
    ledger.finish([(claim, outcome)])


def test_a_slot_is_claimed_once(ledger: Ledger) -> None:
    """The second claim of a slot is never taken, by any process and after any outcome of the first."""
    assert ledger.claim([CLAIM]) == [CLAIM]
    assert ledger.claim([replace(CLAIM, run_id="r2")]) == []
    ledger.finish([(CLAIM, "succeeded")])
    assert ledger.claim([replace(CLAIM, run_id="r3")]) == []


def test_ones_own_claim_is_taken_again(ledger: Ledger) -> None:
    """A claim whose commit seemed to fail is recognized by its run_id."""
    ledger.claim([CLAIM])
    assert ledger.claim([CLAIM]) == [CLAIM]


def test_of_several_claims_the_free_ones_are_taken(ledger: Ledger) -> None:
    """A claim that is not free keeps the others from nothing."""
    ledger.claim([CLAIM])
    other = replace(CLAIM, bot="c", run_id="r2")
    assert ledger.claim([replace(CLAIM, run_id="r3"), other]) == [other]


def test_a_claim_accounts_for_its_slot(ledger: Ledger) -> None:
    """Only runs of the schedule count: a manual run between two slots accounts for none."""
    assert ledger.accounted_until("b") is None
    ledger.claim([CLAIM])
    ledger.claim([Claim("b", SLOT + MINUTE, "r2", 1, "manual", SLOT)])
    assert ledger.accounted_until("b") == SLOT


def test_the_account_never_goes_back(ledger: Ledger) -> None:
    """An older slot, told later, changes nothing."""
    ledger.account([("b", SLOT), ("b", SLOT - MINUTE), ("c", SLOT - MINUTE)])
    assert (ledger.accounted_until("b"), ledger.accounted_until("c")) == (SLOT, SLOT - MINUTE)


def test_two_ledgers_of_one_file_claim_once(ledger: Ledger, path: Path) -> None:
    """Two processes have one truth."""
    with closing(Ledger(path)) as other:
        assert other.claim([CLAIM]) == [CLAIM]
        assert ledger.claim([replace(CLAIM, run_id="r2")]) == []


def test_open_claims_come_back_as_they_were(ledger: Ledger, path: Path) -> None:
    """After a crash a new process finds what was in progress, oldest first, with its newest attempt."""
    later = replace(CLAIM, slot=SLOT + MINUTE, run_id="r2")
    done = replace(CLAIM, bot="c", run_id="r3")
    ledger.claim([later, CLAIM, done])
    ledger.next_attempt(replace(CLAIM, attempt=2))
    ledger.finish([(done, "succeeded")])
    with closing(Ledger(path)) as other:
        assert other.open_claims() == [replace(CLAIM, attempt=2), later]


def test_the_first_outcome_stays(ledger: Ledger) -> None:
    """An end that is told twice changes nothing."""
    ledger.claim([CLAIM])
    ledger.finish([(CLAIM, "failed")])
    ledger.finish([(CLAIM, "succeeded")])
    assert ledger.failures_in_a_row("b", 3) == 1


@pytest.mark.parametrize(
    "outcomes, expected",
    [
        ([], 0),
        (["failed", "failed"], 2),
        (["failed", "succeeded", "timed_out"], 1),
        (["interrupted", "failed", "timed_out", "failed"], 3),
        (["failed", "succeeded"], 0),
    ],
)
def test_failures_in_a_row(ledger: Ledger, outcomes: list[str], expected: int) -> None:
    """Counted from the newest run back to the last that succeeded, up to a number."""
    for minute, outcome in enumerate(outcomes):
        ended(ledger, minute, outcome)
    assert ledger.failures_in_a_row("b", 3) == expected


def test_failures_after_a_slot(ledger: Ledger) -> None:
    """Failures before a resume do not count."""
    for minute in range(4):
        ended(ledger, minute, "failed")
    assert ledger.failures_in_a_row("b", 10, after=SLOT + MINUTE) == 2


def test_an_order_is_intended_before_it_is_sent(ledger: Ledger, path: Path) -> None:
    """The first intention is new; the second finds the first, with what the broker said since."""
    assert ledger.intend(ORDER) is None
    assert ledger.intend(replace(ORDER, quantity=3.0)) == ORDER
    ledger.settle("ob-1", "filled", "o-7")
    with closing(Ledger(path)) as other:
        assert other.intend(ORDER) == replace(ORDER, status="filled", order_id="o-7")
        assert other.orders("b", SLOT) == [replace(ORDER, status="filled", order_id="o-7")]
        assert other.orders("b", SLOT + MINUTE) == []


def test_state_is_replaced_whole_and_completes_the_run(ledger: Ledger) -> None:
    """Names that are gone are gone, other bots' state stays, and the slot's run counts as completed from then on."""
    ledger.claim([CLAIM])
    assert not ledger.is_completed("b", SLOT)
    ledger.save_state("b", SLOT, {"a": 1, "b": [1.5, None]})
    ledger.save_state("c", SLOT, {"x": "y"})
    ledger.save_state("b", SLOT, {"b": {"deep": True}})
    assert ledger.state("b") == {"b": {"deep": True}}
    assert ledger.state("c") == {"x": "y"}
    assert ledger.is_completed("b", SLOT)
    assert not ledger.is_completed("c", SLOT)  # it has no claim


def test_a_value_that_is_not_json_changes_nothing(ledger: Ledger) -> None:
    """A state that cannot be kept leaves the previous one."""
    ledger.save_state("b", SLOT, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        ledger.save_state("b", SLOT, {"a": float("nan")})
    assert ledger.state("b") == {"a": 1}


def test_facts_are_remembered(ledger: Ledger) -> None:
    """The newest word on a name holds."""
    assert ledger.fact("previous stop") is None
    ledger.remember("previous stop", "unclean")
    ledger.remember("previous stop", "clean")
    assert ledger.fact("previous stop") == "clean"


def test_what_is_old_and_done_is_forgotten(ledger: Ledger) -> None:
    """Finished claims and settled orders go; what is still open stays however old it is."""
    ended(ledger, 0, "succeeded")
    ended(ledger, 10, "succeeded")
    still_open = Claim("c", SLOT, "open", 1, "loop", SLOT)
    ledger.claim([still_open])
    ledger.intend(ORDER)
    ledger.intend(replace(ORDER, client_order_id="ob-2", symbol="IBM"), SLOT)
    ledger.settle("ob-2", "filled", "o-2")
    ledger.forget_before(SLOT + 5 * MINUTE)
    assert ledger.open_claims() == [still_open]
    assert [order.client_order_id for order in ledger.orders("b", SLOT)] == ["ob-1"]
    assert ledger.claim([replace(CLAIM, slot=SLOT + 10 * MINUTE, run_id="again")]) == []


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    """Claims are taken all or not at all."""
    broken = replace(CLAIM, bot="c", slot=None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        ledger.claim([CLAIM, broken])
    assert ledger.open_claims() == []


def test_commits_are_durable(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write-ahead log, synced after every commit: what was claimed survives a power cut."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink().name))
    assert ledger._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    ledger.claim([CLAIM])
    assert synced == ["ledger.sqlite-wal"]
    ledger.remember("previous stop", "clean")
    assert synced == 2 * ["ledger.sqlite-wal"]
    assert ledger.fact("previous stop") == "clean"
    assert len(synced) == 2


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    """A file that is no ledger is never taken for an empty one."""
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        Ledger(tmp_path / "ledger.sqlite")
