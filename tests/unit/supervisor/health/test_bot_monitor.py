"""A bot is judged by the few runs that stay in memory as it would be by all of its newest ones."""

from datetime import UTC, datetime, timedelta
from itertools import product

from openbell.supervisor.health.bot_monitor import needed_runs
from openbell.supervisor.health.bot_status import manual_failure
from openbell.supervisor.model.records import RunRecord

AT = datetime(2026, 11, 20, 15, tzinfo=UTC)
ENDS = (("manual", "failed"), ("manual", "succeeded"), ("manual", None), ("loop", "failed"), ("loop", None))


def _run(number: int, trigger: str, outcome: str | None) -> RunRecord:
    at = AT - number * timedelta(minutes=5)
    ended = None if outcome is None else at
    return RunRecord(f"r{number}", "b", at, trigger, 1, at, at, 1.0, ended, outcome, error=f"error {number}")


def test_the_runs_that_are_left_out_change_no_judgement() -> None:
    """Of every history of four runs, the manual failures in a row and the newest error are the same."""
    for history in product(ENDS, repeat=4):
        runs = [_run(number, *end) for number, end in enumerate(history)]
        kept = needed_runs(runs)
        assert manual_failure(kept, "UTC") == manual_failure(runs, "UTC"), history
        assert _newest_error(kept) == _newest_error(runs), history


def test_one_run_of_a_healthy_bot_stays() -> None:
    """The newest, if it has ended: ten for each of 1,000 bots would take megabytes."""
    assert len(needed_runs([_run(number, "loop", "succeeded") for number in range(10)])) == 1


def _newest_error(runs: tuple[RunRecord, ...] | list[RunRecord]) -> str:
    return next((run.error for run in runs if run.ended_at is not None), "")
