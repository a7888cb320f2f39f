"""What reconciliation makes of differences: what is told, what is explained by itself, and what a person adopts."""

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest

from openbell import account_shares
from openbell.trading import account_facts, reconciliation
from openbell.trading.brokers import PlacedOrder
from openbell.trading.cash_entries import CashEntry
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.reconciliation import ADOPTED, adopt, differences, reconcile
from tests.unit.trading.reconciliation.desk import NOW, RENAME, SPLIT, TellingDesk, intend


def test_a_split_is_taken_up_and_told(desk: TellingDesk) -> None:
    """Once, with what the journal says of it; the differences that it explains are none."""
    desk.ledger.hold({"AAPL": 2.0, "IBM": 5.0, "FB": 3.0})
    desk.broker.held = {"AAPL": 20.0, "IBM": 6.0, "META": 3.0}
    desk.broker.actions = [CorporateAction("MSFT", SPLIT.day, Decimal(2)), SPLIT, RENAME]
    assert [one.symbol for one in desk.look()] == ["IBM"]
    assert desk.ledger.holdings() == {"AAPL": 20.0, "IBM": 5.0, "META": 3.0}
    assert desk.broker.asked_about == [(["AAPL", "FB", "IBM"], date(2026, 1, 31))]  # thirty days back
    ibm = {"symbol": "IBM", "kind": "quantity", "ours": 5.0, "theirs": 6.0}
    assert desk.lines() == [
        {
            "level": "error", "event": "reconciled", "broker": "a broker", "differences": [ibm],
            "corporate_actions": [SPLIT.fields(), RENAME.fields()],
        }
    ]  # fmt: skip
    assert account_facts.differences(desk.ledger) == {"IBM": (5.0, 6.0)}


def test_a_split_is_taken_up_once(desk: TellingDesk) -> None:
    """A difference that comes back is one, though the same split would explain it again."""
    desk.ledger.hold({"AAPL": 2.0})
    desk.broker.held, desk.broker.actions = {"AAPL": 20.0}, [SPLIT]
    assert desk.look() == []
    desk.broker.held = {"AAPL": 200.0}
    assert [one.theirs for one in desk.look(now=NOW + timedelta(minutes=1))] == [200.0]


def test_a_broker_that_cannot_tell_of_splits_now_is_asked_again(desk: TellingDesk) -> None:
    """The difference is told meanwhile; where nothing differs, nothing is asked."""
    desk.ledger.hold({"AAPL": 2.0})
    desk.broker.held, desk.broker.actions, desk.broker.is_down = {"AAPL": 20.0}, [SPLIT], True
    assert len(desk.look()) == 1
    desk.broker.is_down = False
    assert desk.look(now=NOW + timedelta(minutes=1)) == []
    assert desk.look(now=NOW + timedelta(minutes=2)) == []
    assert len(desk.broker.asked_about) == 2


@pytest.mark.parametrize("ours, theirs, is_fee", [
    (200.0, 199.0, True), (200.0, 198.9, False), (200.0, 200.1, False), (200.0, 0.0, False),
])  # fmt: skip
def test_what_a_fee_may_be(desk: TellingDesk, ours: float, theirs: float, *, is_fee: bool) -> None:
    """Half a per cent of the coins at most; it is told, taken off, and in no doubt."""
    desk.ledger.hold({"BTC/USD": ours})
    desk.broker.held = {"BTC/USD": theirs}
    found = desk.look(["BTC/USD"])
    assert (found == []) is is_fee
    if is_fee:
        told = {"symbol": "BTC/USD", "kind": "quantity", "ours": ours, "theirs": theirs}
        assert desk.lines() == [
            {"level": "info", "event": "reconciled", "broker": "a broker", "differences": [], "fees": [told]}
        ]
        assert desk.ledger.position("", "BTC/USD").quantity == Decimal(str(theirs))


