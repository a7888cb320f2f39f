"""Reconciliation: what the broker holds against what the strategy's own orders have bought and sold.

A difference is reported and remains until a person settles it. (`openbell reconcile --adopt` takes the broker's word.) Two kinds
are explained by themselves, and told too: what exchanges keep as a fee, a part of a per cent of coins, and the splits and
renames that a broker tells of, where they explain a difference exactly.
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from openbell.journal import Journal
from openbell.ledger import Ledger, OrderRecord
from openbell.ledger.records import NOT_COMPARED
from openbell.records import dataclass, replace
from openbell.trading import account_facts, cash_following
from openbell.trading.brokers import Broker, BrokerError, Position
from openbell.trading.corporate_actions import CorporateAction, TellsCorporateActions
from openbell.trading.order_following import follow, write_events
from openbell.trading.waiting_orders import left_to_fill

SELDOM = timedelta(seconds=10)  # runs that start together look once
FEE = 0.005  # of a holding in coins
ACTIONS_FOR = timedelta(days=30)  # how old a split or rename may be that explains a difference
Shares = Sequence[Mapping[str, tuple[float, float]]]  # of the other strategies on an account, see `account_shares`
CONFIRM_AFTER_SHARED = 4.0  # seconds: what another strategy has just traded must have been passed on
CONFIRM_AFTER = 0.7  # seconds: a fill may show in the order before it shows in the position
ADOPTED = "given up by make reconcile ADOPT=1: what the broker holds counts"
_EXACT = 1e-6  # of a quantity, which brokers round


@dataclass(frozen=True)
class Difference:
    """One symbol of which the broker holds another quantity than our orders say."""

    symbol: str
    kind: str  # missing, unexpected, quantity or renamed
    ours: float
    theirs: float
    named: str = ""  # what the symbol seems to be called now
    others: tuple[float, ...] = ()  # what each of the other strategies on the account holds; it is in `ours`

    @property
    def own(self) -> float:
        """Return what this strategy's own orders say."""
        return self.ours - sum(self.others)

    @property
    def own_share(self) -> float:
        """Return what of the broker's quantity is this strategy's, if the others are right."""
        return self.theirs - sum(self.others)

    @property
    def is_shortfall(self) -> bool:
        """Tell whether the broker holds less than our orders say, or the other side of it."""
        return self.theirs < self.ours if self.ours > 0 else self.theirs > self.ours if self.ours < 0 else False

    def fields(self) -> dict[str, object]:
        """Return what the journal says of it."""
        told: dict[str, object] = {"symbol": self.symbol, "kind": self.kind, "ours": self.ours, "theirs": self.theirs}
        if any(self.others):
            told["own"] = self.own
        return {**told, "named": self.named} if self.named else told


def compare(
    symbols: Iterable[str],
    ours: Mapping[str, float],
    theirs: Mapping[str, float],
    waiting: Mapping[str, tuple[float, float]],
) -> list[Difference]:
    """Return what differs, by symbol, among the strategy's symbols and those that it holds.

    waiting: by symbol, how much open orders may have sold (below zero) and bought that our count does not know of yet.
    """
    found: list[Difference] = []
    strangers = {
        symbol: quantity for symbol, quantity in theirs.items() if symbol not in ours and symbol not in set(symbols)
    }
    for symbol in sorted({*symbols, *ours}):
        mine, yours = ours.get(symbol, 0.0), theirs.get(symbol, 0.0)
        low, high = waiting.get(symbol, (0.0, 0.0))
        slack = _EXACT * max(abs(mine), abs(yours), 1e-3)
        if mine + low - slack <= yours <= mine + high + slack:
            continue
        named = next((one for one, quantity in strangers.items() if not yours and abs(quantity - mine) <= slack), "")
        kind = "renamed" if named else "missing" if not yours else "unexpected" if not mine else "quantity"
        found.append(Difference(symbol, kind, mine, yours, named))
    return found


