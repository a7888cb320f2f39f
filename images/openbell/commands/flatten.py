"""`openbell flatten`: cancel what waits and close what this strategy's own orders hold, by the path of every other order."""

import argparse
import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Bot, Manifest, ManifestError
from openbell.paths import PathError, Paths, from_environment
from openbell.runner.run_setup import desk_of, halted, open_for, open_ledger
from openbell.runner.runs import new_run_id
from openbell.strategy import loader
from openbell.strategy.context import Context
from openbell.strategy.run_state import Run
from openbell.trading.brokers import BrokerError
from openbell.trading.markets import MarketError
from openbell.trading.order_following import follow, tell

PATIENCE = 20.0  # seconds for the orders to fill
PAUSE = 0.5
REASON = "flatten"


def main(arguments: Sequence[str]) -> int:
    """Print what was done and what remains; return 1 if anything does."""
    parser = argparse.ArgumentParser(prog="openbell flatten", description="close what this strategy holds")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")
    options = parser.parse_args(arguments)
    try:
        places = from_environment(os.environ)
        manifest = loader.manifest(places)
        journal = Journal(places.journal, manifest.name, os.environ.get("OPENBELL_BOOT_ID", ""), echo=False)
        journal.redact(loader.secrets(manifest, os.environ))
        ledger = open_ledger(places)
        if options.dry_run:
            _print(manifest, _remains(ledger), "nothing is held and nothing waits")
            return 0
        for context in _contexts(manifest, places, journal, ledger):
            _close(context, ledger)
        _wait(manifest, places, journal, ledger)
        return 1 if _print(manifest, _remains(ledger), "flat: nothing is held and nothing waits") else 0
    except (PathError, ManifestError, BrokerError, MarketError, OSError, sqlite3.Error) as error:
        print(f"NOT flat: {error}", file=sys.stderr)
        return 1


def _contexts(manifest: Manifest, places: Paths, journal: Journal, ledger: Ledger) -> Iterator[Context]:
    """Yield a context for each bot that holds or waits for something, also for one that the manifest has no more."""
    names = {one.bot for one in ledger.positions() if one.quantity} | {one.bot for one in ledger.open_orders()}
    known = {bot.id: bot for bot in manifest.bots}
    for name in sorted(names):
        bot = known.get(name) or replace(manifest.bots[0], id=name, symbols=_symbols(ledger, name))
        now = datetime.now(UTC)
        market, open_at = open_for(manifest, bot, desk_of(manifest, bot, places, ledger))
        run = Run(bot, now, new_run_id(), 1)
        clock = partial(datetime.now, UTC)
        yield Context(manifest, run, market, open_at(now), ledger, journal, clock, partial(halted, places))


def _symbols(ledger: Ledger, name: str) -> tuple[str, ...]:
    held = [one.symbol for one in ledger.positions() if one.bot == name]
    waiting = [one.symbol for one in ledger.open_orders() if one.bot == name]
    return tuple(dict.fromkeys([*held, *waiting]))


def _close(context: Context, ledger: Ledger) -> None:
    """Cancel and close, symbol by symbol; one that cannot be closed is said and keeps no other from it."""
    for order in context.open_orders():
        if order.status == "uncertain":
            continue
        try:
            placed = context.cancel(order, reason=REASON)
            print(f"{context.bot}: {order.side} {order.quantity:g} {order.symbol}: {placed.status}")
        except BrokerError as error:
            print(f"{context.bot}: {order.symbol}: could not be cancelled: {error}", file=sys.stderr)
    for symbol in _symbols(ledger, context.bot):
        try:
            if not (held := context.position(symbol)):
                continue
            side = "sell" if held > 0 else "buy"
            placed = context.order(symbol, side, abs(held), reason=REASON, leg=REASON)
            print(f"{context.bot}: {side} {placed.quantity:g} {symbol}: {placed.status} {placed.reason}".rstrip())
        except (BrokerError, MarketError) as error:
            print(f"{context.bot}: {symbol}: could not be closed: {error}", file=sys.stderr)


def _wait(manifest: Manifest, places: Paths, journal: Journal, ledger: Ledger) -> None:
    bot: Bot = manifest.bots[0]
    _, open_at = open_for(manifest, bot, desk_of(manifest, bot, places, ledger))
    until = time.monotonic() + PATIENCE
    while any(one.status != "uncertain" for one in ledger.open_orders()) and time.monotonic() < until:
        now = datetime.now(UTC)
        tell(follow(open_at(now), ledger, now), journal, now)
        time.sleep(PAUSE)


def _remains(ledger: Ledger) -> list[str]:
    held = [
        f"{one.bot or 'no bot'} holds {float(one.quantity):g} {one.symbol}"
        for one in ledger.positions()
        if one.quantity
    ]
    waiting = [
        f"{one.bot} {one.side} {one.quantity:g} {one.symbol} is {one.status}, {one.filled:g} filled"
        for one in ledger.open_orders()
    ]
    return held + waiting


def _print(manifest: Manifest, lines: list[str], nothing: str) -> int:
    for line in lines or [nothing]:
        print(f"{manifest.name}: {line}")
    return len(lines)