@pytest.mark.parametrize("theirs, is_fee", [(99.6, True), (99.4, False)])
def test_a_fee_is_of_our_own_part(desk: TellingDesk, theirs: float, *, is_fee: bool) -> None:
    """Of a hundred coins on a shared account half are ours."""
    desk.ledger.hold({"BTC/USD": 100.0})
    desk.broker.held = {"BTC/USD": theirs + 900.0}
    others = [{"BTC/USD": (900.0, 900.0)}]
    found = reconcile("a", desk.broker, desk.ledger, ["BTC/USD"], desk.journal, NOW, "boot", shared=lambda: others)
    assert (found == []) is is_fee
    assert desk.ledger.holdings() == {"BTC/USD": pytest.approx(theirs if is_fee else 100.0)}


def test_a_fee_is_told_after_the_boots_first_line(desk: TellingDesk) -> None:
    """Nothing differs before and after it: the line says what was taken off."""
    desk.ledger.hold({"BTC/USD": 200.0})
    desk.broker.held = {"BTC/USD": 200.0}
    desk.look(["BTC/USD"])
    desk.broker.held = {"BTC/USD": 199.5}
    desk.look(["BTC/USD"], NOW + timedelta(minutes=1))
    assert ["fees" in line for line in desk.lines()] == [False, True]


def test_dividends_are_told(desk: TellingDesk) -> None:
    """Also where nothing differs and the boot has told so already."""
    desk.look()
    desk.broker.entries = [CashEntry("d", "dividend", "AAPL", Decimal(8))]
    desk.look(now=NOW + timedelta(minutes=1))
    told = {"kind": "dividend", "symbol": "AAPL", "amount": 8.0}
    assert [line.get("cash") for line in desk.lines()] == [None, [told]]


@pytest.mark.parametrize("after, looks", [
    (timedelta(seconds=9), 1), (timedelta(seconds=10), 2), (timedelta(seconds=-1), 2), (timedelta(0), 1),
])  # fmt: skip
def test_how_often_the_account_is_looked_at(desk: TellingDesk, after: timedelta, looks: int) -> None:
    """Runs that start together look once; a clock that was set back keeps none from looking."""
    desk.look()
    desk.look(now=NOW + after)
    assert desk.broker.asked == looks


def test_an_open_order_is_looked_up_by_each_run(desk: TellingDesk) -> None:
    """Its news are the journal's too, at the instant of the look."""
    intend(desk.ledger, "ob-1", "buy", 2.0)
    desk.look()
    desk.broker.orders = {"ob-1": PlacedOrder("o", "ob-1", "AAPL", "buy", 2.0, "filled", 2.0, 5.0, NOW, "")}
    desk.broker.held = {"AAPL": 2.0}
    assert desk.look(now=NOW + timedelta(seconds=1)) == []
    assert [(line["event"], line.get("status")) for line in desk.lines()] == [("reconciled", None), ("order", "filled")]
    assert desk.ledger.position("b", "AAPL").since == NOW + timedelta(seconds=1)