def differences(
    broker: Broker,
    ledger: Ledger,
    symbols: Iterable[str],
    now: datetime,
    news: list[OrderRecord] | None = None,
    *,
    shared: Callable[[], Shares | None] | None = None,
    without: Collection[str] = (),
) -> list[Difference]:
    """Return what differs now; one that a second look does not confirm was a fill on its way.

    news: takes up the orders of which there was something new. shared: other strategies trade on the account too, and this
    says what they hold; where they do not say it, what is there beyond our orders is theirs, and only what is missing differs.
    without: ids of orders that explain nothing.
    """
    symbols = tuple(symbols)
    news = [] if news is None else news
    news += follow(broker, ledger, now)
    others = shared() if shared is not None else []
    found = _compare(broker, ledger, symbols, without, others or ())
    if found:
        time.sleep(CONFIRM_AFTER if shared is None else CONFIRM_AFTER_SHARED)
        news += follow(broker, ledger, now)
        others = shared() if shared is not None else []
        confirmed = _compare(broker, ledger, symbols, without, others or ())
        found = [one for one in confirmed if any(one.symbol == first.symbol for first in found)]
    return [one for one in found if one.is_shortfall] if others is None else found


def holdings(ledger: Ledger) -> dict[str, tuple[float, float]]:
    """Return, by symbol, the least and the most that a strategy holds, whatever becomes of its orders that wait."""
    held, waiting = ledger.holdings(), _waiting(ledger.open_orders())
    return {
        symbol: (held.get(symbol, 0.0) + low, held.get(symbol, 0.0) + high)
        for symbol in {*held, *waiting}
        for low, high in [waiting.get(symbol, (0.0, 0.0))]
    }


def _compare(
    broker: Broker, ledger: Ledger, symbols: tuple[str, ...], without: Collection[str], others: Shares
) -> list[Difference]:
    # Another run's order that fills between the two questions must not look like a difference: what the ledger says is
    # asked before and after, and whatever lies between the two answers is right.
    before, theirs, after = ledger.holdings(), _quantities(broker.positions()), ledger.holdings()
    waiting = _waiting(one for one in ledger.open_orders() if one.client_order_id not in without)
    for symbol in {*before, *after}:
        moved = before.get(symbol, 0.0) - after.get(symbol, 0.0)
        low, high = waiting.get(symbol, (0.0, 0.0))
        waiting[symbol] = (low + min(moved, 0.0), high + max(moved, 0.0))
    beside: dict[str, float] = {}
    for share in others:
        for symbol, (least, most) in share.items():
            if symbol in symbols or symbol in after:
                low, high = waiting.get(symbol, (0.0, 0.0))
                waiting[symbol] = (low, high + most - least)
                beside[symbol] = beside.get(symbol, 0.0) + least
    all_of_us = {symbol: after.get(symbol, 0.0) + beside.get(symbol, 0.0) for symbol in {*after, *beside}}
    found = compare(symbols, all_of_us, theirs, waiting)
    return [replace(one, others=tuple(_middle(share, one.symbol) for share in others)) for one in found]


def _sum(shares: Shares, symbol: str) -> float:
    return sum(_middle(share, symbol) for share in shares)


def _middle(share: Mapping[str, tuple[float, float]], symbol: str) -> float:
    low, high = share.get(symbol, (0.0, 0.0))
    return (low + high) / 2


def _quantities(positions: Mapping[str, Position]) -> dict[str, float]:
    return {symbol: position.quantity for symbol, position in positions.items()}


def _waiting(records: Iterable[OrderRecord]) -> dict[str, tuple[float, float]]:
    by_symbol: dict[str, list[OrderRecord]] = {}
    for record in records:
        by_symbol.setdefault(record.symbol, []).append(record)
    return {
        symbol: (
            -float(left_to_fill(waiting, "sell", with_uncertain=True)),
            float(left_to_fill(waiting, "buy", with_uncertain=True)),
        )
        for symbol, waiting in by_symbol.items()
    }


