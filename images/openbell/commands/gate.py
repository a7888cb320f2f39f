"""`openbell gate`: wait in a new container until it has shown that it works: it beats, and what is due soon succeeds.

Where it hosts several strategies, each of them has to.
"""

import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from openbell import answers, heartbeat, reloads
from openbell.answers import Answers, pause_of
from openbell.calendars import CalendarExpired
from openbell.command_parser import command_parser
from openbell.commands import container_strategies
from openbell.control import Control
from openbell.journal import Event, days
from openbell.journal.follower import Follower
from openbell.manifest import Manifest, ManifestError
from openbell.paths import PathError, Paths, from_environment
from openbell.slots import next_slot
from openbell.strategy import loader
from openbell.strategy_user import acting_as_supervisor

POLL_INTERVAL = 0.1  # seconds
STANDBY = "standby"  # in place of a boot: another host runs the strategy, and this loop is ready to
FAILED = 3  # exit code: it was judged; any other means that it could not be asked
FAR_BACK = 1_000_000  # bytes of a day's journal in which a boot of some seconds ago is found


def main(arguments: Sequence[str]) -> int:
    """Return 0 if the container is well, and 3 with the reason if it is not, or not in time."""
    parser = command_parser("gate")
    parser.add_argument("--beat", type=float, default=30.0, help="seconds for its first sign of life")
    parser.add_argument("--runs", action="store_true", help="also wait for the first run of every bot that is due soon")
    parser.add_argument(
        "--within", type=float, default=15.0, help="a bot that is due within so many seconds is due soon"
    )
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for these runs")
    parser.add_argument("--strategies", default="", help="only these of a container for several: a,b")
    options = parser.parse_args(arguments)
    environments = container_strategies.environments(os.environ, options.strategies)
    if not environments:
        port = int(os.environ.get("OPENBELL_LISTEN", ":8080").rpartition(":")[2])
        return _supervisor(port, options.beat)
    try:
        all_places = [from_environment(environment) for environment in environments]
        boots = {}
        end = time.monotonic() + options.beat
        for places in all_places:
            boot = _wait_for_beat(places, started(), end - time.monotonic())
            if boot is None:
                return _fail(f"{places.strategy}: no sign of life within {options.beat:g} s")
            if boot == STANDBY:
                print(f"{places.strategy}: stands by; another host runs it", flush=True)
            else:
                boots[places] = boot
        soon = datetime.now(UTC) + timedelta(seconds=options.within)
        # One after the other: what ran while another was waited for is in its journal.
        for places, boot in boots.items() if options.runs else ():
            manifest = loader.manifest(places)
            if reason := _wait_for_runs(places, manifest, boot, soon, options.limit):
                return _fail(reason)
    except (PathError, ManifestError, CalendarExpired, OSError) as error:
        return _fail(str(error))
    return 0


def started() -> float:
    """Return when this container was started last: the engine makes its /dev anew at each start."""
    return os.lstat("/dev/ptmx").st_mtime


@dataclass
class FirstRuns:
    """What the journal says of the bots since the boot: how their first run ended, and their last error."""

    boot: str
    outcomes: dict[str, str] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    errors: dict[str, str] = field(default_factory=dict)

    def add(self, events: Iterable[Event]) -> None:
        """Count lines of the journal; those of other boots, and runs that a person asked for, are left out."""
        for event in events:
            if event.get("boot_id") != self.boot or event.get("trigger") in {"manual", "backfill"}:
                continue
            bot = str(event.get("bot", ""))
            match event["event"]:
                case "run_start":
                    self.begun.add(bot)
                case "error":
                    self.errors[bot] = str(event.get("error", ""))
                case "run_end":
                    self.outcomes.setdefault(bot, str(event.get("outcome")))

    def failure(self, bots: Iterable[str]) -> str | None:
        """Return what is wrong with the first of the bots whose run did not succeed, or None."""
        for bot in bots:
            if self.outcomes.get(bot, "succeeded") != "succeeded":
                error = self.errors.get(bot)
                return f"{bot}: its first run {self.outcomes[bot].replace('_', ' ')}{f': {error}' if error else ''}"
        return None


