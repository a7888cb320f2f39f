"""What a strategy sees of its money: the bot's own positions, its cash, and the account that they are in."""

from collections.abc import Mapping
from types import MappingProxyType

from openbell.position import Position
from openbell.records import dataclass
from openbell.strategy.held_position import HeldPosition
from openbell.strategy.market_context import MarketContext
from openbell.strategy.run_progress import RunProgress
from openbell.trading import brokers
from openbell.trading.capital import quote_of
from openbell.trading.order_size import sizes_of


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
