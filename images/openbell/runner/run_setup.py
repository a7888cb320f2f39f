"""What a run's market and broker are given, and the check of the account before anything is decided."""

import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from types import MappingProxyType

from openbell import account_shares, clock, control
from openbell.account_shares import Shares
from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.ledger.records import MOVED
from openbell.manifest import Bot, Manifest
from openbell.paths import LEDGER, Paths
from openbell.records import replace
from openbell.trading.brokers import Broker, BrokerError
from openbell.trading.brokers.registry import open_broker
from openbell.trading.markets import Market
from openbell.trading.markets.registry import open_market
from openbell.trading.reconciliation import holdings, reconcile
from openbell.trading.run_services import Intent, RunServices

PATIENCE = 10.0  # seconds that a broker without an answer may hold up a run before it has begun
STREAM_PATIENCE = 0.5  # of a stream's timeout: it must beat again before that is over


class TimeLeft:
    """The seconds that a run has left: its time-out, counted from the last restart; for a stream a part of it, always."""

    def __init__(self, bot: Bot) -> None:
        self._seconds = bot.timeout.total_seconds()
        self._is_stream = bot.is_stream
        self.restart()

    def restart(self) -> None:
        """Count from now."""
        self._until = time.monotonic() + self._seconds

    def __call__(self) -> float:
        """Return the seconds."""
        return STREAM_PATIENCE * self._seconds if self._is_stream else self._until - time.monotonic()


def desk_of(
    manifest: Manifest, bot: Bot, places: Paths, ledger: Ledger | None = None, time_left: TimeLeft | None = None
) -> RunServices:
    """Return the desk of one run; its time runs from now if `time_left` does not say otherwise."""
    return RunServices(
        symbols=manifest.symbols,
        folder=places.folder,
        state=places.state,
        database=places.database,
        strategy=places.strategy,
        live=manifest.live,
        feed=manifest.feed,
        costs=manifest.costs,
        short=manifest.limits.short,
        secrets=_secrets(manifest, os.environ),
        addresses=MappingProxyType({name: value for name, value in os.environ.items() if name.endswith("_URL")}),
        remaining=time_left or TimeLeft(bot),
        halted=partial(halted, places),
        intended=partial(_intended, ledger),
        sending=partial(_sending, manifest, places, ledger),
    )


def open_for(manifest: Manifest, bot: Bot, desk: RunServices) -> tuple[Market, partial[Broker]]:
    """Return the bot's market, and what opens its broker for an instant."""
    market = open_market(manifest.market, bot, desk)
    return market, partial(open_broker, manifest.broker, desk.state, market, desk=desk)


def open_ledger(places: Paths, *, prepare: bool = False) -> Ledger:
    """Return the strategy's ledger, in its state or in a database; prepare: make what the database lacks."""
    if places.database:
        from openbell.postgres.ledger import PostgresLedger  # noqa: PLC0415 - its driver takes 7 MB
        from openbell.postgres.ownership import guard_of  # noqa: PLC0415 - as above

        ledger: Ledger = PostgresLedger(
            places.database, places.strategy, prepare=prepare, guard=guard_of(places.strategy)
        )
    else:
        ledger = Ledger(places.state / LEDGER)
    if prepare and (moved := ledger.fact(MOVED)):
        ledger.close()
        way = "unset OPENBELL_DATABASE" if places.database else "set OPENBELL_DATABASE again"
        msg = f"the ledger of {places.strategy} was moved {moved}: {way}, or move it back (see docs/several-hosts.md)"
        raise sqlite3.OperationalError(msg)
    return ledger


def open_journal(places: Paths, boot_id: str) -> Journal:
    """Return the strategy's journal, in its folder or in a database."""
    if places.database:
        from openbell.postgres.journal import OwnedJournal  # noqa: PLC0415 - as above

        return OwnedJournal(places.database, places.journal, places.strategy, boot_id)
    return Journal(places.journal, places.strategy, boot_id)


def halted(places: Paths, *, is_exit: bool = False) -> str:
    """Return why no order may be sent now, or an empty string; a halt but for exits lets those pass."""
    if places.database:
        from openbell.postgres.control import halted_in  # noqa: PLC0415 - as above

        halt = halted_in(places.database)
    else:
        halt = control.halted(places.control)
    return str(halt) if halt and not (is_exit and halt.exits) else ""


def shares_of_others(manifest: Manifest, places: Paths) -> Callable[[], list[Shares] | None] | None:
    """Return what says what the other strategies on the account hold; None for a strategy that has its account to itself."""
    if not manifest.capital.is_set:
        return None
    return lambda: account_shares.others(places.control, places.strategy, clock.now())


def publish_holdings(manifest: Manifest, places: Paths, ledger: Ledger) -> None:
    """Say what the strategy holds, where others trade on its account too."""
    if manifest.capital.is_set and not places.database:
        with suppress(OSError):  # then the others do not know, and only what is missing differs for them
            account_shares.publish(places.journal / places.strategy, holdings(ledger))


def reconcile_account(
    manifest: Manifest, bot: Bot, desk: RunServices, ledger: Ledger, journal: Journal, now: datetime, places: Paths
) -> None:
    """Reconcile the account with the ledger. A broker that does not answer is reported, and prevents no run."""
    _, open_at = open_for(manifest, bot, replace(desk, remaining=partial(_left, time.monotonic() + PATIENCE)))
    broker = open_at(now)
    try:
        reconcile(
            manifest.broker,
            broker,
            ledger,
            manifest.symbols,
            journal,
            now,
            os.environ.get("OPENBELL_BOOT_ID", ""),
            shared=shares_of_others(manifest, places),
        )
        publish_holdings(manifest, places, ledger)
    except BrokerError as error:
        text = f"what the broker holds could not be compared with the ledger: {error}"
        journal.write("output", now, level="warning", text=text)


def open_and_reconcile(manifest: Manifest, places: Paths, journal: Journal, now: datetime) -> None:
    """Reconcile the account when the strategy's container starts, in a process of its own."""
    ledger = open_ledger(places)
    bot = manifest.bots[0]
    reconcile_account(manifest, bot, desk_of(manifest, bot, places, ledger), ledger, journal, now, places)
    ledger.close()


def _secrets(manifest: Manifest, environment: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({name: environment[name] for name in manifest.secrets if name in environment})


def _left(until: float) -> float:
    return until - time.monotonic()


def _sending(manifest: Manifest, places: Paths, ledger: Ledger | None, client_order_id: str) -> datetime:
    """Record that an order leaves now; EpochLostError if another attempt of the run has taken over."""
    now = clock.now()
    if ledger is not None:
        ledger.send_again(client_order_id, now)
        publish_holdings(manifest, places, ledger)
    return now


def _intended(ledger: Ledger | None, client_order_id: str) -> Intent | None:
    record = ledger.order(client_order_id) if ledger is not None else None
    return Intent(record.symbol, record.at or record.slot) if record else None
