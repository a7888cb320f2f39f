"""What a strategy sees of its money: the bot's own positions, its cash, and the account that they are in."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Self

from openbell.position import Position
from openbell.records import dataclass
from openbell.strategy.market_context import MarketContext
from openbell.strategy.run_progress import RunProgress
from openbell.trading import brokers
from openbell.trading.capital import quote_of
from openbell.trading.order_size import sizes_of


class HeldPosition(float):
    """A bot's own position in one symbol: a float of units, below zero if short, 0.0 if there is none that can be traded.

    average_price: what one unit cost, fees taken in the coin included. since: when it was opened, None while it is flat.
    realised_profit: what its closed parts have earned, in the quote currency. rest: units that are held, but too few for an
    order; they are added to the next sale.
    """

    __slots__ = ("_is_dust", "_position", "_price")
    _position: Position
    _price: Callable[[], float]
    _is_dust: bool

    def __new__(cls, position: Position, price: Callable[[], float], *, is_dust: bool) -> Self:
        """Make the number; price: asks the market for the newest price."""
        made = super().__new__(cls, 0.0 if is_dust else float(position.quantity))
        made._position = position
        made._price = price
        made._is_dust = is_dust
        return made

    @property
    def average_price(self) -> float:
        """Return what one unit cost; 0.0 where nothing is held."""
        return 0.0 if self._is_dust else float(self._position.average_price)

    @property
    def since(self) -> datetime | None:
        """Return when it was opened; None while it is flat."""
        return None if self._is_dust else self._position.since

    @property
    def realised_profit(self) -> float:
        """Return what closed parts have earned."""
        return float(self._position.realised)

    @property
    def rest(self) -> float:
        """Return how much is held that is too little for an order."""
        return float(self._position.quantity) if self._is_dust else 0.0

    @property
    def quantity(self) -> float:
        """Return the bare number of units."""
        return float(self)

    @property
    def unrealised_profit(self) -> float:
        """Return what closing it at the newest price would earn, in the quote currency."""
        return self.quantity * (self._price() - self.average_price) if self else 0.0


@dataclass(frozen=True)
class AccountView:
    """What an account holds, with all that other strategies and people have bought there."""

    cash: Mapping[str, float]  # by currency
    currency: str
    equity: float | None  # None where the broker does not say
    buying_power: float | None
    positions: Mapping[str, brokers.Position]  # by symbol


class AccountContext(MarketContext):
    """The account's side of a run."""

    def __init__(self, progress: RunProgress) -> None:
        super().__init__(progress)
        # By symbol: the ledger's, and what is told of it.
        self._positions: dict[str, tuple[Position, HeldPosition]] = {}

    def position(self, symbol: str) -> HeldPosition:
        """Return what this bot's own orders have made of `symbol`: a float of units that knows its average price and profit.

        It is 0.0 for none, and where too little is left for an order. What the account holds beside it is `ctx.account`.
        """
        own = self._ledger.position(self.bot, symbol, takes=symbol in self.symbols)
        known = self._positions.get(symbol)
        if known is not None and known[0] is own:
            return known[1]
        rules = sizes_of(self._broker, symbol) if own.quantity else None
        is_dust = rules is not None and self._checks.is_dust(symbol, abs(own.quantity), rules, self.slot)
        held = HeldPosition(own, lambda: self.price(symbol), is_dust=is_dust)
        if rules is None or not rules.smallest_value:  # the price makes no difference to it
            self._positions[symbol] = own, held
        return held

    @property
    def cash(self) -> float:
        """The strategy's cash in the currency of the bot's first symbol: of its share if the manifest has [capital]."""
        return self._checks.share.cash(self._broker.account(), quote_of(self.symbols[0]))

    @property
    def account(self) -> "AccountView":
        """All that the account holds, also what other programs bought."""
        account = self._broker.account()
        cash = dict(account.balances) or {account.currency: account.cash}
        positions = MappingProxyType(self._broker.positions())
        return AccountView(MappingProxyType(cash), account.currency, account.equity, account.buying_power, positions)
