"""`openbell canary`: miss a slot on purpose in the running supervisor, and follow it to the channels."""

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell.command_parser import command_parser
from openbell.instants import from_milliseconds, milliseconds
from openbell.supervisor.alerts.canary import GRACE, Request, request_canary
from openbell.supervisor.alerts.grouping import CANARY_STRATEGY
from openbell.supervisor.alerts.service import FILE
from openbell.supervisor.alerts.settings import NO_CHANNEL, from_environment

PAUSE = 0.1  # seconds between two queries


@dataclass(frozen=True)
class CanaryTrace:
    """How far a canary has come. handed_at: to the first channel; sent_at: accepted by all. channels: name, state, error."""

    flip_at: datetime | None = None
    message_at: datetime | None = None
    handed_at: datetime | None = None
    sent_at: datetime | None = None
    channels: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Step:
    """A step on the way: what it is, and when it was done, once it was."""

    name: str
    at: Callable[[CanaryTrace], datetime | None]


STEPS = (
    Step("found missing: the flip is stored", lambda found: found.flip_at),
    Step("the message is stored", lambda found: found.message_at),
    Step("handed to the first channel", lambda found: found.handed_at),
    Step("taken by every channel", lambda found: found.sent_at),
)


def main(arguments: Sequence[str]) -> int:
    """Return 0 if every channel accepted the canary's message within the limit, 1 if not, 2 if no channel is set."""
    parser = command_parser("canary")
    parser.add_argument(
        "--limit", type=float, default=60.0, help="seconds until it must have arrived (default: %(default)g)"
    )
    limit: float = parser.parse_args(arguments).limit
    try:
        has_channel = bool(from_environment(os.environ).channels)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not has_channel:
        print(NO_CHANNEL, file=sys.stderr)
        return 2
    file = Path(os.environ.get("OPENBELL_SUPERVISOR_STATE", "/var/lib/openbell")) / FILE
    control = Path(os.environ.get("OPENBELL_CONTROL", "/control"))
    now = datetime.now(UTC)
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            request = request_canary(control, now, os.environ.get("OPENBELL_USER", "make canary"))
            return follow(database, request, time.monotonic() + limit)
    except (OSError, sqlite3.Error) as error:
        print(f"the canary could not be sent: {error}; is the supervisor running?", file=sys.stderr)
        return 1


def follow(database: sqlite3.Connection, request: Request, until: float) -> int:
    """Print each step as it is done, with its distance from the deadline; return the exit code."""
    deadline = request.slot + GRACE
    print(
        f"{_clock(request.requested_at)}           a canary is asked for: due {_clock(request.slot)}, grace {GRACE.seconds} s"
    )
    waiting = list(STEPS)
    found = trace(database, request.requested_at)
    while waiting and time.monotonic() < until:
        found = trace(database, request.requested_at)
        while waiting and (at := waiting[0].at(found)) is not None:
            late = (at - deadline) / timedelta(seconds=1)
            print(f"{_clock(at)} {late:+8.3f} s  {waiting.pop(0).name}", flush=True)
        time.sleep(PAUSE if waiting else 0)
    for channel, state, error in found.channels:
        print(f"  {channel}: {state}{': ' + error if error else ''}")
    if not waiting:
        print("The path from a missed slot to you works.")
        return 0
    print(f"it did not get as far as: {waiting[0].name}; see `make logs STRATEGY=supervisor`", file=sys.stderr)
    return 1


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"


def trace(database: sqlite3.Connection, since: datetime) -> CanaryTrace:
    """Return how far the newest canary that was asked for at `since` has come."""
    (flip,) = database.execute(
        "SELECT min(at) FROM flips WHERE strategy = ? AND wrong AND at >= ?", (CANARY_STRATEGY, milliseconds(since))
    ).fetchone()
    row = database.execute(
        "SELECT id, at FROM messages WHERE sort = 'canary' AND at >= ? ORDER BY id LIMIT 1", (milliseconds(since),)
    ).fetchone()
    if row is None:
        return CanaryTrace(_instant(flip))
    number, at = row
    deliveries = database.execute(
        "SELECT channel, state, error, handed_at, ended_at FROM deliveries WHERE message = ? ORDER BY id", (number,)
    ).fetchall()
    handed = [handed_at for *_, handed_at, _ in deliveries if handed_at is not None]
    ended = [ended_at for _, state, _, _, ended_at in deliveries if state == "sent"]
    return CanaryTrace(
        _instant(flip),
        _instant(at),
        _instant(min(handed, default=None)),
        _instant(max(ended)) if deliveries and len(ended) == len(deliveries) else None,
        tuple((channel, state, error) for channel, state, error, _, _ in deliveries),
    )


def _instant(value: int | None) -> datetime | None:
    return None if value is None else from_milliseconds(value)
