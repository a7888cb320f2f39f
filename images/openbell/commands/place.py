"""`openbell place`: give strategies homes and standbys among the hosts that share a database (used by deploys)."""

import json
import sqlite3
import sys
from collections.abc import Sequence

from openbell.command_parser import command_parser
from openbell.commands.owners import EXIT_CANNOT, shared_database


def main(arguments: Sequence[str]) -> int:
    """Keep the homes, and print those that are new; return 3 if there is no database that could be asked."""
    parser = command_parser("place")
    parser.add_argument(
        "wanted",
        type=json.loads,
        help='{"hosts": [name, …], "needs": {strategy: bytes}, "fixed": {strategy: [home, standby]}}',
    )
    wanted = parser.parse_args(arguments).wanted
    try:
        database = shared_database()
        from openbell.postgres import homes  # noqa: PLC0415 - as the database

        before = homes.known(database)
        fixed = {strategy: homes.Home(*one) for strategy, one in wanted["fixed"].items()}
        found = homes.placed(wanted["needs"], wanted["hosts"], fixed, before)
        homes.keep(database, found)
    except (sqlite3.Error, OSError) as error:
        print(f"openbell place: {error}", file=sys.stderr)
        return EXIT_CANNOT
    for strategy, one in sorted(found.items()):
        if one != before.get(strategy):
            print(f"{strategy}: at home on {one.home}, its standby is {one.standby}")
    return 0
