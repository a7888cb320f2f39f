"""`openbell reconcile`: what the broker holds against what this strategy's orders say; `--adopt` takes the broker's word."""

import os
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from openbell.command_parser import command_parser
from openbell.journal import Journal
from openbell.manifest import ManifestError
from openbell.paths import PathError, from_environment
from openbell.runner.run_setup import desk_of, open_for, open_ledger, shares_of_others
from openbell.strategy import loader
from openbell.trading.brokers import BrokerError
from openbell.trading.markets import MarketError
from openbell.trading.reconciliation import adopt, differences


def main(arguments: Sequence[str]) -> int:
    """Print what differs; return 1 if anything does and is not adopted."""
    parser = command_parser("reconcile")
    parser.add_argument("--adopt", action="store_true", help="take the broker's word for what is held")
    options = parser.parse_args(arguments)
    now = datetime.now(UTC)
    try:
        places = from_environment(os.environ)
        manifest = loader.manifest(places)
        secrets = loader.secrets(manifest, os.environ)
        ledger = open_ledger(places)
        _, open_at = open_for(manifest, manifest.bots[0], desk_of(manifest, manifest.bots[0], places, ledger))
        compare = adopt if options.adopt else differences
        found = compare(open_at(now), ledger, manifest.symbols, now, shared=shares_of_others(manifest, places))
        if options.adopt:
            journal = Journal(places.journal, manifest.name, os.environ.get("OPENBELL_BOOT_ID", ""), echo=False)
            journal.redact(secrets)
            adopted = [one.fields() for one in found]
            journal.write("reconciled", now, broker=manifest.broker, differences=[], adopted=adopted)
            ledger.remember("reconciled", "adopted")
    except (PathError, ManifestError, BrokerError, MarketError, OSError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        return 1
    for one in found:
        named = f"; it seems to be called {one.named} now" if one.named else ""
        of_all = f" ({one.own:g} of them of {manifest.name})" if any(one.others) else ""
        print(
            f"{one.symbol}: {one.kind}: our orders say {one.ours:g}{of_all}, {manifest.broker} holds {one.theirs:g}{named}"
        )
    if not found:
        print(f"{manifest.name}: {manifest.broker} holds what our orders say")
    elif options.adopt:
        print("adopted: from now on this is what the ledger says")
    return 1 if found and not options.adopt else 0
