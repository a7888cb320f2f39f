"""The options of `openbell backtest`, and the values that they take."""

import argparse
import os
import re
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn

from openbell.backtest.walk_forward import Lengths
from openbell.command_list import COMMANDS

WHOLE = 10_000  # basis points: all of an amount
MOST = 10**15  # of money: cents of more have no place in a number
YEARS = range(1900, 2200)  # in which every day has its midnight in every zone


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with one line: the usage of a program that make has started says nothing about make."""
        self.exit(2, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser; what it does not take is one line that says what is allowed."""
    parser = _Parser(prog="openbell backtest", description=COMMANDS["backtest"][1])
    parser.add_argument("strategy", help="a folder below --strategies")
    parser.add_argument("--strategies", type=Path, default=Path("strategies"), help="the folder of the strategies")
    parser.add_argument("--from", dest="first", type=_day, help="the first day; default: the first with prices")
    parser.add_argument("--to", dest="last", type=_day, help="the last day; default: the last with prices")
    parser.add_argument("--bot", action="append", default=[], help="only this bot (may be given several times)")
    parser.add_argument("--prices", type=Path, help="a folder of CSV files; default: the shipped sample")
    parser.add_argument("--cash", type=_cash, default=Decimal(100_000), help="to begin with")
    parser.add_argument("--commission", type=_basis_points, help="basis points of what is traded")
    parser.add_argument("--slippage", type=_basis_points, help="basis points by which fills are worse")
    parser.add_argument(
        "--extended-hours", action="store_true", help="intraday bars outside the regular sessions count"
    )
    parser.add_argument("--set", action="append", default=[], type=_choice, help="a parameter's values: fast=10,20,30")
    parser.add_argument(
        "--walk-forward", type=_walk_forward, help="choose parameters on 3y, judge them on the 6m after: 3y/6m"
    )
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) - 1), help="processes of a sweep")
    parser.add_argument(
        "--no-journal", dest="journal", action="store_false", help="write the report alone, which is quicker"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder of the report and the journal")
    return parser


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.year not in YEARS:
        msg = f'found "{text}"; allowed: a day such as 2010-01-04'
        raise argparse.ArgumentTypeError(msg)
    return day


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= MOST:
        msg = f'found "{text}"; allowed: a number such as 2.5'
        raise argparse.ArgumentTypeError(msg)
    return amount


def _cash(text: str) -> Decimal:
    amount = _amount(text)
    if amount == 0:
        msg = f'found "{text}"; allowed: an amount above 0'
        raise argparse.ArgumentTypeError(msg)
    return amount


def _basis_points(text: str) -> Decimal:
    amount = _amount(text)
    if amount >= WHOLE:
        msg = f'found "{text}"; allowed: basis points from 0 to below {WHOLE}; one is a hundredth of a percent'
        raise argparse.ArgumentTypeError(msg)
    return amount


def _walk_forward(text: str) -> Lengths:
    found = re.fullmatch(r"([1-9][0-9]?)([ym])/([1-9][0-9]?)([ym])", text)
    if found is None:
        msg = f'found "{text}"; allowed: years or months to choose on and to judge on, as in 3y/6m'
        raise argparse.ArgumentTypeError(msg)
    inside, outside = (int(found[n]) * (12 if found[n + 1] == "y" else 1) for n in (1, 3))
    return Lengths(inside, outside)


def _choice(text: str) -> tuple[str, list[object]]:
    name, separator, values = text.partition("=")
    if not separator or not name or not values:
        msg = f'found "{text}"; allowed: a parameter and its values, as in fast=10,20,30'
        raise argparse.ArgumentTypeError(msg)
    return name.strip(), [_value(value.strip()) for value in values.split(",")]


def _value(text: str) -> object:
    from ast import literal_eval  # noqa: PLC0415 - only parameters that are chosen need it

    try:
        value: object = literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value
