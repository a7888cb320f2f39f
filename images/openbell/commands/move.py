"""`openbell move`: let a strategy run on another of the hosts that share a database, from its next quiet moment on."""

import sqlite3
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from openbell.command_parser import command_parser
from openbell.commands.owners import EXIT_CANNOT, shared_database

if TYPE_CHECKING:
    from openbell.postgres.database import Database

EXIT_REFUSED, EXIT_LATE = 1, 75
STANDS_BY_WITHIN = 10.0  # seconds in which a loop that stands by says so
LOOK = 0.5  # seconds between two looks


def main(arguments: Sequence[str]) -> int:
    """Make the host the strategy's home, and wait until it runs there; 1 if nothing stands by there, 75 if it takes too long."""
    parser = command_parser("move")
    parser.add_argument("strategy")
    parser.add_argument("host", help="the host as OPENBELL_HOST names it there")
    parser.add_argument("--for", dest="patience", type=float, default=900.0, help="how many seconds to wait at most")
    options = parser.parse_args(arguments)
    try:
        return _move(shared_database(), options.strategy, options.host, options.patience)
    except (sqlite3.Error, OSError) as error:
        print(f"openbell move: {error}", file=sys.stderr)
        return EXIT_CANNOT


def _move(database: "Database", strategy: str, host: str, patience: float) -> int:
    from openbell.postgres import homes  # noqa: PLC0415 - its driver is where the database is used
    from openbell.postgres.ownership import Ownership  # noqa: PLC0415 - as above

    row = Ownership(database, strategy, "", "")
    owner = row.current()
    if owner is None:
        print(f"openbell move: {strategy} has never run with this database", file=sys.stderr)
        return EXIT_REFUSED
    before = homes.known(database).get(strategy)
    standby = owner.host if owner.host != host else before.standby if before else ""
    homes.keep(database, {strategy: homes.Home(host, standby)})
    until, stands_by = time.monotonic() + patience, time.monotonic() + STANDS_BY_WITHIN
    is_told = False
    while owner is None or owner.host != host or owner.seconds_left < 0:
        if not is_told and homes.waits(database, strategy, host):
            print(f"{strategy}: {host} takes it over between two runs", flush=True)
            is_told = True
        if not is_told and time.monotonic() > stands_by:
            homes.keep(database, {strategy: before}) if before else homes.forget(database, strategy)
            print(f"openbell move: no loop of {strategy} stands by on {host}: deploy there first", file=sys.stderr)
            return EXIT_REFUSED
        if time.monotonic() > until:
            print(
                f"openbell move: {strategy} still runs elsewhere; {host} takes it over as soon as it can",
                file=sys.stderr,
            )
            return EXIT_LATE
        time.sleep(LOOK)
        owner = row.current()
    print(f"{strategy}: runs on {host}, and is at home there")
    return 0
