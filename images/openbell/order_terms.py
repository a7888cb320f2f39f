"""The terms of an order beside symbol, side and quantity: at which prices it fills, how long it waits, what follows it. Pure."""

import json
import math

from openbell.records import dataclass

TIMES_IN_FORCE = ("day", "gtc", "ioc", "opg", "cls")
TAKE_PROFIT, STOP_LOSS = "tp", "sl"  # the legs of a bracket
# Statuses after which an order does not change any more.
FINAL = ("filled", "rejected", "cancelled", "expired", "refused", "lost")


@dataclass(frozen=True)
class Terms:
    """What makes an order more than "now, at the next price". Prices are in the symbol's currency; None is not set.

    limit: no worse than this. stop: not before this price is reached. trail: a stop that follows the best price at this
    distance, or at trail_percent of it. take_profit and stop_loss: the two exits of a bracket, of which one cancels the
    other; with is_pair the order is itself the exit at `limit`, and stop_loss is the other one.
    """

    limit: float | None = None
    stop: float | None = None
    trail: float | None = None
    trail_percent: float | None = None
    time_in_force: str = ""  # the usual one: day for a share, gtc for a pair of coins or currencies
    extended_hours: bool = False
    take_profit: float | None = None
    stop_loss: float | None = None
    is_pair: bool = False

    @property
    def kind(self) -> str:
        """Return the order's type: market, limit, stop, stop_limit or trailing_stop."""
        if self.trail is not None or self.trail_percent is not None:
            return "trailing_stop"
        if self.stop is not None:
            return "stop" if self.limit is None else "stop_limit"
        return "market" if self.limit is None else "limit"

    @property
    def legs(self) -> tuple[str, ...]:
        """Return the legs that the venue keeps beside the order."""
        if self.is_pair:
            return (STOP_LOSS,)
        return (TAKE_PROFIT, STOP_LOSS) if self.take_profit is not None else ()

    def of_leg(self, leg: str) -> "Terms":
        """Return the terms of one leg."""
        if leg == TAKE_PROFIT:
            return Terms(limit=self.take_profit, time_in_force=self.time_in_force)
        return Terms(stop=self.stop_loss, time_in_force=self.time_in_force)

    def waits(self, symbol: str) -> str:
        """Return the time in force of an order of a symbol."""
        return self.time_in_force or ("gtc" if "/" in symbol else "day")

    def encoded(self) -> str:
        """Return what is set, as JSON; empty for the terms of a market order."""
        told = self.fields()
        return json.dumps(told) if told else ""

    def fields(self) -> dict[str, object]:
        """Return what the journal says of the terms: nothing for a market order."""
        if self == MARKET:
            return {}
        return {name: value for name, value in vars(self).items() if value != getattr(MARKET, name)}


MARKET = Terms()


def decoded(text: str | None) -> Terms:
    """Return the terms that `encoded` has written."""
    return Terms(**json.loads(text)) if text else MARKET


def leg_id(client_order_id: str, leg: str) -> str:
    """Return the id of an order's leg."""
    return f"{client_order_id}-{leg}"


def leg_of(client_order_id: str) -> tuple[str, str]:
    """Return the id of the order that an order is a leg of, and which leg; both are empty if it is none."""
    parent, _, leg = client_order_id.rpartition("-")
    return (parent, leg) if leg in {TAKE_PROFIT, STOP_LOSS} else ("", "")


def other_side(side: str) -> str:
    """Return the side that closes what an order of this side opens."""
    return "sell" if side == "buy" else "buy"


def problem(side: str, terms: Terms) -> str:
    """Return what cannot be meant in an order's terms, or an empty string."""
    for name in ("limit", "stop", "trail", "trail_percent", "take_profit", "stop_loss"):
        value = getattr(terms, name)
        if value is not None and (isinstance(value, bool) or not math.isfinite(value) or value <= 0):
            return f"{name.removesuffix('_percent')} is a price above zero, not {value!r}"
    if terms.trail_percent is not None and terms.trail_percent >= 100:  # per cent
        return f"trail is below 100%, not {terms.trail_percent:g}%"
    if terms.time_in_force not in {"", *TIMES_IN_FORCE}:
        return f"time_in_force is one of {', '.join(TIMES_IN_FORCE)}, not {terms.time_in_force!r}"
    if terms.kind == "trailing_stop" and (terms.stop is not None or terms.limit is not None):
        return "a trailing stop has neither limit nor stop of its own"
    if terms.time_in_force in {"ioc", "opg", "cls"} and terms.kind not in {"market", "limit"}:
        return f"an order that waits for a stop cannot be {terms.time_in_force}: take day or gtc"
    if terms.extended_hours and (terms.kind != "limit" or terms.legs):
        return "an order for extended hours needs a limit, and has no legs"
    return _legs_problem(side, terms)


def _legs_problem(side: str, terms: Terms) -> str:
    if terms.take_profit is None and terms.stop_loss is None:
        return ""
    profit = terms.limit if terms.is_pair else terms.take_profit
    loss = terms.stop_loss
    if profit is None or loss is None:
        return "a bracket has both take_profit and stop_loss"
    entry = other_side(side) if terms.is_pair else side
    if terms.time_in_force not in {"", "day", "gtc"}:
        return f"a bracket waits as day or gtc, not {terms.time_in_force}"
    is_right = loss < profit if entry == "buy" else profit < loss
    if not is_right:
        return f"take_profit {profit:g} and stop_loss {loss:g} are on the wrong sides of a position that was opened by a {entry}"
    return ""
