"""`openbell owners`: which host runs each strategy, where hosts share a database."""

import argparse
import os
import sqlite3
import sys
from collections.abc import Sequence

from openbell.desired_state import DATABASE

EXIT_CANNOT = 3
_OWNERS = "SELECT strategy, host, until > clock_timestamp(), epoch FROM owners WHERE strategy <> ? AND epoch > 0 ORDER BY strategy"


def main(arguments: Sequence[str]) -> int:
    """Print a line for each strategy; return 3 if there is no database that could be asked."""
    argparse.ArgumentParser(prog="openbell owners", description="show which host runs each strategy").parse_args(
        arguments
    )
    if not (url := os.environ.get(DATABASE, "")):
        print(f"openbell owners: {DATABASE} is not set: this host shares its strategies with no other", file=sys.stderr)
        return EXIT_CANNOT
    from openbell.postgres.database import Database  # noqa: PLC0415 - its driver is where the database is used
    from openbell.postgres.tables import ALERTS, SHARED, SHARED_SCHEMA  # noqa: PLC0415 - as above

    try:
        database = Database(url, SHARED_SCHEMA)
        database.make(SHARED)
        rows = database.execute(_OWNERS, (ALERTS,))
    except (sqlite3.Error, OSError) as error:
        print(f"openbell owners: {error}", file=sys.stderr)
        return EXIT_CANNOT
    width = max((len(str(row[0])) for row in rows), default=0)
    for strategy, host, is_alive, epoch in rows:
        where = f"runs on {host}" if is_alive else f"runs nowhere; the last host was {host}"
        print(f"{strategy!s:<{width}}  {where} (epoch {epoch})")
    return 0
