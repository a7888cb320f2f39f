"""`openbell owners`: which host runs each strategy, and where each is at home, where hosts share a database."""

import os
import sqlite3
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from openbell.command_parser import command_parser
from openbell.desired_state import DATABASE

if TYPE_CHECKING:
    from openbell.postgres.database import Database

EXIT_CANNOT = 3
_OWNERS = "SELECT strategy, host, until > clock_timestamp(), epoch FROM owners WHERE strategy <> ? AND epoch > 0 ORDER BY strategy"


def shared_database() -> "Database":
    """Return what hosts share; OSError or sqlite3.Error with one line if there is nothing."""
    if not (url := os.environ.get(DATABASE, "")):
        msg = f"{DATABASE} is not set: this host shares its strategies with no other"
        raise OSError(msg)
    from openbell.postgres.database import Database  # noqa: PLC0415 - its driver is where the database is used
    from openbell.postgres.tables import SHARED, SHARED_SCHEMA  # noqa: PLC0415 - as above

    database = Database(url, SHARED_SCHEMA)
    database.make(SHARED)
    return database


def main(arguments: Sequence[str]) -> int:
    """Print a line for each strategy; return 3 if there is no database that could be asked."""
    command_parser("owners").parse_args(arguments)
    try:
        database = shared_database()
        from openbell.postgres import homes  # noqa: PLC0415 - as the database
        from openbell.postgres.tables import ALERTS  # noqa: PLC0415 - as the database

        rows, lives = database.execute(_OWNERS, (ALERTS,)), homes.known(database)
    except (sqlite3.Error, OSError) as error:
        print(f"openbell owners: {error}", file=sys.stderr)
        return EXIT_CANNOT
    width = max((len(str(row[0])) for row in rows), default=0)
    for strategy, host, is_alive, epoch in rows:
        where = f"runs on {host}" if is_alive else f"runs nowhere; the last host was {host}"
        home = f"; at home on {lives[str(strategy)].home}" if str(strategy) in lives else ""
        print(f"{strategy!s:<{width}}  {where} (epoch {epoch}){home}")
    return 0
