"""What the account holds at the end of a run, as one line of the journal: the supervisor draws its chart from these.

It is a comfort, not part of the run: it may neither fail nor hold one up, and a broker is not asked again and again.
"""

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from openbell.journal import Journal
from openbell.trading.brokers import Broker
from openbell.trading.markets import Market

PATIENCE = 2.0  # seconds for all answers together
SELDOM = 30.0  # seconds in which the bots of a strategy ask once, unless one has sent an order
_MARK = "account.told"


class _TooLongError(BaseException):
    """The patience is over. No code in between takes this for an error of its own."""


def tell_account(
    name: str,
    broker: Broker,
    market: Market,
    at: datetime,
    folder: Path,
    journal: Journal,
    now: datetime,
    run: Mapping[str, object],
    *,
    ordered: bool,
) -> None:
    """Write the event `account`, unless that was done just now or the broker does not answer.

    at: the instant for the market's prices. folder: the strategy's state. ordered: this run has changed the account.
    """
    # Whatever a broker or a market raises here, the run has done its work.
    with contextlib.suppress(Exception, _TooLongError), _limit():
        mark = folder / _MARK
        if not ordered and _is_fresh(mark):
            return
        mark.touch()
        account, positions = broker.account(), broker.positions()
        held: dict[str, dict[str, float]] = {}
        equity: float | None = account.cash
        for symbol, position in positions.items():
            held[symbol] = {"qty": position.quantity, "average_price": position.average_price}
            price = _price(market, symbol, at)
            if price is not None:
                held[symbol] |= {"price": price, "value": round(position.quantity * price, 6)}
            equity = None if price is None or equity is None else equity + position.quantity * price
        stated = getattr(account, "equity", None)
        equity = equity if stated is None else stated  # a broker that knows knows better
        profit = getattr(account, "day_profit_loss", None)
        journal.write(
            "account",
            now,
            run,
            broker=name,
            cash=account.cash,
            equity=None if equity is None else round(equity, 6),
            currency=account.currency,
            positions=held,
            **({} if profit is None else {"day_profit_loss": profit}),
        )


def _price(market: Market, symbol: str, at: datetime) -> float | None:
    # The account may hold what this bot's market does not know: another bot's symbols, or a person's.
    with contextlib.suppress(Exception):
        price = market.price(symbol, at)
        return price if math.isfinite(price) else None
    return None


def _is_fresh(mark: Path) -> bool:
    try:
        return 0 <= time.time() - mark.stat().st_mtime < SELDOM
    except OSError:
        return False


@contextlib.contextmanager
def _limit() -> Iterator[None]:
    """Interrupt what takes longer than PATIENCE; only a main thread can, and a run's process has its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def interrupt(_number: int, _frame: object) -> None:
        if os.getpid() == process:
            raise _TooLongError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