def _wait_for_beat(places: Paths, since: float, limit: float) -> str | None:
    """Return the boot of a loop of this container that has beaten since then, or STANDBY; None if none did in time."""
    folder, release = places.journal / places.strategy, reloads.release(places.folder)
    end = time.monotonic() + limit
    while True:
        sign, at = heartbeat.read(folder), heartbeat.written_at(folder)
        # The container that this one replaces may still beat in the same folder, and so may the loop before a reload.
        is_ours = sign is not None and sign.host in {"", os.uname().nodename} and sign.release in {"", release}
        if sign is not None and is_ours and at is not None and at.timestamp() > since:
            return sign.boot_id
        if heartbeat.stands_by(folder, since):
            return STANDBY
        if time.monotonic() >= end:
            return None
        time.sleep(POLL_INTERVAL)


def _wait_for_runs(places: Paths, manifest: Manifest, boot: str, soon: datetime, limit: float) -> str | None:
    control, watched = Control(places.control, manifest.name), FirstRuns(boot)
    known = answers.read(places.journal / places.strategy)
    # Root has no rights of its own in the container for several strategies, and a pause that cannot be read holds.
    with acting_as_supervisor():
        free = {bot.id for bot in manifest.bots if not _is_paused(control, bot.id, known)}
    streams = {bot.id for bot in manifest.bots if bot.is_stream} & free
    now = datetime.now(UTC)
    due = {
        bot.id
        for bot in manifest.bots
        if bot.id in free - streams and (slot := next_slot(bot.schedule, now)) is not None and slot + bot.shift <= soon
    }
    follower, end = Follower(places.journal), time.monotonic() + limit
    for path in _newest_files(places):
        follower.skip(path, FAR_BACK)
    while True:
        watched.add(follower.follow(_newest_files(places)))
        due |= (watched.begun & free) - streams
        if reason := watched.failure(sorted(due | streams)):
            return reason
        silent = {bot for bot in streams if not _stream_beats(places, bot)}
        if due <= watched.outcomes.keys() and not silent:
            print(_summary(due, streams), flush=True)
            return None
        if time.monotonic() >= end:
            waiting = ", ".join(sorted((due - watched.outcomes.keys()) | silent))
            error = next((watched.errors[bot] for bot in sorted(watched.errors)), "")
            return f"{waiting}: no run succeeded within {limit:g} s{f': {error}' if error else ''}"
        time.sleep(POLL_INTERVAL)


def _newest_files(places: Paths) -> list[Path]:
    """Return the journal's files of the last two days."""
    return [path for _, path in days(places.journal / places.strategy)[-2:]]


def _summary(due: set[str], streams: set[str]) -> str:
    parts = [f"the first run of {bot} succeeded" for bot in sorted(due)] + [f"{bot} streams" for bot in sorted(streams)]
    return "; ".join(parts) or "nothing is due soon: its rehearsal counts"


def _is_paused(control: Control, bot: str, known: Answers) -> bool:
    pause = pause_of(bot, control, known)
    return pause is not None and pause.holds(datetime.now(UTC))


def _stream_beats(places: Paths, bot: str) -> bool:
    at = heartbeat.stream_beat(places.journal / places.strategy, bot)
    return at is not None and at.timestamp() > started()


def _supervisor(port: int, limit: float) -> int:
    """Wait until the status page says that the supervisor is well."""
    end, said = time.monotonic() + limit, "it does not answer"
    while time.monotonic() < end:
        connection = HTTPConnection("127.0.0.1", port, timeout=4)
        try:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            if answer.status == 200:
                return 0
            said = f"it answers {answer.status}"
        except (OSError, HTTPException) as error:
            said = str(error)
        finally:
            connection.close()
        time.sleep(POLL_INTERVAL)
    return _fail(f"supervisor: not well within {limit:g} s: {said}")


def _fail(reason: str) -> int:
    print(reason, file=sys.stderr)
    return FAILED
