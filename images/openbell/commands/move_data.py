"""`openbell move-data`: bring what strategies know from files into the database, or back, where all their volumes are.

It runs as root where strategies have users of their own, as `prepare-volumes` does.
"""

import os
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress

from openbell import clock, foreign_files
from openbell.command_parser import command_parser
from openbell.commands.prepare_volumes import EXIT_CANNOT, prepare, volumes
from openbell.desired_state import DATABASE
from openbell.paths import LEDGER
from openbell.renaming import Volumes
from openbell.runner.loop_lock import LoopLock

PATIENCE = 60.0  # seconds for an answer: a whole ledger is made durable at once


def main(arguments: Sequence[str]) -> int:
    """Return 0, or 3 with the reason if a strategy's data stays where it is."""
    parser = command_parser("move-data")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--to-database", action="store_true")
    way.add_argument("--to-files", action="store_true")
    options = parser.parse_args(arguments)
    if not (url := os.environ.get(DATABASE, "")):
        print(f"openbell move-data: {DATABASE} is not set: name the database in .env", file=sys.stderr)
        return EXIT_CANNOT
    from openbell import moving  # noqa: PLC0415 - its driver is where the database is used
    from openbell.postgres.database import wait_no_longer_than  # noqa: PLC0415 - as above

    wait_no_longer_than(PATIENCE, 0.0)
    places = volumes()
    move = moving.to_database if options.to_database else moving.to_files
    try:
        names = _with_files(places) if options.to_database else moving.strategies(url)
        held = [_held(places, name) for name in names]  # all of them before the first is moved
        for name in names:
            moved = move(places, name, url, clock.now())
            print(f"{name}: {moved.rows} rows and {moved.lines} lines moved, and compared", flush=True)
        del held
        if os.geteuid() == 0:
            for _ in prepare(places.journal, places.state, places.control, names):
                pass
    except (moving.MoveError, sqlite3.Error, OSError) as error:
        print(f"openbell move-data: {error}", file=sys.stderr)
        return EXIT_CANNOT
    if not names:
        print("there is nothing to move: no strategy has run here")
    return 0


def _with_files(places: Volumes) -> Iterable[str]:
    """Return the strategies that have a ledger here that was not moved yet."""
    from openbell.ledger import Ledger  # noqa: PLC0415 - as above
    from openbell.ledger.records import MOVED  # noqa: PLC0415 - as above

    found = []
    with suppress(FileNotFoundError):
        for name in foreign_files.folders(places.state):
            if (places.state / name / LEDGER).exists():
                ledger = Ledger(places.state / name / LEDGER)
                found += [] if ledger.fact(MOVED) else [name]
                ledger.close()
    return found


def _held(places: Volumes, name: str) -> LoopLock:
    """Return the lock of a strategy's loop, held; OSError if a loop has it."""
    (places.state / name).mkdir(parents=True, exist_ok=True)
    lock = LoopLock(places.state / name)
    if holder := lock.try_to_acquire():
        msg = f"{name} runs ({holder}): stop everything with `make down` first; nothing was moved"
        raise BlockingIOError(msg)
    return lock
