"""What splits, renames and dividends explain, what tells them apart, and the file in which a person writes them down."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.trading.actions_file import NAME, ActionsFileError, read
from openbell.trading.corporate_actions import CorporateAction

DAY = date(2026, 11, 23)
SPLIT = CorporateAction("AAPL", DAY, Decimal(10))
REVERSE = CorporateAction("AAPL", DAY, Decimal("0.05"))
RENAME = CorporateAction("FB", DAY, named="META")
DIVIDEND = CorporateAction("AAPL", DAY, cash=Decimal("0.260"))


@pytest.mark.parametrize("action, symbol, own, others, theirs, named, explained", [
    (SPLIT, "AAPL", 2.0, [], 20.0, "", True),
    (SPLIT, "AAPL", 2.0, [], 0.2, "", False),
    (SPLIT, "AAPL", 2.0, [], 21.0, "", False),
    (SPLIT, "IBM", 2.0, [], 20.0, "", False),  # another symbol's split
    (SPLIT, "AAPL", 2.0, [], 20.0, "PEAR", False),  # it is called otherwise now, which no split does
    (SPLIT, "AAPL", -2.0, [], -20.0, "", True),
    (REVERSE, "AAPL", 100.0, [], 5.0, "", True),
    (SPLIT, "AAPL", 2.0, [3.0], 50.0, "", True),  # another strategy has not taken it up yet
    (SPLIT, "AAPL", 2.0, [30.0], 50.0, "", True),  # it has
    (SPLIT, "AAPL", 2.0, [3.0, 40.0], 90.0, "", True),
    (SPLIT, "AAPL", 2.0, [3.0, 4.0], 54.0, "", True),
    (SPLIT, "AAPL", 2.0, [3.0, 4.0], 55.0, "", False),
    # Brokers round: a millionth is the same quantity, and of almost nothing a billionth is.
    (SPLIT, "AAPL", 2.0, [], 20.00001, "", True),
    (SPLIT, "AAPL", 2.0, [], 20.0001, "", False),
    (SPLIT, "AAPL", 0.0, [], 5e-10, "", True),
    (SPLIT, "AAPL", 1e-10, [], 0.0, "", True),
    (SPLIT, "AAPL", 0.0, [], 2e-9, "", False),
    (RENAME, "FB", 2.0, [], 0.0, "META", True),
    (RENAME, "FB", 2.0, [], 0.0, "OTHER", False),
    (RENAME, "FB", 2.0, [], 2.0, "", False),
    (DIVIDEND, "AAPL", 2.0, [], 2.0, "", False),
])  # fmt: skip
def test_what_an_action_explains(
    action: CorporateAction, symbol: str, own: float, others: list[float], theirs: float, named: str, explained: bool
) -> None:
    """A split explains its own symbol's quantity to the last share, a rename the name, and a dividend nothing."""
    assert action.explains(symbol, own, others, theirs, named) is explained


@pytest.mark.parametrize("action, identity", [
    (SPLIT, "corporate action of 2026-11-23 AAPL 10"),
    (RENAME, "corporate action of 2026-11-23 FB META"),
    (DIVIDEND, "dividend of 2026-11-23 AAPL 0.26"),
])  # fmt: skip
def test_what_tells_an_action_from_others(action: CorporateAction, identity: str) -> None:
    """The ledger keeps these texts: an update of openbell that changed one would take up old actions again."""
    assert action.identity == identity


@pytest.mark.parametrize("action, told", [
    (SPLIT, {"symbol": "AAPL", "day": "2026-11-23", "ratio": 10.0}),
    (REVERSE, {"symbol": "AAPL", "day": "2026-11-23", "ratio": 0.05}),
    (RENAME, {"symbol": "FB", "day": "2026-11-23", "named": "META"}),
])  # fmt: skip
def test_what_the_journal_says_of_an_action(action: CorporateAction, told: dict[str, object]) -> None:
    """Its symbol, its day, and the ratio or the new name."""
    assert action.fields() == told


def test_a_file_of_actions(tmp_path: Path) -> None:
    """Spreadsheets write a byte order mark and spaces; empty lines say nothing."""
    text = " symbol, day ,ratio,cash\n AAPL ,2026-11-23, 0.05 ,\n\nIBM,2026-12-10,, 1.68\n"
    (tmp_path / NAME).write_bytes(text.encode("utf-8-sig"))
    assert read(tmp_path) == [
        REVERSE,
        CorporateAction("IBM", date(2026, 12, 10), cash=Decimal("1.68")),
    ]


def test_a_name_in_any_alphabet(tmp_path: Path) -> None:
    """The file is UTF-8, whatever the machine's own encoding."""
    (tmp_path / NAME).write_bytes("symbol,day,ratio,cash\nMÜNCHEN,2026-11-23,10,\n".encode())
    assert [one.symbol for one in read(tmp_path)] == ["MÜNCHEN"]


@pytest.mark.parametrize("content, told", [
    (b"\xff\xfe", "cannot be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    (b'symbol,day,ratio,cash\n"' + b"x" * 140_000 + b'"\n', "cannot be read: field larger than field limit (131072)"),
])  # fmt: skip
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes, told: str) -> None:
    """One line says why."""
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(ActionsFileError) as caught:
        read(tmp_path)
    assert str(caught.value) == f"{NAME} {told}"


@pytest.mark.parametrize("text, place", [
    ("", ""),
    ("symbol,day\n", ""),
    ("symbol,day,ratio,cash\nAAPL,2026-11-24,10,1\n", "line 2"),
    ("symbol,day,ratio,cash\n\nAAPL,2026-11-24,,\n", "line 3"),
    ("symbol,day,ratio,cash\nIBM,2026-11-24,2,\nAAPL,24.11.2026,10,\n", "line 3"),
    ("symbol,day,ratio,cash\nAAPL,2026-11-24,ten,\n", "line 2"),
    ("symbol,day,ratio,cash\nAAPL,2026-11-24,nan,\n", "line 2"),
    ("symbol,day,ratio,cash\nAAPL,2026-11-24,inf,\n", "line 2"),
    ("symbol,day,ratio,cash\nAAPL,2026-11-24,0,\n", "line 2"),
    ("symbol,day,ratio,cash\nAAPL,2026-11-24,,-1\n", "line 2"),
    ("symbol,day,ratio,cash\n,2026-11-24,2,\n", "line 2"),
    ("symbol,day,ratio,cash\nAAPL,2026-11-24,2\n", "line 2"),
])  # fmt: skip
def test_a_line_that_cannot_be_understood(tmp_path: Path, text: str, place: str) -> None:
    """The message says which line it is, and what a line is like."""
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ActionsFileError) as caught:
        read(tmp_path)
    line = "it is a symbol, a day such as 2026-11-23, and a ratio or an amount of cash above zero"
    first = f"the first line of {NAME} is symbol,day,ratio,cash"
    assert str(caught.value) == (f"{NAME}, {place}: {line}" if place else first)


def test_without_a_file_there_are_no_actions(tmp_path: Path) -> None:
    """Most strategies have none."""
    assert read(tmp_path) == []
