"""The benchmark's own arithmetic: what it makes of the lines that containers write."""

import json

import pytest

from tests.bench.containers import Line
from tests.bench.crowd import by_round
from tests.bench.figures import Table, duration, percentile, ratio, summary
from tests.bench.samples import Sample, cron_jobs, our_code, our_lines_at_engine, our_run_starts, peer_jobs

SLOT = "2026-03-02T14:35:00.250Z"
DUE = 1772462100.25  # the same instant


@pytest.mark.parametrize(
    "samples,percent,expected",
    [([7.0], 99, 7.0), ([3.0, 1.0, 2.0], 50, 2.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.0), (list(range(1, 201)), 99, 198)],
)
def test_percentile_is_the_nearest_rank(samples: list[float], percent: float, expected: float) -> None:
    """A percentile is a sample that was seen, never one in between."""
    assert percentile(samples, percent) == expected


def test_no_samples_have_no_summary() -> None:
    """Nothing measured is said so, not shown as zero."""
    assert summary([]) is None


@pytest.mark.parametrize(
    "seconds,expected",
    [(0.0000042, "4.20 us"), (0.00266, "2.66 ms"), (0.0994, "99.4 ms"), (1.53, "1.53 s"), (59.6, "59.6 s")],
)
def test_durations_have_three_digits_and_their_unit(seconds: float, expected: str) -> None:
    """A reader compares figures by their units."""
    assert duration(seconds) == expected


def test_a_ratio_to_nothing_is_unknown() -> None:
    """Where there is nothing to compare with, there is no ratio."""
    assert (ratio(3, 2), ratio(3, 0)) == ("1.50x", "-")


def test_a_table_aligns_labels_left_and_figures_right() -> None:
    """Figures of one column stand below each other."""
    text = str(Table("T", ("", "ms"), (("ours", "1"), ("theirs", "100")), ("a note",)))
    assert text == "T\n\n           ms\n  ours      1\n  theirs  100\n  * a note\n"


def test_our_samples_come_from_the_journal_and_from_the_engine() -> None:
    """run_start says its own lateness; the engine and the strategy's code are compared with the slot."""
    lines = [
        Line(DUE + 0.003, json.dumps({"event": "run_start", "slot": SLOT, "lateness_ms": 1.5})),
        Line(DUE + 0.009, json.dumps({"event": "note", "slot": SLOT, "seconds": DUE + 0.008})),
        Line(DUE + 0.010, json.dumps({"event": "run_end", "slot": SLOT})),
    ]
    read = {reader: reader(lines) for reader in (our_run_starts, our_lines_at_engine, our_code)}
    assert {sample.due for samples in read.values() for sample in samples} == {DUE}
    assert [round(samples[0].late, 6) for samples in read.values()] == [0.0015, 0.003, 0.008]


def test_peers_samples_are_pairs_and_their_warnings_are_passed_over() -> None:
    """APScheduler writes a warning for each job that it drops."""
    lines = [Line(0, "10.0 10.5"), Line(0, 'Run time of job "work" was missed by 0:00:01.5'), Line(0, "20.0 20.25")]
    assert peer_jobs(lines) == [Sample(10, 0.5), Sample(20, 0.25)]


def test_cron_jobs_are_due_at_full_minutes() -> None:
    """A job that says 14:36:01.5 was 1.5 s late for 14:36."""
    assert cron_jobs([Line(0, "61.5"), Line(0, "cron: no such file")]) == [Sample(60, 1.5)]


def test_rounds_hold_what_was_due_in_the_time_that_counts() -> None:
    """A round before everybody was up does not count."""
    samples = [Sample(10, 0.9), Sample(20, 0.1), Sample(30, 0.3), Sample(20, 0.2), Sample(40, 0.1)]
    assert by_round(samples, 20, 40) == [[0.1, 0.2], [0.3]]
