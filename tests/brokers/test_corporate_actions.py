"""Splits, renames and dividends at Alpaca: what explains a difference to the last share, and cash, is taken up, once, and told."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.ledger import Ledger
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.venues import alpaca_activities
from openbell.trading.venues.alpaca_activities import entry_of
from tests.brokers.conftest import KINDS
from tests.brokers.trials import Strategy, buy, strategy_at

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    """A strategy that has bought AAPL at Alpaca."""
    kind = next(one for one in KINDS if one.venue and one.symbol == "AAPL")
    with strategy_at(kind, tmp_path, monkeypatch) as made:
        made.write(buy(made))
        assert made.attempt() is None
        made.write("def run(ctx): pass")
        yield made


def announce(desk: Strategy, kind: str, **fields: object) -> None:
    """Let the venue tell of something that was processed today."""
    today = f"{datetime.now(UTC):%F}"
    desk.bench.book.corporate_actions.append((kind, {"process_date": today, "ex_date": today, **fields}))


def look_again(desk: Strategy) -> tuple[dict[str, float], dict[str, object]]:
    """Run once more; return what the ledger holds and the last line about a reconciliation."""
    with closing(desk.ledger()) as ledger:
        ledger.remember("reconciled at", "2026-01-01T00:00:00+00:00")
    assert desk.attempt() is None
    with closing(Ledger(desk.places.state / "ledger.sqlite")) as ledger:
        return ledger.holdings(), dict(desk.lines("reconciled")[-1])


@pytest.mark.parametrize("kind, new, old", [("forward_split", 10, 1), ("reverse_split", 1, 2)])
def test_a_split_is_taken_up(desk: Strategy, kind: str, new: float, old: float) -> None:
    """The position has other units and the same cost; nothing differs (T16)."""
    before = desk.bench.kind.quantity
    desk.bench.book.held["AAPL"] = before * new / old
    announce(desk, kind, symbol="AAPL", new_rate=new, old_rate=old)
    held, line = look_again(desk)
    assert held == {"AAPL": before * new / old}
    assert (line["differences"], line["level"]) == ([], "info")
    told = line["corporate_actions"]
    assert isinstance(told, list)
    assert [(one["symbol"], one["ratio"]) for one in told] == [("AAPL", new / old)]
    with closing(desk.ledger()) as ledger:
        position = ledger.position("b", "AAPL")
        assert float(position.cost) == pytest.approx(before * desk.bench.book.prices["AAPL"])


def test_a_split_is_taken_up_once(desk: Strategy) -> None:
    """Another difference of the same size afterwards is not explained by the split."""
    before = desk.bench.kind.quantity
    announce(desk, "forward_split", symbol="AAPL", new_rate=10, old_rate=1)
    desk.bench.book.held["AAPL"] = before * 10
    look_again(desk)
    desk.bench.book.held["AAPL"] = before * 100
    held, line = look_again(desk)
    assert held == {"AAPL": before * 10}
    assert line["level"] == "error"


def test_a_rename_is_taken_up(desk: Strategy) -> None:
    """What was held under the old name is held under the new one."""
    book, before = desk.bench.book, desk.bench.kind.quantity
    book.held = {"PEAR": before}
    book.prices["PEAR"] = 100.0
    announce(desk, "name_change", old_symbol="AAPL", new_symbol="PEAR")
    held, line = look_again(desk)
    assert held == {"PEAR": before}
    assert line["differences"] == []


@pytest.mark.parametrize("held", [5.0, 21.0])
def test_what_a_split_does_not_explain_to_the_last_share_differs(desk: Strategy, held: float) -> None:
    """There was a trade by hand as well: a person has to decide."""
    announce(desk, "forward_split", symbol="AAPL", new_rate=10, old_rate=1)
    desk.bench.book.held["AAPL"] = desk.bench.kind.quantity * held
    _, line = look_again(desk)
    assert line["level"] == "error"
    assert "corporate_actions" not in line


@pytest.mark.parametrize("by_hand", [0.0, 1.0])
def test_a_dividend_is_the_strategys_as_far_as_the_shares_were(
    desk: Strategy, by_hand: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also behind a page that is full; taxes that are withheld are taken from it, and what others hold has its own part."""
    monkeypatch.setattr(alpaca_activities, "PAGE", 1)
    book, mine, today = desk.bench.book, desk.bench.kind.quantity, datetime.now(UTC).date()
    paid = today + timedelta(days=2)  # the shares were bought today, before the ex-date
    announce(desk, "cash_dividend", symbol="AAPL", rate=0.26, ex_date=f"{today + timedelta(days=1)}")
    with closing(desk.ledger()) as ledger:
        assert ledger.fact("cash entries since") == f"{today}"
        before = ledger.flows()[""]
        ledger.remember("cash entries asked at", (datetime.now(UTC) - timedelta(hours=2)).isoformat())
    units = mine * (1 + by_hand)
    for number, (kind, each) in enumerate([("DIV", 0.26), ("DIVNRA", -0.04)]):
        amount = f"{units * each:.2f}"
        one = {"id": f"2026::{number}", "activity_type": kind, "date": f"{paid}", "symbol": "AAPL"}
        book.activities.append({**one, "net_amount": amount, "qty": f"{units}", "per_share_amount": f"{each}"})
    _, line = look_again(desk)
    told = line["cash"]
    assert isinstance(told, list)
    assert [one["kind"] for one in told] == ["dividend", "dividend"]
    with closing(desk.ledger()) as ledger:
        assert float(ledger.flows()[""] - before) == pytest.approx(mine * 0.22, abs=0.02)
    _, again = look_again(desk)
    assert again == line


def test_the_day_from_which_shares_have_no_dividend() -> None:
    """That of the dividend of this amount; that of the newest for a tax; the day of the payment where none is told."""
    told = [CorporateAction("AAPL", date(2026, 11, day), cash=Decimal(cash)) for day, cash in ((6, "0.26"), (9, "1"))]
    told += [
        CorporateAction("IBM", date(2026, 11, 11), cash=Decimal("0.26")),
        CorporateAction("AAPL", date(2026, 11, 12)),
    ]
    told += [CorporateAction("AAPL", date(2026, 12, 9), cash=Decimal("0.26"))]
    activity = {"id": "1", "date": "2026-11-13", "symbol": "AAPL", "net_amount": "2.6", "qty": "10"}
    days = [
        entry_of({**activity, **more}, told).held_before
        for more in ({"per_share_amount": "0.26"}, {"per_share_amount": "-0.04"}, {"symbol": "X"}, {})
    ]
    assert [one and one.isoformat() for one in days] == [f"2026-11-{day:02}T00:00:00-05:00" for day in (6, 9, 13, 9)]
