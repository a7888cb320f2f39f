"""The guard: it stands between a decision and the broker, and says why an order must not be sent."""

from collections.abc import Callable
from datetime import UTC, datetime, time

import pytz

from openbell.ledger import Ledger
from openbell.manifest import Bot, Manifest
from openbell.trading.brokers import FINAL, Broker, Order
from openbell.trading.limits import Exposure, refusal
from openbell.trading.markets import Bars, Market, timeframes


class OrderChecks:
    """One run's guard. `halted` returns why no order may be sent anywhere now, or an empty string."""

    def __init__(
        self,
        manifest: Manifest,
        bot: Bot,
        market: Market,
        broker: Broker,
        ledger: Ledger,
        halted: Callable[[], str],
    ) -> None:
        self._manifest = manifest
        self._bot = bot
        self._market = market
        self._broker = broker
        self._ledger = ledger
        self._halted = halted
        self._stale = ""  # why this run does not trade

    @property
    def keeps_order(self) -> bool:
        """Tell whether orders must be decided on one after the other, since one counts for the next."""
        return self._manifest.limits.are_set

    def refusal(self, order: Order, slot: datetime, now: datetime) -> str:
        """Return why `order` must not be sent, or an empty string."""
        if reason := self._halted():
            return reason
        if self._stale:
            return self._stale
        if self._manifest.limits.are_set and (
            reason := refusal(self._manifest.limits, order, self._exposure(order, slot, now))
        ):
            return reason
        return self._halted()  # judging took its time, at a broker far away

    def stale(self, symbol: str, timeframe: str, bars: Bars, at: datetime) -> dict[str, object] | None:
        """Return what the journal is to say of bars that are older than they should be; None if they are not."""
        if "historical_day" in self._market.provenance(at):
            return None
        expected = timeframes.expected_close(timeframe, at, self._calendar(symbol))
        newest = bars[-1].timestamp if bars else None
        if expected is None or (newest is not None and newest >= expected):
            return None
        trades = self._manifest.stale == "trade"
        if not trades:
            told = f"{newest:%Y-%m-%d %H:%M} UTC" if newest else "none at all"
            self._stale = (
                f"stale data: the newest {timeframe} bar of {symbol} is {told}, expected {expected:%Y-%m-%d %H:%M} UTC"
            )
        return {
            "symbol": symbol,
            "timeframe": timeframe,
            "newest_bar": newest,
            "expected": expected,
            "action": "traded" if trades else "refused",
        }

    def _calendar(self, symbol: str) -> str | None:
        if self._bot.schedule.calendar is not None:
            return self._bot.schedule.calendar
        return None if "/" in symbol else timeframes.CALENDARS.get(self._manifest.market)

    def _exposure(self, order: Order, slot: datetime, now: datetime) -> Exposure:
        limits = self._manifest.limits
        midnight = self._midnight(now)
        by_value = limits.max_order_value is not None or limits.max_position is not None
        by_position = limits.max_position is not None or limits.max_daily_loss is not None
        return Exposure(
            price=self._market.price(order.symbol, slot) if by_value else 0.0,
            held=self._held(order.symbol) if by_position else 0.0,
            orders_today=self._ledger.sent_since(midnight) if limits.max_orders_per_day is not None else 0,
            loss_today=self._loss(midnight, slot) if limits.max_daily_loss is not None else 0.0,
        )

    def _midnight(self, now: datetime) -> datetime:
        zone = pytz.timezone(self._manifest.timezone)
        day = now.astimezone(zone).date()
        return zone.localize(datetime.combine(day, time())).astimezone(UTC)

    def _held(self, symbol: str) -> float:
        """Return what is held of the symbol and what its open orders still add or take."""
        position = self._broker.positions().get(symbol)
        waiting = [one for one in self._ledger.open_orders() if one.symbol == symbol and one.status not in FINAL]
        on_its_way = sum((one.quantity - one.filled) * (1 if one.side == "buy" else -1) for one in waiting)
        return (position.quantity if position else 0.0) + on_its_way

    def _loss(self, midnight: datetime, slot: datetime) -> float:
        """Return by how much equity has fallen since the day's first look, which is this one if there was none."""
        equity = self._equity(slot)
        fact = f"equity at the first look after {midnight:%Y-%m-%d %H:%M}"
        first = self._ledger.fact(fact)
        if first is None:
            self._ledger.remember(fact, repr(equity))
            return 0.0
        return float(first) - equity

    def _equity(self, slot: datetime) -> float:
        account = self._broker.account()
        if account.equity is not None:
            return account.equity
        held = self._broker.positions().values()
        return account.cash + sum(one.quantity * self._market.price(one.symbol, slot) for one in held)

    def look_at_equity(self, slot: datetime, now: datetime) -> None:
        """Take the day's first look at the account before anything is decided, if a limit asks for it."""
        if self._manifest.limits.max_daily_loss is not None:
            self._loss(self._midnight(now), slot)
