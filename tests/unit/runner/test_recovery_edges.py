"""Recovery at its edges: which attempt may begin or be repeated, to the instant, and all that the journal says of it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.journal import Journal, since
from openbell.ledger import Claim, Ledger, OrderRecord
from openbell.ledger.records import LOST_AT, NOT_COMPARED
from openbell.runner.recovery import EARLY, recover
from tests.order_attempts import BOT, MANIFEST

SLOT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
GRACE, TIMEOUT = timedelta(seconds=30), timedelta(seconds=60)
ONE = replace(BOT, retries=2, grace=GRACE, timeout=TIMEOUT, catch_up="none")
CLAIM = Claim("b", SLOT, "r1", 1, "loop", SLOT)


@dataclass
class Left:
    """What a loop has left behind."""

    ledger: Ledger
    journal: Journal

    def recover(self, claim: Claim, now: datetime, *, clean: bool, bot: object = ONE) -> list[Claim]:
        """Claim a slot, let the loop end, and recover."""
        self.ledger.claim([replace(claim, attempt=1)])
        for attempt in range(2, claim.attempt + 1):
            self.ledger.next_attempt(replace(claim, attempt=attempt))
        manifest = replace(MANIFEST, bots=(bot,)) if bot is not None else replace(MANIFEST, bots=())  # type: ignore[arg-type]
        return recover(manifest, self.ledger, self.journal, now, clean=clean)

    def lines(self) -> list[dict[str, object]]:
        """Return what the journal has, without what every line has."""
        common = {"timestamp", "strategy", "boot_id"}
        found = since(self.journal.folder, SLOT.date())
        return [{name: value for name, value in line.items() if name not in common} for line in found]


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Left]:
    """A ledger and a journal."""
    journal = Journal(tmp_path, "demo", "boot", echo=False)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Left(ledger, journal)
    journal.close()


@pytest.mark.parametrize("claim, now, may", [
    (CLAIM, SLOT, True),
    (CLAIM, SLOT - EARLY, True),  # claimed shortly before its slot, where it waits for it
    (CLAIM, SLOT - EARLY - TICK, False),  # the clock was set back
    (CLAIM, SLOT + GRACE, True),
    (CLAIM, SLOT + GRACE + TICK, False),
    (replace(CLAIM, attempt=2), SLOT + GRACE + TICK, True),  # a later attempt may begin as long as the run may last
    (replace(CLAIM, attempt=2), SLOT + TIMEOUT, True),
    (replace(CLAIM, attempt=2), SLOT + TIMEOUT + TICK, False),
    (replace(CLAIM, trigger="manual"), SLOT + TICK, False),
    (replace(CLAIM, trigger="stream"), SLOT + TICK, False),
    (replace(CLAIM, trigger="backfill"), SLOT + TICK, False),
    (replace(CLAIM, trigger="cron"), SLOT + TICK, True),
])  # fmt: skip
def test_an_attempt_that_was_never_begun_may_still_be(left: Left, claim: Claim, now: datetime, may: bool) -> None:
    """The loop stopped in order: the same attempt goes on, within the slot's grace, and nothing is said of it."""
    again = left.recover(claim, now, clean=True)
    assert again == ([claim] if may else [])
    assert [line["event"] for line in left.lines()] == ([] if may else ["error", "run_end"])
    assert left.ledger.outcome_of("b", SLOT) == ("running" if may else "interrupted")


