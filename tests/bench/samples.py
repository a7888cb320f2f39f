"""Samples: when a job was due and how late it began, read from what containers write."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from docker.models.containers import Container

from tests.bench.containers import Line


@dataclass(frozen=True)
class Sample:
    """One job: the instant it was due (seconds since 1970) and how many seconds later it began."""

    due: float
    late: float


@dataclass(frozen=True)
class Contender:
    """Who is measured, in which containers, and how samples are read from their lines; the first `skip` do not count."""

    name: str
    containers: Sequence[Container]
    read: Callable[[Sequence[Line]], list[Sample]]
    skip: int = 0


def our_run_starts(lines: Sequence[Line]) -> list[Sample]:
    """Return the lateness that the journal states."""
    return [
        Sample(_seconds(event["slot"]), float(str(event["lateness_ms"])) / 1000)
        for _, event in _events(lines, "run_start")
    ]


def our_lines_at_engine(lines: Sequence[Line]) -> list[Sample]:
    """Return how late the engine had read the line of run_start: what another process has seen."""
    return [
        Sample(_seconds(event["slot"]), line.at - _seconds(event["slot"]))
        for line, event in _events(lines, "run_start")
    ]


def our_code(lines: Sequence[Line]) -> list[Sample]:
    """Return how late the strategy's own code began."""
    return [
        Sample(_seconds(event["slot"]), float(str(event["seconds"])) - _seconds(event["slot"]))
        for _, event in _events(lines, "note")
    ]


def peer_jobs(lines: Sequence[Line]) -> list[Sample]:
    """Return the samples of lines that hold when a job was due and when it began."""
    samples: list[Sample] = []
    for line in lines:
        try:
            due, began = map(float, line.text.split())
        except ValueError:  # a warning of the peer's
            continue
        samples.append(Sample(due, began - due))
    return samples


def cron_jobs(lines: Sequence[Line]) -> list[Sample]:
    """Return the samples of lines that hold the time of a job that is due at the full minute."""
    samples: list[Sample] = []
    for line in lines:
        try:
            began = float(line.text)
        except ValueError:
            continue
        samples.append(Sample(began // 60 * 60, began % 60))
    return samples


def _events(lines: Sequence[Line], event: str) -> list[tuple[Line, dict[str, object]]]:
    return [(line, json.loads(line.text)) for line in lines if f'"event": "{event}"' in line.text]


def _seconds(slot: object) -> float:
    return datetime.fromisoformat(str(slot)).timestamp()
