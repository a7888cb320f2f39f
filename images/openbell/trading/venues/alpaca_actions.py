"""Splits, renames and dividends as Alpaca's corporate actions have them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.run_services import RunServices
from openbell.trading.venues import alpaca


def ask(desk: RunServices, symbols: Iterable[str], since: date, until: date) -> list[CorporateAction]:
    """Return what has become of shares in these days; VenueError if Alpaca does not answer."""
    shares = [one for one in symbols if "/" not in one]
    if not shares:
        return []
    client = alpaca.clients(desk).actions
    from alpaca.data.enums import CorporateActionsType as Kind  # noqa: PLC0415 - only where the library is
    from alpaca.data.requests import CorporateActionsRequest  # noqa: PLC0415

    kinds = [Kind.FORWARD_SPLIT, Kind.REVERSE_SPLIT, Kind.NAME_CHANGE, Kind.CASH_DIVIDEND]
    request = CorporateActionsRequest(symbols=shares, types=kinds, start=since, end=until)
    answer: Any = alpaca.calls(desk, data=True).ask(lambda: client.get_corporate_actions(request))
    return actions_of(answer)


def actions_of(answer: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[CorporateAction]:
    """Return the splits, renames and dividends of an answer; KeyError, TypeError or ValueError if it is not one."""
    splits = [*answer.get("forward_splits", ()), *answer.get("reverse_splits", ())]
    found = [
        CorporateAction(str(one["symbol"]), date.fromisoformat(one["ex_date"]), ratio=_ratio(one)) for one in splits
    ]
    for one in answer.get("cash_dividends", ()):
        day, rate = date.fromisoformat(one["ex_date"]), Decimal(str(one["rate"]))
        found.append(CorporateAction(str(one["symbol"]), day, cash=rate))
    for one in answer.get("name_changes", ()):
        day = date.fromisoformat(one["process_date"])
        found.append(CorporateAction(str(one["old_symbol"]), day, named=str(one["new_symbol"])))
    return sorted(found, key=lambda one: one.day)


def _ratio(split: Mapping[str, Any]) -> Decimal:
    old = Decimal(str(split["old_rate"]))
    if not old:
        msg = f"a split of {split['symbol']} from 0 units"
        raise ValueError(msg)
    return Decimal(str(split["new_rate"])) / old