@pytest.mark.parametrize("claim, now, may", [
    (CLAIM, SLOT, True),
    (CLAIM, SLOT - EARLY, True),  # claimed shortly before its slot
    (CLAIM, SLOT - EARLY - TICK, False),
    (CLAIM, SLOT + TIMEOUT, True),
    (CLAIM, SLOT + TIMEOUT + TICK, False),
    (replace(CLAIM, attempt=2), SLOT, True),
    (replace(CLAIM, attempt=3), SLOT, False),  # two retries are three attempts
    (replace(CLAIM, trigger="manual"), SLOT, False),
])  # fmt: skip
def test_an_attempt_that_was_cut_off_may_be_repeated(left: Left, claim: Claim, now: datetime, may: bool) -> None:
    """The loop was killed: another attempt follows, within the time that the run may take."""
    again = left.recover(claim, now, clean=False)
    assert again == ([replace(claim, attempt=claim.attempt + 1)] if may else [])
    assert left.ledger.open_claims() == again
    error, *rest = left.lines()
    assert (error["event"], error["will_retry"]) == ("error", may)
    assert [line["event"] for line in rest] == ([] if may else ["run_end"])


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("lost, known", [(True, (SLOT.isoformat(), "yes")), (False, (None, None))])
def test_no_run_is_repeated_by_a_ledger_that_lost_commits(
    left: Left, lost: bool, known: tuple[str | None, str | None], clean: bool
) -> None:
    """Orders of it may be unknown: since when is remembered, and that the account is yet to be compared."""
    left.ledger.claim([CLAIM])
    manifest = replace(MANIFEST, bots=(ONE,))
    again = recover(manifest, left.ledger, left.journal, SLOT, clean=clean, lost_commits=lost)
    assert [claim.run_id for claim in again] == ([] if lost else ["r1"])
    assert left.ledger.outcome_of("b", SLOT) == ("interrupted" if lost else "running")
    assert (left.ledger.fact(LOST_AT), left.ledger.fact(NOT_COMPARED)) == known


def test_a_run_of_a_bot_that_is_gone_is_interrupted(left: Left) -> None:
    """It was removed from the manifest."""
    assert left.recover(CLAIM, SLOT, clean=False, bot=None) == []
    assert left.ledger.outcome_of("b", SLOT) == "interrupted"


@pytest.mark.parametrize("clean, told", [
    (False, "the loop ended in the middle of this run (crash, kill or power cut)"),
    (True, "the strategy was stopped before this attempt began, and started again too late for it"),
])  # fmt: skip
def test_all_that_is_told_of_an_interrupted_run(left: Left, clean: bool, told: str) -> None:
    """The error, and the end with its orders: those that may have arrived are named."""
    for name in ("ob-1", "ob-2"):
        left.ledger.intend(OrderRecord(name, "b", SLOT, "AAPL", "buy", "", 1.0), SLOT)
    left.ledger.settle("ob-2", "filled", "2", 1.0, 5.0)
    left.recover(CLAIM, SLOT + timedelta(hours=1), clean=clean)
    run = {"bot": "b", "slot": "2026-11-20T15:00:00.000Z", "run_id": "r1", "attempt": 1}
    assert left.lines() == [
        {**run, "event": "error", "level": "error", "error": told, "traceback": "", "will_retry": False},
        {
            **run,
            "event": "run_end",
            "level": "error",
            "outcome": "interrupted",
            "tick_duration_ms": None,
            "signal_generated": True,
            "orders": 2,
            "trigger": "loop",
            "uncertain_orders": ["ob-1"],
        },
    ]


def test_a_run_that_had_done_all_has_succeeded(left: Left) -> None:
    """Its state was saved: its end is told, without orders and without a warning."""
    left.ledger.claim([CLAIM])
    left.ledger.save_state("b", SLOT, {"a": 1})
    assert left.recover(CLAIM, SLOT + timedelta(hours=1), clean=False) == []
    (end,) = left.lines()
    assert (end["level"], end["outcome"], end["signal_generated"], end["orders"]) == ("info", "succeeded", False, 0)
    assert "uncertain_orders" not in end
    assert left.ledger.outcome_of("b", SLOT) == "succeeded"


