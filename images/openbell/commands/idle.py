"""`openbell idle`: wait in a container for a moment in which it can be stopped without crossing a run of its strategies."""

import argparse
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from openbell import heartbeat
from openbell.calendars import CalendarExpired
from openbell.command_parser import command_parser
from openbell.commands import container_strategies
from openbell.ledger import Ledger
from openbell.manifest import Bot, Manifest, ManifestError
from openbell.paths import LEDGER, PathError, Paths, from_environment
from openbell.runner.run_setup import open_ledger
from openbell.slots import next_slot
from openbell.strategy import loader
from openbell.strategy_user import acting_as

POLL_INTERVAL = 0.05  # seconds
BUSY = 75  # exit code


@dataclass(frozen=True)
class Activity:
    """What strategies are about: runs in progress with their begin, and for each bot its first slot without an outcome."""

    running: tuple[tuple[str, datetime], ...]
    coming: tuple[tuple[str, datetime], ...]  # when the loop would start the run, soonest first

    def due(self, until: datetime) -> tuple[tuple[str, datetime], ...]:
        """Return the bots that are due until then."""
        return tuple((bot, at) for bot, at in self.coming if at <= until)

    def lines(self, now: datetime, until: datetime) -> list[str]:
        """Return what a person wants to know before the strategy is stopped."""
        return [
            *(f"{bot}: a run is in progress since {at:%H:%M:%S} UTC" for bot, at in self.running),
            *(
                f"{bot}: due at {at:%H:%M:%S} UTC, in {max(0, (at - now).total_seconds()):.0f} s"
                for bot, at in self.due(until)
            ),
        ]


def main(arguments: Sequence[str]) -> int:
    """Return 0 at the quiet moment, or if there is nothing to wait for; 75 if it did not come in time."""
    parser = command_parser("idle")
    parser.add_argument(
        "--within", type=float, default=5.0, help="a slot that is due within so many seconds is let pass"
    )
    parser.add_argument("--for", dest="patience", type=float, default=0.0, help="how many seconds to wait at most")
    parser.add_argument("--strict", action="store_true", help="only a moment with no slot that near is quiet")
    parser.add_argument("--look", action="store_true", help="only say what is in progress and due, and do not wait")
    parser.add_argument("--strategies", default="", help="only these of a container for several: a,b")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        own = container_strategies.environments(os.environ, options.strategies)
        watched = [one for each in own if (one := _open(each, stack)) is not None]
        try:
            if options.look:
                now = datetime.now(UTC)
                print("\n".join(_activity(watched, now).lines(now, now + timedelta(seconds=options.within))))
                return 0
            return _wait(watched, options)
        except (CalendarExpired, sqlite3.Error) as error:
            print(error, file=sys.stderr)
            return 0


@dataclass(frozen=True)
class WatchedStrategy:
    """A strategy that may have runs."""

    places: Paths
    manifest: Manifest
    ledger: Ledger

    def beats(self, now: datetime) -> bool:
        """Tell whether its loop is alive."""
        sign = heartbeat.read(self.places.journal / self.places.strategy)
        return sign is not None and (now - sign.timestamp).total_seconds() <= heartbeat.OLD


def _open(environment: Mapping[str, str], stack: ExitStack) -> WatchedStrategy | None:
    """Return a strategy with its ledger, which `stack` closes; None if it has never run, or is in no state to run."""
    try:
        places = from_environment(environment)
        manifest = loader.manifest(places)
        path = places.state / LEDGER
        if not places.database and not path.is_file():
            return None
        # A file that SQLite makes beside the ledger must be the strategy's, also where this process is root.
        with acting_as(places.strategy):
            watched = WatchedStrategy(places, manifest, stack.enter_context(closing(open_ledger(places))))
            activity_of(manifest, watched.ledger, datetime.now(UTC))
    except (PathError, ManifestError, CalendarExpired, sqlite3.Error) as error:
        # A strategy in such a state starts no run: there is nothing to cross.
        print(error, file=sys.stderr)
        return None
    return watched


def _activity(watched: Iterable[WatchedStrategy], now: datetime) -> Activity:
    found = [activity_of(one.manifest, one.ledger, now) for one in watched]
    running = tuple(run for one in found for run in one.running)
    return Activity(running, tuple(sorted((slot for one in found for slot in one.coming), key=lambda slot: slot[1])))


def activity_of(manifest: Manifest, ledger: Ledger, now: datetime) -> Activity:
    """Return what the ledger and the schedules say. A stream is no run to wait for: it ends when it is asked to."""
    streams = {bot.id for bot in manifest.bots if bot.is_stream}
    running = tuple((claim.bot, claim.started_at) for claim in ledger.open_claims() if claim.bot not in streams)
    coming = [(bot.id, at) for bot in manifest.bots if (at := _next(bot, ledger, now)) is not None]
    return Activity(running, tuple(sorted(coming, key=lambda one: one[1])))


def is_quiet(now: Activity, first: Activity, until: datetime, strict_until: datetime | None) -> bool:
    """Tell whether the strategy may be stopped.

    first: the activity at the beginning; what was due then until `until` is waited for. A bot that is due every few seconds
    is quiet between two runs. strict_until: no slot at all may be due until then.
    """
    if now.running:
        return False
    if strict_until is not None:
        return not now.due(strict_until)
    later = dict(now.coming)
    return all(bot not in later or later[bot] > at for bot, at in first.due(until))


def _wait(watched: Sequence[WatchedStrategy], options: argparse.Namespace) -> int:
    within, end = timedelta(seconds=options.within), time.monotonic() + options.patience
    began = datetime.now(UTC)
    first = _activity(watched, began)
    told: list[str] = []
    while True:
        now = datetime.now(UTC)
        seen = _activity(watched, now)
        if is_quiet(seen, first, began + within, now + within if options.strict else None):
            return 0
        if silent := [one for one in watched if not one.beats(now)]:
            for one in silent:
                print(f"{one.manifest.name}: its loop does not beat: there is no run to wait for", flush=True)
            watched = [one for one in watched if one not in silent]
            continue
        if time.monotonic() >= end:
            names = ", ".join(one.manifest.name for one in watched)
            print(f"{names}: no quiet moment within {options.patience:g} s: {'; '.join(told)}", flush=True)
            return BUSY
        if not told:
            told = seen.lines(now, now + within)
            print("\n".join(told), flush=True)
        time.sleep(POLL_INTERVAL)


def _next(bot: Bot, ledger: Ledger, now: datetime) -> datetime | None:
    if bot.is_stream:
        return None
    # Slots of a time that is long gone are the loop's to account for at its next turn, and are no run to come.
    accounted = max(ledger.accounted_until(bot.id) or now, now - bot.grace - bot.shift)
    slot = next_slot(bot.schedule, accounted)
    return slot + bot.shift if slot else None
