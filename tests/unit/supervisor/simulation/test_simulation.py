"""The watch over a fleet with bad luck: each fault is said once, in its time, and nothing else is; each slot has its outcome.

A whole year of 1,000 bots: `python -m tests.unit.supervisor.simulation --year --seed 1`.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache

import pytest

from openbell import calendars
from openbell.supervisor.ingest.slot_ledger import SlotLedger
from openbell.supervisor.model.records import RunRecord
from tests.unit.supervisor.simulation.history import Size
from tests.unit.supervisor.simulation.observed import Record
from tests.unit.supervisor.simulation.scoring import Score, compare
from tests.unit.supervisor.simulation.year import lived, simulate

pytestmark = pytest.mark.timeout(900)  # seconds; a tenth of it on an idle machine

SMALL = Size(bots=20, length=timedelta(days=6), faults_a_day=24, calm=timedelta(days=4))
LARGE = Size(bots=40, length=timedelta(days=13), faults_a_day=14)
DENSE = Size(bots=5, length=timedelta(hours=2.4), faults_a_day=225, calm=timedelta(hours=0.9), dense=True)
DENSE_FOR_LONG = Size(bots=5, length=timedelta(hours=4.5), faults_a_day=225, calm=timedelta(hours=3), dense=True)

once = cache(lived)  # two tests look at the same history


@pytest.mark.parametrize(
    "seed, size",
    [
        pytest.param(1, SMALL, id="small-1"),
        *(pytest.param(seed, LARGE, id=f"large-{seed}", marks=pytest.mark.long) for seed in (1, 2)),
    ],
)
def test_each_fault_is_said_once_and_nothing_else_is(seed: int, size: Size) -> None:
    """Days of crashes, stalls, bad data and damaged journals, and of absences of the supervisor's own."""
    score, _ = once(seed, size)
    assert score.is_clean, score
    # A history in which nothing happens proves nothing.
    assert score.injected.total() > 30
    assert score.found.total() > 30


@pytest.mark.parametrize("size", [DENSE, pytest.param(DENSE_FOR_LONG, marks=pytest.mark.long)], ids=["short", "long"])
def test_nothing_is_said_between_the_events(size: Size) -> None:
    """The same with a look whenever the watch asks for one, also where nothing happens."""
    score = simulate(3, size)
    assert score.is_clean, score
    assert score.found.total() > 5


def test_the_score_notices_what_is_not_said() -> None:
    """A watch that says nothing of missed slots loses recall."""
    _, history = once(1, SMALL)
    said = Record()
    said.alarms = [alarm for alarm in history.supervisor.record.alarms if alarm.condition.kind != "missed"]
    score = Score()
    compare(score, history.truth, said, history.supervisor.away, history.end)
    assert score.recall < 0.9
    assert any("missed" in line for line in score.missing)


def _binds_to_no_slot(self: SlotLedger, strategy: str, run: RunRecord, reason: str) -> None:
    """Stand for a book that does not enter runs for their slots."""


def test_the_score_notices_false_alarms_and_wrong_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that does not enter runs for their slots makes all of them missed."""
    monkeypatch.setattr(SlotLedger, "_assign", _binds_to_no_slot)
    score = simulate(1, Size(bots=8, length=timedelta(days=2), faults_a_day=1, calm=timedelta(days=1)))
    assert score.precision < 0.8
    assert score.wrong_slots


@pytest.fixture(autouse=True)
def _calendars_are_as_before() -> Iterator[None]:
    """Each history leaves the calendars as it found them."""
    yield
    assert "XSHORT" not in calendars.names()
