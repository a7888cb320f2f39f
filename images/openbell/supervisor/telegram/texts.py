"""What the bot says, from the answers of the API. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LONGEST = 4_000  # units of UTF-16, as Telegram counts characters; it takes 4,096
ROWS = 20
HELP = """/status what runs, what does not
/orders what waits at the brokers
/profit equity and profit
/pause and /resume a bot
/halt and /unhalt the orders of all strategies
/flatten closes all that a strategy holds
What changes something asks first."""

Answer = Mapping[str, Any]


def status(answer: Answer) -> str:
    """Return the headline and the bots that are not simply up."""
    bots = [bot for strategy in answer["strategies"] for bot in strategy["bots"]]
    counted = ", ".join(f"{count} {name}" for name, count in _counted(bot["status"] for bot in bots))
    lines = [answer["headline"], f"{len(bots)} bots: {counted}" if bots else "There are no bots"]
    telling = [bot for bot in bots if bot["status"] in {"down", "late", "paused", "running"}]
    lines += [f"{bot['id']}: {bot['status']}: {bot['reason']}" for bot in telling[:ROWS]]
    lines += _more(telling)
    return fitted(lines)


def orders(answer: Answer) -> str:
    """Return the orders that wait, the newest first."""
    found = answer["orders"]
    if not found:
        return "No order waits"
    lines = [f"{len(found)} orders wait or are of unknown fate:"]
    for order in found[:ROWS]:
        quantity = "" if order["quantity"] is None else f"{order['quantity']:g} "
        filled = f", {order['filled']:g} filled" if order["filled"] else ""
        lines.append(f"{order['bot']}: {order['side']} {quantity}{order['symbol']}: {order['status']}{filled}")
    return fitted([*lines, *_more(found)])


def profit(answer: Answer) -> str:
    """Return equity and profit of each strategy, and their sums by currency."""
    worth = [(strategy["name"], strategy["worth"]) for strategy in answer["strategies"] if strategy["worth"]]
    if not worth:
        return "No account is known yet"
    lines = [_worth(name, one) for name, one in worth[:ROWS]]
    lines += _more(worth)
    for currency in dict.fromkeys(one["currency"] for _, one in worth) if len(worth) > 1 else ():
        of_currency = [one for _, one in worth if one["currency"] == currency]
        gains = ("today", "week", "start")
        sums = {name: sum(one[name] or 0.0 for one in of_currency) for name in ("equity", *gains)}
        lines.append(_worth("all", {**sums, "currency": currency}))
    return fitted(lines)


def fitted(lines: Iterable[str]) -> str:
    """Return the lines as a message that Telegram takes."""
    units = "\n".join(lines).encode("utf-16-le", "replace")
    if len(units) <= 2 * LONGEST:
        return units.decode("utf-16-le")
    return units[: 2 * (LONGEST - 1)].decode("utf-16-le", "ignore") + "…"


def _worth(name: str, worth: Answer) -> str:
    gains = (("today", "today"), ("week", "this week"), ("start", "since the start"))
    summary = ", ".join(f"{worth[field]:+,.2f} {text}" for field, text in gains if worth[field] is not None)
    return f"{name}: {worth['equity']:,.2f} {worth['currency']}" + (f" ({summary})" if summary else "")


def _counted(words: Iterable[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return sorted(counts.items(), key=lambda one: -one[1])


def _more(found: Sequence[object]) -> list[str]:
    return [f"… and {len(found) - ROWS} more: the page has them"] if len(found) > ROWS else []