def reconcile(
    name: str,
    broker: Broker,
    ledger: Ledger,
    symbols: Iterable[str],
    journal: Journal,
    now: datetime,
    boot_id: str,
    *,
    shared: Callable[[], Shares | None] | None = None,
) -> list[Difference]:
    """Compare, and write the event `reconciled` if this boot has written none yet or what differs has changed."""
    last = ledger.fact("reconciled at")
    is_unknown = bool(ledger.fact(NOT_COMPARED))
    if (
        not is_unknown
        and last is not None
        and timedelta(0) <= now - datetime.fromisoformat(last) < SELDOM
        and not ledger.open_orders()
    ):
        return []
    ledger.remember("reconciled at", now.astimezone(UTC).isoformat())
    news: list[OrderRecord] = []
    symbols = tuple(symbols)
    found = differences(broker, ledger, symbols, now, news, shared=shared)
    if shared is not None and (others := shared()) is not None:
        account_facts.keep_others(ledger, {one: _sum(others, one) for one in {*symbols, *ledger.holdings()}})
    write_events(news, journal, now)
    cash = cash_following.book_new(broker, ledger, now)
    actions = apply_corporate_actions(broker, ledger, found, now)
    found = [one for one in found if not any(action.symbol == one.symbol for action in actions)]
    fees = [one for one in found if _is_fee(one)]
    found = [one for one in found if one not in fees]
    if fees:
        ledger.hold({one.symbol: one.own_share for one in fees}, now)
    account_facts.keep_differences(ledger, {one.symbol: (one.ours, one.theirs) for one in found})
    if is_unknown:
        ledger.remember(NOT_COMPARED, "")
    told = [one.fields() for one in found]
    fact = json.dumps([boot_id, told])
    if fees or actions or cash or ledger.fact("reconciled") != fact:
        fields: dict[str, object] = {"broker": name, "differences": told}
        if fees:
            fields["fees"] = [one.fields() for one in fees]
        if actions:
            fields["corporate_actions"] = [one.fields() for one in actions]
        if cash:
            fields["cash"] = cash
        journal.write("reconciled", now, fields, level="error" if found else "info")
        ledger.remember("reconciled", fact)
    return found


def apply_corporate_actions(
    broker: Broker, ledger: Ledger, found: Iterable[Difference], now: datetime
) -> list[CorporateAction]:
    """Take up the splits and renames that explain differences to the last share, and return them."""
    found = tuple(found)
    if not found or not isinstance(broker, TellsCorporateActions):
        return []
    try:
        told = broker.corporate_actions([one.symbol for one in found], (now - ACTIONS_FOR).date())
    except BrokerError:
        return []  # the difference is told, and the next reconciliation asks again
    taken: list[CorporateAction] = []
    for one in found:
        for action in told:
            if not action.explains(one.symbol, one.own, one.others, one.theirs, one.named):
                continue
            is_taken = (
                ledger.rename(one.symbol, action.named, action.identity)
                if action.named
                else ledger.split(one.symbol, action.ratio, action.identity)
            )
            if is_taken:
                taken.append(action)
                break
    return taken


def adopt(
    broker: Broker,
    ledger: Ledger,
    symbols: Iterable[str],
    now: datetime,
    *,
    shared: Callable[[], Shares | None] | None = None,
) -> list[Difference]:
    """Take the broker's word for what is held, and return what differed. Orders of unknown fate are given up with it."""
    symbols = tuple(symbols)
    follow(broker, ledger, now)  # the broker may know them by now
    given_up = {
        record.client_order_id
        for record in ledger.open_orders()
        if record.status == "uncertain" and broker.find(record.client_order_id) is None
    }
    found = differences(broker, ledger, symbols, now, shared=shared, without=given_up)
    held: dict[str, float] = {}
    for one in found:
        held[one.symbol] = one.own_share
        if one.named:
            held[one.named] = one.own
    ledger.hold(held, now, given_up, ADOPTED)
    account_facts.keep_differences(ledger, {})
    return found


def _is_fee(one: Difference) -> bool:
    return "/" in one.symbol and one.kind == "quantity" and 0 < one.ours - one.theirs <= FEE * one.own