def test_an_end_that_the_journal_has_is_the_runs(left: Left) -> None:
    """The ledger did not hear of it; it is not told again. Another run's end is not this one's."""
    left.ledger.claim([CLAIM])
    for run_id, outcome in (("r1", "failed"), ("r2", "succeeded")):
        fields = {"bot": "b", "slot": SLOT, "run_id": run_id, "attempt": 1}
        left.journal.write("run_end", SLOT, fields, outcome=outcome)
    assert left.recover(CLAIM, SLOT + TICK, clean=False) == []
    assert left.ledger.outcome_of("b", SLOT) == "failed"
    assert len(left.lines()) == 2


@pytest.mark.parametrize("slot, accounted", [
    (SLOT + timedelta(minutes=15), SLOT + timedelta(minutes=15)),
    (SLOT + timedelta(hours=1, seconds=60), SLOT + timedelta(hours=1, seconds=60)),
    (SLOT + timedelta(hours=1, seconds=61), SLOT),  # passed over by a clock that was ahead
    (SLOT - timedelta(minutes=15), SLOT),
])  # fmt: skip
def test_a_skip_that_the_ledger_missed_is_taken_up(left: Left, slot: datetime, accounted: datetime) -> None:
    """From the journal, unless it is of a slot that is yet to come; another bot's is not this one's."""
    left.ledger.account([("b", SLOT)])
    left.journal.write("slot_skipped", SLOT, {"bot": "b", "slot": slot}, outcome="skipped")
    left.journal.write("slot_skipped", SLOT, {"bot": "else", "slot": slot + timedelta(minutes=1)}, outcome="skipped")
    recover(replace(MANIFEST, bots=(ONE,)), left.ledger, left.journal, SLOT + timedelta(hours=1))
    assert left.ledger.accounted_until("b") == accounted


@pytest.mark.parametrize("by, ahead, accounted", [
    (-3600.0, timedelta(minutes=15), SLOT),
    (-3600.0, timedelta(seconds=61), SLOT),
    (-3600.0, timedelta(seconds=60), SLOT + timedelta(seconds=60)),  # a clock that is right may be so far behind
    (3600.0, timedelta(minutes=15), SLOT + timedelta(minutes=15)),
])  # fmt: skip
def test_what_a_clock_that_was_ahead_passed_over_is_not_taken_up(
    left: Left, by: float, ahead: timedelta, accounted: datetime
) -> None:
    """The clock was set back after the skip: a slot that lay ahead of it comes again."""
    left.ledger.account([("b", SLOT)])
    left.journal.write("slot_skipped", SLOT, {"bot": "b", "slot": SLOT + ahead}, outcome="skipped")
    left.journal.write("clock_stepped", SLOT, by_s=by)
    recover(replace(MANIFEST, bots=(ONE,)), left.ledger, left.journal, SLOT + timedelta(hours=1))
    assert left.ledger.accounted_until("b") == accounted


def test_each_of_several_runs_gets_its_own_end(left: Left) -> None:
    """One has its end in the journal, one had done all, one is of a bot that is gone, and one goes on."""
    bots = [Claim(bot, SLOT, bot, 1, "loop", SLOT) for bot in ("b", "c", "d", "e")]
    left.ledger.claim(bots)
    for claim in bots:  # which is not an end
        left.journal.write("run_start", SLOT, {"bot": claim.bot, "slot": SLOT, "run_id": claim.run_id, "attempt": 1})
    left.journal.write("run_end", SLOT, {"bot": "b", "slot": SLOT, "run_id": "b", "attempt": 1}, outcome="failed")
    left.ledger.save_state("c", SLOT, {})
    manifest = replace(MANIFEST, bots=tuple(replace(ONE, id=bot) for bot in ("b", "c", "e")))
    again = recover(manifest, left.ledger, left.journal, SLOT + TICK)
    assert again == [replace(bots[3], attempt=2)]
    outcomes = [left.ledger.outcome_of(claim.bot, SLOT) for claim in bots]
    assert outcomes == ["failed", "succeeded", "interrupted", "running"]
