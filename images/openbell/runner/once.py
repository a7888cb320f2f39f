"""`openbell once STRATEGY`: run what is due now, and end. For cron, and for other programs that start one at a set time.

It is the loop of `openbell run` under the same lock, the same ledger and the same journal, ended as soon as nothing is
due: the slot runs within its grace and never twice, retries included, and slots for which it was not started are
journalled as missed.
"""

import argparse
import faulthandler
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from openbell import heartbeat
from openbell.calendars.own_days import TOML, OwnDaysError, read
from openbell.command_parser import command_parser
from openbell.journal import Journal
from openbell.manifest import Manifest, parse_duration, strategy_folders
from openbell.own_days_file import publish_own_days
from openbell.paths import LEDGER, PathError, Paths, from_environment, prepare
from openbell.records import replace
from openbell.runner import orphans
from openbell.runner.clock import LONGEST_WAIT, SystemClock
from openbell.runner.loop import Loop
from openbell.runner.loop_control import LoopControl
from openbell.runner.loop_lock import LoopLock
from openbell.runner.loop_services import LoopServices
from openbell.runner.output import Pipe
from openbell.runner.processes import Launcher, RunProcess
from openbell.runner.recovery import recover
from openbell.runner.run_setup import open_ledger
from openbell.runner.startup import (
    CANNOT_START,
    EXIT_CANNOT_START,
    arm_watchdog,
    captured,
    drain_when_asked_to_stop,
    launcher_of,
    tell_start,
    tell_that_it_cannot_start,
    tidy,
)
from openbell.strategy import loader
from openbell.strategy.run_state import Run
from openbell.strategy_user import keep_private, share

TRIGGER = "cron"
EXIT_NOT_WELL = 1  # a run that did not succeed, or a slot that was missed
EXIT_USAGE = 2
EXIT_BUSY = 75  # another process runs the strategy, and went on for as long as a slot may wait (EX_TEMPFAIL)
PAUSE = 0.2  # seconds between two attempts to get the lock


class _RecordingJournal(Journal):
    """A journal that also remembers how the slots of this process ended."""

    def __init__(self, root: Path, strategy: str, boot_id: str) -> None:
        super().__init__(root, strategy, boot_id)
        self.outcomes: list[str] = []

    def _line(
        self, event: str, at: datetime, run: Mapping[str, object], level: str, fields: Mapping[str, object]
    ) -> str:
        if event in {"run_end", "slot_skipped"}:
            self.outcomes.append(str({**run, **fields}["outcome"]))
        return super()._line(event, at, run, level, fields)


def main(arguments: Sequence[str]) -> int:
    """Run what is due; return 0 (all well, or nothing due), or a code above that says what happened."""
    parser = command_parser(
        "once",
        epilog="exit codes: 0 all well or nothing due; 1 a run did not succeed or a slot was missed; 2 wrong usage; "
        "3 the strategy cannot start; 75 another process runs the strategy",
    )
    parser.add_argument("strategy", help="a folder below $OPENBELL_STRATEGIES")
    parser.add_argument("--bot", action="append", default=[], help="only this bot (may be given several times)")
    parser.add_argument(
        "--ahead", default="0s", type=_duration, help='also wait for slots within this time, such as "60s"'
    )
    options = parser.parse_args(arguments)
    faulthandler.enable()
    root = Path(os.environ.get("OPENBELL_STRATEGIES", "/strategies"))
    known = [folder.name for folder in strategy_folders(root)]
    if options.strategy not in known:
        return _refuse(f'found "{options.strategy}"; allowed: a strategy below {root} ({", ".join(known) or "none"})')
    environment = {"OPENBELL_FOLDER": str(root / options.strategy), **os.environ, "OPENBELL_STRATEGY": options.strategy}
    try:
        places = from_environment(environment)
        prepare(places.journal / places.strategy)
        keep_private(places.journal / places.strategy)
    except PathError as error:
        return _refuse(str(error), EXIT_CANNOT_START)
    if places.database:
        return _refuse(
            "OPENBELL_DATABASE is set, and this command keeps all it knows in files: use `openbell run`, or unset it"
        )
    # What a run that starts in a new interpreter finds its places by.
    os.environ |= {"OPENBELL_FOLDER": str(places.folder), "OPENBELL_STRATEGY": places.strategy}
    boot_id = os.environ["OPENBELL_BOOT_ID"] = os.urandom(4).hex()
    journal = _RecordingJournal(places.journal, places.strategy, boot_id)
    try:
        prepare(places.state)
        manifest = _manifest(places, options.bot)
        if manifest is None:
            return EXIT_USAGE
        if not _lock(places, max(bot.shift + bot.grace for bot in manifest.bots)):
            return EXIT_BUSY
        return _settle(manifest, places, journal, boot_id, options.ahead)
    except CANNOT_START as error:
        tell_that_it_cannot_start(journal, error)
        return EXIT_CANNOT_START


