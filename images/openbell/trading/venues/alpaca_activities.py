"""Dividends as Alpaca books them: the account's activities, and from the corporate actions who had to hold the shares when."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytz

from openbell.trading.cash_entries import CashEntry
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.run_services import RunServices
from openbell.trading.venues import alpaca, alpaca_actions

# The dividend itself, and what is withheld from it.
KINDS = ("DIV", "DIVCGL", "DIVCGS", "DIVFEE", "DIVFT", "DIVNRA", "DIVROC", "DIVTW", "DIVTXEX")
PAGE = 100  # the most that one answer has
_NEW_YORK = pytz.timezone("America/New_York")
_PAID_AFTER = timedelta(days=100)  # the longest from an ex-date to the payment


def dividends(desk: RunServices, since: date, until: date) -> list[CashEntry]:
    """Return the dividends that were booked on a day or later; VenueError if Alpaca does not answer."""
    booked = [one for one in _activities(desk, since) if date.fromisoformat(str(one["date"])) >= since]
    if not booked:
        return []
    told = alpaca_actions.ask(desk, {str(one["symbol"]) for one in booked}, since - _PAID_AFTER, until)
    return [entry_of(one, told) for one in booked]


def entry_of(activity: Mapping[str, Any], told: Iterable[CorporateAction]) -> CashEntry:
    """Return one activity as an entry; KeyError, TypeError or ValueError if it is not one."""
    symbol, day = str(activity["symbol"]), date.fromisoformat(str(activity["date"]))
    paid = Decimal(str(activity.get("per_share_amount") or 0))
    its = [one for one in told if one.symbol == symbol and one.cash and one.day <= day]
    # Taxes that were withheld have another amount for each share than the dividend.
    matching = [one for one in its if one.cash == paid] or its
    ex_day = max((one.day for one in matching), default=day)
    begins = _NEW_YORK.localize(datetime.combine(ex_day, time.min))
    amount, units = Decimal(str(activity["net_amount"])), activity.get("qty")
    return CashEntry(
        f"alpaca {activity['id']}", "dividend", symbol, amount, None if units is None else Decimal(str(units)), begins
    )


def _activities(desk: RunServices, since: date) -> Iterator[Mapping[str, Any]]:
    client = alpaca.clients(desk).trading
    asked = {"activity_types": ",".join(KINDS), "direction": "asc", "page_size": PAGE}
    asked["after"] = (since - timedelta(days=1)).isoformat()
    while True:
        answer: Any = alpaca.calls(desk).ask(lambda: client.get("/account/activities", dict(asked)))
        yield from answer
        if len(answer) < PAGE:
            return
        asked["page_token"] = answer[-1]["id"]
