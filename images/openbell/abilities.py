"""What each venue can do with an order: the one table. `make check`, the run and the documentation read it."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from openbell.order_terms import Terms

KINDS = ("market", "limit", "stop", "stop_limit", "trailing_stop")
TIMES = ("day", "gtc", "ioc", "opg", "cls")
OTHERS = ("bracket", "limit_bracket", "pair", "extended_hours", "fractional", "notional", "replace")
ABILITIES = (*KINDS, *TIMES, *OTHERS)
_EXCHANGE = frozenset({"market", "limit", "stop", "stop_limit", "gtc", "ioc", "fractional"})

# Abilities by venue; some differ between shares and coins, which have neither sessions nor auctions.
VENUES: Mapping[str, frozenset[str]] = MappingProxyType({
    "paper": frozenset(ABILITIES) - {"notional"},
    "paper coins": frozenset(ABILITIES) - {"notional", "opg", "cls"},
    "alpaca": frozenset(ABILITIES),
    "alpaca coins": frozenset({"market", "limit", "stop_limit", "gtc", "ioc", "fractional", "notional", "replace"}),
    "ccxt:binance": _EXCHANGE | {"limit_bracket", "pair"},
    "ccxt:kraken": _EXCHANGE | {"trailing_stop", "replace"},
    "ccxt:okx": _EXCHANGE | {"limit_bracket", "pair", "replace"},
    "ccxt:bybit": _EXCHANGE | {"replace"},
    "ccxt:coinbase": _EXCHANGE - {"stop"} | {"limit_bracket", "pair"},
})  # fmt: skip

# Why a venue lacks an ability, where the table alone does not explain it.
_WHY = MappingProxyType({
    ("ccxt:kraken", "bracket"): "an order there brings one exit along, not two",
    ("ccxt:kraken", "pair"): "its API has no orders that cancel one another",
    ("ccxt:bybit", "bracket"): "the exits of a spot order there have neither an id of ours nor a link to it, so they cannot be followed",
    ("ccxt:bybit", "pair"): "its API has no orders for spot that cancel one another",
})  # fmt: skip
# What to do instead where an ability is missing.
_INSTEAD = MappingProxyType({
    "bracket": "when the entry has filled, let a stop rest there, ctx.order(…, stop=), and take the profit in run()",
    "pair": "let a stop rest there, ctx.order(…, stop=), and take the profit in run()",
    "stop": "give the stop a limit too",
    "trailing_stop": "move a stop in run()",
    "extended_hours": "leave it out",
    "opg": "there are no auctions",
    "cls": "there are no auctions",
    "day": "send it as gtc, and cancel it in run()",
    "replace": "cancel the order, and send another one",
})  # fmt: skip


def advice(venue: str, ability: str) -> str:
    """Return why a venue lacks an ability, where that is known, and what comes nearest to it."""
    if (can := VENUES.get(venue)) is None:
        return ""
    if ability == "bracket" and "limit_bracket" in can:
        return "give its entry a limit"
    name = ability.removeprefix("limit_")
    told = (_WHY.get((venue, name)), _INSTEAD.get(name))
    return ": ".join(one for one in told if one)


def venue_of(broker: str, symbol: str) -> str:
    """Return the table's row of a broker's orders of a symbol; empty if it has none."""
    name = f"{broker} coins" if "/" in symbol and f"{broker} coins" in VENUES else broker
    return name if name in VENUES else ""


def needed(terms: Terms, symbol: str) -> tuple[str, ...]:
    """Return the abilities that an order of these terms needs."""
    found = [terms.kind, terms.waits(symbol)]
    if terms.is_pair:
        found.append("pair")
    elif terms.legs:
        found.append("limit_bracket" if terms.kind == "limit" else "bracket")  # whose entry is one
    if terms.extended_hours:
        found.append("extended_hours")
    return tuple(found)


def refusal(
    broker: str,
    terms: Terms,
    symbol: str,
    own: Collection[str] | None = None,
    *,
    is_whole: bool = True,
    changes: bool = False,
) -> str:
    """Return why a venue cannot take an order, or an empty string.

    own: what a broker class of the user's own says that it can do; one that says nothing takes market orders.
    """
    venue = venue_of(broker, symbol)
    can = VENUES[venue] if venue else _of_own(own or ("market",))
    venue = venue or broker
    missing = [one for one in (*needed(terms, symbol), *(["replace"] if changes else [])) if one not in can]
    if missing == ["replace"]:
        return f"{venue} cannot change an order: {_INSTEAD['replace']}"
    if missing:
        told = advice(venue, missing[0])
        takes = ", ".join(text(one) for one in ABILITIES if one in can)
        return f"{venue} takes no {text(missing[0])} orders{f' ({told})' if told else ''}; it takes: {takes}"
    if (
        venue == "alpaca"
        and not is_whole
        and (terms.waits(symbol) != "day" or terms.legs or terms.kind == "trailing_stop")
    ):
        return "Alpaca takes fractions of a share only in day orders without legs or trail"
    return ""


def _of_own(names: Collection[str]) -> frozenset[str]:
    """Return what a broker class can do: an entry with a limit is the easier one of a bracket."""
    return frozenset({*names, "day", "gtc", *(["limit_bracket"] if "bracket" in names else [])})


def takes_value(broker: str, symbol: str) -> bool:
    """Tell whether a venue is told what a market order is to be worth, and finds the quantity itself."""
    return "notional" in VENUES.get(venue_of(broker, symbol), ())


def table() -> list[str]:
    """Return the lines of the documentation's table."""
    lines = ["| order | " + " | ".join(VENUES) + " |", "| --- |" + " --- |" * len(VENUES)]
    for one in ABILITIES:
        marks = ["yes" if one in can else "" for can in VENUES.values()]
        lines += [f"| {text(one)} | {' | '.join(marks)} |"]
    return lines


def text(ability: str) -> str:
    """Return an ability as people write it."""
    return ability.replace("_", " ")
