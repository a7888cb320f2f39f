"""Closes what a strategy's own orders hold: for `openbell flatten`, and for a loop that a person asks for it."""

import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial

from openbell import clock
from openbell.control import Request
from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.ledger.holdings import SHARED
from openbell.manifest import Bot, Manifest
from openbell.paths import Paths
from openbell.records import replace
from openbell.runner.processes import RunProcess
from openbell.runner.report import Failure
from openbell.runner.request_refusals import age_refusal
from openbell.runner.run_setup import desk_of, halted, open_for, open_ledger
from openbell.runner.runs import new_run_id
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.brokers import BrokerError
from openbell.trading.markets import MarketError
from openbell.trading.order_following import follow, write_events

PATIENCE = 20.0  # seconds for the orders to fill
PAUSE = 0.5
REASON = "flatten"
LONGEST = 300.0  # seconds; a process that a broker holds up for so long is ended, and a person may ask again


class Flattening:
    """The process that closes everything, when a person asks a loop for it. start: forks it; None where there is none."""

    def __init__(self, start: Callable[[], RunProcess] | None = None) -> None:
        self._start = start
        self._process: RunProcess | None = None
        self._ends_at: float | None = None  # elapsed seconds

    @property
    def is_busy(self) -> bool:
        """Tell whether positions are being closed."""
        return self._process is not None

    def begin(self, request: Request, now: datetime) -> str:
        """Begin what a request asks for; return why it is refused, empty if it is not."""
        if self._start is None:
            return "this loop closes no positions"
        if reason := age_refusal(request, now):
            return reason
        if self._process is not None:
            return "positions are being closed already"
        self._process, self._ends_at = self._start(), None
        return ""

    def tend(self, steady: float) -> None:
        """See whether it has ended, and end it if a broker holds it up for LONGEST."""
        if self._process is None:
            return
        self._ends_at = self._ends_at or steady + LONGEST
        if steady >= self._ends_at:
            self._process.kill()
        if self._process.poll() is not None:
            self._process = None

    def end(self) -> None:
        """End it at once: orders belong to another loop from here on."""
        if self._process is not None:
            self._process.kill()
            self._process = None


def flatten_in_child(manifest: Manifest, places: Paths, journal: Journal) -> Failure | None:
    """Close everything; what is printed, what remains included, is the strategy's output in its journal."""
    with closing(open_ledger(places)) as ledger:
        left = flatten(manifest, places, journal, ledger)
    for line in left or ["flat: nothing is held and nothing waits"]:
        print(f"{manifest.name}: {line}", flush=True)
    return None


def flatten(manifest: Manifest, places: Paths, journal: Journal, ledger: Ledger) -> list[str]:
    """Cancel what waits and close what is held, by the path of every other order; return what remains."""
    for one in ledger.positions():
        if (
            one.bot == SHARED and one.quantity
        ):  # it goes to the first bot that asks for it: here, to the one that closes it
            ledger.position(_bot_of(manifest, one.symbol).id, one.symbol, takes=True)
    contexts = list(_contexts(manifest, places, journal, ledger))
    cancelled = {name for context in contexts for name in _cancel(context)}
    _follow(manifest, places, journal, ledger, cancelled)  # only then is free what they have kept back
    for context in contexts:
        _close(context, ledger)
    _follow(manifest, places, journal, ledger)
    return remains(ledger)


def _bot_of(manifest: Manifest, symbol: str) -> Bot:
    return next((bot for bot in manifest.bots if symbol in bot.symbols), manifest.bots[0])


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
        services = ContextServices(manifest, market, open_at(now), ledger, journal, clock, partial(halted, places))
        yield Context(RunProgress(services, run))


def _symbols(ledger: Ledger, name: str) -> tuple[str, ...]:
    held = [one.symbol for one in ledger.positions() if one.bot == name]
    waiting = [one.symbol for one in ledger.open_orders() if one.bot == name]
    return tuple(dict.fromkeys([*held, *waiting]))


def _cancel(context: Context) -> Iterator[str]:
    """Cancel what waits, and yield the ids; an order that cannot be cancelled is said."""
    for order in context.open_orders():
        if order.status == "uncertain":
            continue
        try:
            placed = context.cancel(order, reason=REASON)
            print(f"{context.bot}: {order.side} {order.quantity:g} {order.symbol}: {placed.status}")
        except BrokerError as error:
            print(f"{context.bot}: {order.symbol}: could not be cancelled: {error}", file=sys.stderr)
        yield order.client_order_id


def _close(context: Context, ledger: Ledger) -> None:
    """Close what is held, symbol by symbol; one that cannot be closed is said and keeps no other from it."""
    for symbol in _symbols(ledger, context.bot):
        try:
            if not (held := context.position(symbol)):
                continue
            side = "sell" if held > 0 else "buy"
            placed = context.order(symbol, side, abs(held), reason=REASON, leg=REASON)
            print(f"{context.bot}: {side} {placed.quantity:g} {symbol}: {placed.status} {placed.reason}".rstrip())
        except (BrokerError, MarketError) as error:
            print(f"{context.bot}: {symbol}: could not be closed: {error}", file=sys.stderr)


def _follow(
    manifest: Manifest, places: Paths, journal: Journal, ledger: Ledger, only: Collection[str] | None = None
) -> None:
    """Follow orders, all or only some, until they are done or patience ends; a broker that gives no answer is asked again."""
    bot = manifest.bots[0]
    _, open_at = open_for(manifest, bot, desk_of(manifest, bot, places, ledger))
    until = time.monotonic() + PATIENCE
    while _any_waits(ledger, only) and time.monotonic() < until:
        now = datetime.now(UTC)
        with suppress(BrokerError):
            write_events(follow(open_at(now), ledger, now), journal, now)
        time.sleep(PAUSE / clock.SPEED)


def _any_waits(ledger: Ledger, only: Collection[str] | None) -> bool:
    waiting = [one for one in ledger.open_orders() if one.status != "uncertain"]
    return any(only is None or one.client_order_id in only for one in waiting)


def remains(ledger: Ledger) -> list[str]:
    """Return what is held and what waits, a line each."""
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
