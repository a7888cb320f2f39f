"""The ledger in PostgreSQL: all that SQLite's does, and which runs go on elsewhere."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier

import pytest

from openbell.ledger import Claim
from openbell.postgres.connection import PostgresError
from openbell.postgres.ledger import PostgresLedger
from tests.serverless.postgres import Server
from tests.serverless.shared import written_for
from tests.unit.ledger import test_ledger as of_sqlite

NewLedger = Callable[[], PostgresLedger]

# Nine and more tests: claims, accounts, outcomes, state, facts, what is forgotten, and what a failure undoes.
globals().update(written_for(of_sqlite, without=frozenset({"test_commits_are_durable"})))


@pytest.fixture
def another(server: Server) -> Iterator[NewLedger]:
    """Make ledgers of one strategy."""
    name = f"t{os.urandom(6).hex()}"
    made: list[PostgresLedger] = []

    def make() -> PostgresLedger:
        made.append(PostgresLedger(server.url(), name, prepare=not made))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def ledger(another: NewLedger) -> PostgresLedger:
    """A new ledger."""
    return another()


def test_it_is_as_sqlites() -> None:
    """The tests of SQLite's ledger are here, too."""
    assert "test_a_slot_is_claimed_once" in globals()
    assert sum(name.startswith("test_") for name in globals()) > 15


def test_what_one_process_writes_another_reads(ledger: PostgresLedger, another: NewLedger) -> None:
    """Claims come back as they were."""
    ledger.claim([of_sqlite.CLAIM])
    assert another().open_claims() == [of_sqlite.CLAIM]


def test_two_processes_claim_a_slot_at_the_same_time(ledger: PostgresLedger) -> None:
    """Of many that try, each with a connection of its own, one has it."""
    forks = get_context("fork")
    ready, taken = forks.Barrier(4), forks.Value("i", 0)

    def claim(number: int, ready: Barrier) -> None:
        ledger.fact("connected")
        ready.wait(30)
        won = ledger.claim([replace(of_sqlite.CLAIM, run_id=f"r{number}")])
        with taken.get_lock():
            taken.value += len(won)

    processes = [forks.Process(target=claim, args=(number, ready)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert taken.value == 1


def test_a_run_with_a_lease_is_not_taken_for_one_that_was_cut_off(ledger: PostgresLedger, another: NewLedger) -> None:
    """Until the lease is given back or is over."""
    ledger.lease(["r1"])
    ledger.claim([of_sqlite.CLAIM])
    assert (another().open_claims(), another().alive_claims()) == ([], [of_sqlite.CLAIM])
    ledger.database.execute("UPDATE leases SET until = until - interval '31 seconds'")
    assert (another().open_claims(), another().alive_claims()) == ([of_sqlite.CLAIM], [])
    ledger.lease(["r1"])
    assert another().open_claims() == []
    ledger.release(["r1"])
    assert another().open_claims() == [of_sqlite.CLAIM]


def test_a_skip_is_told_and_accounted_for_or_neither(ledger: PostgresLedger) -> None:
    """A journal that fails leaves the slot to the next call."""

    def fail() -> None:
        msg = "no journal"
        raise OSError(msg)

    with pytest.raises(OSError, match="no journal"):
        ledger.account_telling("b", of_sqlite.SLOT, fail)
    assert ledger.accounted_until("b") is None
    ledger.account_telling("b", of_sqlite.SLOT, lambda: None)
    assert ledger.accounted_until("b") == of_sqlite.SLOT


def test_a_broken_connection_is_made_anew(ledger: PostgresLedger, server: Server) -> None:
    """One error, as SQLite's would be; then it works again."""
    ledger.remember("a", "1")
    (row,) = ledger.database.execute("SELECT pg_backend_pid()")
    other = PostgresLedger(server.url("template1"), "unused")
    other.database.execute("SELECT pg_terminate_backend(?)", row)
    other.close()
    with pytest.raises(PostgresError):
        ledger.fact("a")
    assert ledger.fact("a") == "1"


@pytest.mark.parametrize(
    "url, line",
    [
        ("mysql://u@h/d", "write it as postgresql://"),
        ("postgresql://h/d", "write it as postgresql://"),
        ("postgresql://u:p@127.0.0.1:1/d", "cannot be reached"),
        ("postgresql://u:p@127.0.0.1/d?sslmode=maybe", "sslmode is disable, require, verify-ca or verify-full, not maybe"),
    ],
)  # fmt: skip
def test_an_address_that_does_not_work_is_one_clear_line(url: str, line: str) -> None:
    """Without the password."""
    with pytest.raises(PostgresError, match=line) as raised:
        PostgresLedger(url, "t").fact("a")
    assert ":p@" not in str(raised.value)


def test_a_wrong_password_is_one_clear_line(server: Server) -> None:
    """The server's own words."""
    with pytest.raises(PostgresError, match=r"^PostgreSQL: password authentication failed") as raised:
        PostgresLedger(server.url().replace("horse", "house"), "t").fact("a")
    assert "house" not in str(raised.value)


def test_a_claim_names_its_own_strategy_only(server: Server, ledger: PostgresLedger) -> None:
    """Two strategies of one database do not see each other's claims."""
    ledger.claim([of_sqlite.CLAIM])
    other = PostgresLedger(server.url(), f"t{os.urandom(6).hex()}", prepare=True)
    claim: Claim = of_sqlite.CLAIM
    assert other.claim([claim]) == [claim]
    other.close()