def _manifest(places: Paths, wanted: Sequence[str]) -> Manifest | None:
    """Return the manifest with the bots that are to run, or None after an error message that names the bots."""
    manifest = loader.manifest(places)
    slotted = tuple(bot for bot in manifest.bots if not bot.is_stream)
    names = [bot.id for bot in slotted]
    for name in wanted:
        if name not in names:
            _refuse(f"--bot {name}: {manifest.name} has no such bot with slots; it has: {', '.join(names) or 'none'}")
            return None
    if not slotted:
        _refuse(f"{manifest.name} has only streams, which are not due at a time: run it with `openbell run`")
        return None
    return replace(manifest, bots=tuple(bot for bot in slotted if not wanted or bot.id in wanted))


def _lock(places: Paths, patience: timedelta) -> bool:
    """Take the strategy's lock; tell whether that was possible for as long as a slot may wait for its start."""
    lock, until = LoopLock(places.state), time.monotonic() + patience.total_seconds()
    while (holder := lock.try_to_acquire()) is not None:
        if time.monotonic() >= until:
            _refuse(f"{places.strategy}: {holder} runs this strategy, and has for longer than its slots may wait")
            return False
        time.sleep(PAUSE)
    return True


def _settle(manifest: Manifest, places: Paths, journal: _RecordingJournal, boot_id: str, ahead: timedelta) -> int:
    """Run the loop until nothing is due any more, also not within `ahead`."""
    clock, launcher = SystemClock(), _LazyLauncher()
    until = clock.now() + ahead
    share(places.state / LEDGER)
    ledger = open_ledger(places, prepare=True)
    journal.redact(loader.secrets(manifest, os.environ))
    control = LoopControl(places.control, manifest.name, journal.folder, boot_id)
    _follow_own_days(places)
    loop = Loop(manifest, LoopServices(clock, ledger, journal, control, launcher), boot_id, TRIGGER)
    is_new = any(ledger.accounted_until(bot.id) is None for bot in manifest.bots)
    previous_stop = ledger.fact("previous stop") or "clean"
    loop.begin(recover(manifest, ledger, journal, clock.now()), reach_back=True)
    if loop.is_settled(until) and not journal.outcomes and not is_new:
        return 0  # nothing to do and nothing to say, and no need to import the strategy
    tell_start(journal, manifest, places, previous_stop)
    ledger.remember("previous stop", "unclean")
    orphans.adopt()
    with captured(journal) as printed:
        arm_watchdog()  # from here on: its stack goes to the real standard error, which has just moved
        launcher.launcher = launcher_of(manifest, places, journal)
        _turn(loop, clock, until, printed)
    tidy(ledger, journal, clock.now())
    return 0 if set(journal.outcomes) <= {"succeeded", "skipped"} else EXIT_NOT_WELL


def _turn(loop: Loop, clock: SystemClock, until: datetime, printed: Pipe) -> None:
    """Let the loop turn until nothing is due any more."""
    stop = drain_when_asked_to_stop(loop)
    while True:
        arm_watchdog()
        printed.read()
        wait = loop.step()
        if loop.is_drained or loop.is_settled(until):
            break
        clock.wait(min(wait, LONGEST_WAIT))
    loop.finish(stop[0] if stop else heartbeat.UNTIL_NEXT)


def _follow_own_days(places: Paths) -> None:
    """Let the loop obey calendar.toml beside the strategy: cron has the folder itself, and no command that tells of it."""
    path = places.folder.parent / TOML
    if path.is_file():
        try:
            places.control.mkdir(parents=True, exist_ok=True)
            publish_own_days(places.control, read(path))
        except OwnDaysError as error:
            raise PathError(str(error)) from None


class _LazyLauncher:
    """A launcher that is there once the strategy has been imported."""

    def __init__(self) -> None:
        self.launcher: Launcher | None = None

    def start(self, run: Run) -> RunProcess:
        """Start one attempt."""
        if self.launcher is None:
            msg = "the strategy is not imported yet"
            raise OSError(msg)
        return self.launcher.start(run)


def _duration(text: str) -> timedelta:
    duration = parse_duration(text)
    if duration is None:
        msg = f'found "{text}"; allowed: a duration such as "60s"'
        raise argparse.ArgumentTypeError(msg)
    return duration


def _refuse(line: str, code: int = EXIT_USAGE) -> int:
    print(f"openbell once: {line}", file=sys.stderr, flush=True)
    return code
