"""The file corporate-actions.csv beside a strategy: splits and dividends that its market does not tell of.

    symbol,day,ratio,cash
    AAPL,2026-11-23,10,
    AAPL,2026-12-10,,0.26

Each line has the ratio of a split (new units for each old one) or the cash that is paid for each unit, never both.
"""

from contextlib import suppress
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from openbell.trading.corporate_actions import CorporateAction

NAME = "corporate-actions.csv"
COLUMNS = ("symbol", "day", "ratio", "cash")


class ActionsFileError(ValueError):
    """The file cannot be understood; the message names the line."""


def read(folder: Path) -> list[CorporateAction]:
    """Return what the file in a strategy's folder says; nothing where there is none."""
    path = folder / NAME
    if not path.is_file():
        return []
    import csv  # noqa: PLC0415 - most strategies have no such file, and an idle loop would keep it

    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{NAME} cannot be read: {error}"
        raise ActionsFileError(msg) from None
    if not rows or tuple(cell.strip() for cell in rows[0]) != COLUMNS:
        msg = f"the first line of {NAME} is {','.join(COLUMNS)}"
        raise ActionsFileError(msg)
    return [_action(number, [cell.strip() for cell in row]) for number, row in enumerate(rows[1:], 2) if row]


def _action(number: int, row: list[str]) -> CorporateAction:
    with suppress(ValueError, InvalidOperation):
        symbol, day, ratio, cash = row
        figure, on = Decimal(ratio or cash), date.fromisoformat(day)
        if symbol and bool(ratio) != bool(cash) and figure.is_finite() and figure > 0:
            return CorporateAction(symbol, on, ratio=figure) if ratio else CorporateAction(symbol, on, cash=figure)
    msg = (
        f"{NAME}, line {number}: it is a symbol, a day such as 2026-11-23, and a ratio or an amount of cash above zero"
    )
    raise ActionsFileError(msg)