def test_news_of_the_second_look_are_told_too(desk: TellingDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order had filled while the first look at the account was made."""
    intend(desk.ledger, "ob-1", "buy", 2.0, "IBM")
    desk.broker.held = {"AAPL": 1.0}
    filled = PlacedOrder("o", "ob-1", "IBM", "buy", 2.0, "filled", 2.0, 5.0, NOW, "")
    waits = iter([None, {"ob-1": filled}])

    def find(name: str) -> PlacedOrder | None:
        return (next(waits) or {}).get(name)

    monkeypatch.setattr(desk.broker, "find", find)
    desk.broker.after_asking = {"IBM": 2.0}
    assert desk.look() == []
    assert [line["event"] for line in desk.lines()] == ["order", "reconciled"]


@pytest.mark.parametrize("shared", [False, True])
def test_how_long_a_second_look_waits(desk: TellingDesk, monkeypatch: pytest.MonkeyPatch, *, shared: bool) -> None:
    """Longer where another strategy's fill must have been passed on; not at all where nothing differs."""
    waited: list[float] = []
    monkeypatch.setattr(reconciliation, "CONFIRM_AFTER", 0.7)
    monkeypatch.setattr(reconciliation, "CONFIRM_AFTER_SHARED", 4.0)
    monkeypatch.setattr("time.sleep", waited.append)
    others: list[account_shares.Shares] = []
    ask = (lambda: others) if shared else None
    differences(desk.broker, desk.ledger, ["AAPL"], NOW, shared=ask)
    if shared:
        desk.broker.held = {"AAPL": 2.0}
        differences(desk.broker, desk.ledger, ["AAPL"], NOW, shared=lambda: [{"AAPL": (2.0, 2.0)}])
    assert waited == []
    desk.broker.held = {"AAPL": 1.0}
    differences(desk.broker, desk.ledger, ["AAPL"], NOW, shared=ask)
    assert waited == [4.0 if shared else 0.7]


# What a person adopts


def test_what_is_adopted(desk: TellingDesk) -> None:
    """The broker's quantities at that instant; what an order of unknown fate did is in them, and the order is given up."""
    for name, status in (("lost", "uncertain"), ("found", "uncertain"), ("waits", "accepted")):
        intend(desk.ledger, name, "buy", 1.0, status=status)
    desk.broker.orders = {"found": PlacedOrder("o", "found", "AAPL", "buy", 1.0, "filled", 1.0, 5.0, NOW, "")}
    desk.broker.held = {"AAPL": 7.0}
    later = NOW + timedelta(minutes=5)
    account_facts.keep_differences(desk.ledger, {"AAPL": (0.0, 7.0)})
    (found,) = adopt(desk.broker, desk.ledger, ["AAPL"], later)
    assert (found.ours, found.theirs) == (1.0, 7.0)
    orders = [desk.ledger.order(name) for name in ("lost", "found", "waits")]
    assert [(one.status, one.reason) for one in orders if one is not None] == [
        ("lost", ADOPTED), ("filled", ""), ("accepted", ""),
    ]  # fmt: skip
    position = desk.ledger.position("b", "AAPL")
    assert (position.quantity, position.since) == (Decimal("7.0"), later)
    assert account_facts.differences(desk.ledger) == {}


def test_an_order_that_the_broker_finds_after_all_is_not_given_up(
    desk: TellingDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer came between two questions: what it bought is in the books as its own."""
    intend(desk.ledger, "ob-1", "buy", 1.0, status="uncertain")
    found = PlacedOrder("o", "ob-1", "AAPL", "buy", 1.0, "filled", 1.0, 5.0, NOW, "")
    answers = [None, found, found]
    monkeypatch.setattr(desk.broker, "find", lambda name: answers.pop(0) if name == "ob-1" else None)
    desk.broker.held = {"AAPL": 1.0}
    assert adopt(desk.broker, desk.ledger, ["AAPL"], NOW) == []
    order = desk.ledger.order("ob-1")
    assert order is not None
    assert (order.status, order.reason) == ("filled", "")


def test_what_is_adopted_where_nothing_was_held_begins_then(desk: TellingDesk) -> None:
    """The position is as old as a person's decision."""
    desk.broker.held = {"AAPL": 7.0}
    adopt(desk.broker, desk.ledger, ["AAPL"], NOW)
    assert desk.ledger.position("b", "AAPL", takes=True).since == NOW


def test_what_others_hold_is_written_when_it_changes(desk: TellingDesk) -> None:
    """Every run asks, and most find what the one before has found."""
    account_facts.keep_others(desk.ledger, {"b": 1.0, "a": 2.0})
    changes = desk.ledger._database.total_changes
    account_facts.keep_others(desk.ledger, {"a": 2.0, "b": 1.0})
    assert desk.ledger._database.total_changes == changes
    account_facts.keep_others(desk.ledger, {"a": 3.0})
    assert json.loads(desk.ledger.fact(account_facts.OTHERS) or "") == {"a": 3.0}
