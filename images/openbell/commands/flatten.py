"""`openbell flatten`: cancel what waits and close what this strategy's own orders hold, by the path of every other order."""

import os
import sqlite3
import sys
from collections.abc import Sequence

from openbell.command_parser import command_parser
from openbell.journal import Journal
from openbell.manifest import ManifestError
from openbell.paths import PathError, from_environment
from openbell.runner.flattening import flatten, remains
from openbell.runner.run_setup import open_ledger
from openbell.strategy import loader
from openbell.trading.brokers import BrokerError
from openbell.trading.markets import MarketError


def main(arguments: Sequence[str]) -> int:
    """Print what was done and what remains; return 1 if anything does."""
    parser = command_parser("flatten")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")
    options = parser.parse_args(arguments)
    try:
        places = from_environment(os.environ)
        manifest = loader.manifest(places)
        journal = Journal(places.journal, manifest.name, os.environ.get("OPENBELL_BOOT_ID", ""), echo=False)
        journal.redact(loader.secrets(manifest, os.environ))
        ledger = open_ledger(places)
        left = remains(ledger) if options.dry_run else flatten(manifest, places, journal, ledger)
        flat = "nothing is held and nothing waits" if options.dry_run else "flat: nothing is held and nothing waits"
    except (PathError, ManifestError, BrokerError, MarketError, OSError, sqlite3.Error) as error:
        print(f"NOT flat: {error}", file=sys.stderr)
        return 1
    for line in left or [flat]:
        print(f"{manifest.name}: {line}")
    return 1 if left and not options.dry_run else 0
