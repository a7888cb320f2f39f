"""The strategy's share of an account: its own cash and what all of its own is worth."""

from collections.abc import Callable
from decimal import Decimal

from openbell.ledger import Ledger
from openbell.manifest import Capital
from openbell.position import ZERO, decimal
from openbell.trading.brokers import Account


def quote_of(symbol: str) -> str:
    """Return the currency that a symbol is paid in; empty for a share, which is paid in the account's."""
    return symbol.partition("/")[2]


def names_of(currency: str, account: Account) -> tuple[str, ...]:
    """Return the names of a currency in the books: shares are paid in the account's own, which coins call by its name."""
    return (currency, *({"", account.currency} - {currency})) if currency in {"", account.currency} else (currency,)


class Share:
    """What one strategy may call its own. Without [capital] that is the whole account."""

    def __init__(self, capital: Capital, symbols: tuple[str, ...], ledger: Ledger) -> None:
        self._capital = capital
        self._is_whole = not capital.is_set
        self._home = quote_of(symbols[0]) if symbols else ""  # the currency of `amount`
        self._ledger = ledger

    def cash(self, account: Account, currency: str) -> float:
        """Return the strategy's cash in a currency: its share, and what its own orders have brought in and taken out."""
        if self._is_whole:
            return account.cash_in(currency)
        flows = self._ledger.flows()
        own = sum((flows.get(name, ZERO) for name in names_of(currency, account)), ZERO)
        return float(self._base(account, currency) + own)

    def equity(self, account: Account, price: Callable[[str], float]) -> float | None:
        """Return what the strategy's cash and positions are worth; None without a share, when the account's counts."""
        if self._is_whole:
            return None
        names = names_of(self._home, account)
        held = [one for one in self._ledger.positions() if one.quantity and quote_of(one.symbol) in names]
        worth = sum(float(one.quantity) * price(one.symbol) for one in held)
        return self.cash(account, self._home) + worth

    def _base(self, account: Account, currency: str) -> Decimal:
        is_own = currency in {"", account.currency}
        if self._capital.amount is not None:
            return decimal(self._capital.amount) if is_own or currency == self._home else ZERO
        part = self._capital.part or 0.0
        facts = [f"capital {part:g} {name}" for name in names_of(currency, account)]
        kept = next((text for fact in facts if (text := self._ledger.fact(fact)) is not None), None)
        if kept is None:
            whole = account.equity if is_own and account.equity is not None else account.cash_in(currency)
            kept = repr(part * whole)
            self._ledger.remember(facts[0], kept)
        return Decimal(kept)
