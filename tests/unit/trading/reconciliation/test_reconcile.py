"""What the broker holds against what our orders say: what differs, what does not, and what becomes of it."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from openbell import account_shares
from openbell.journal import Journal, since
from openbell.ledger import Ledger, OrderRecord
from openbell.trading import reconciliation as module
from openbell.trading.account_facts import held_by_others
from openbell.trading.brokers import PlacedOrder
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.reconciliation import adopt, compare, differences, reconcile
from tests.unit.trading.reconciliation.desk import NOW, ABroker, Desk

LATER = NOW + timedelta(minutes=1)


@pytest.mark.parametrize("ours, theirs, waiting, expected", [
    ({"AAPL": 2.0}, {"AAPL": 2.0}, {}, []),
    ({}, {}, {}, []),
    ({"AAPL": 2.0}, {"AAPL": 2.0000001}, {}, []),
    ({"AAPL": 2.0}, {"AAPL": 3.0}, {}, [("AAPL", "quantity", 2.0, 3.0, "")]),
    ({"AAPL": 2.0}, {}, {}, [("AAPL", "missing", 2.0, 0.0, "")]),
    ({}, {"AAPL": 3.0}, {}, [("AAPL", "unexpected", 0.0, 3.0, "")]),
    ({}, {"OTHER": 3.0}, {}, []),  # what another strategy of the account holds
    ({"OLD": 3.0}, {"NEW": 3.0}, {}, [("OLD", "renamed", 3.0, 0.0, "NEW")]),
    ({"OLD": 3.0}, {"NEW": 4.0}, {}, [("OLD", "missing", 3.0, 0.0, "")]),
    ({"AAPL": 2.0}, {"AAPL": 3.0}, {"AAPL": (0.0, 1.0)}, []),  # an open order may have bought it by now
    ({"AAPL": 2.0}, {"AAPL": 3.5}, {"AAPL": (0.0, 1.0)}, [("AAPL", "quantity", 2.0, 3.5, "")]),
    ({"AAPL": 2.0}, {"AAPL": 1.0}, {"AAPL": (0.0, 1.0)}, [("AAPL", "quantity", 2.0, 1.0, "")]),
    ({"AAPL": 2.0}, {}, {"AAPL": (-2.0, 0.0)}, []),  # or sold
    ({"AAPL": -2.0}, {"AAPL": -2.0}, {}, []),
])  # fmt: skip
def test_what_differs(
    ours: dict[str, float],
    theirs: dict[str, float],
    waiting: dict[str, tuple[float, float]],
    expected: list[tuple[str, str, float, float, str]],
) -> None:
    """Among the strategy's symbols and those that it holds, as far as open orders do not explain it."""
    found = compare(["AAPL"], ours, theirs, waiting)
    assert [(one.symbol, one.kind, one.ours, one.theirs, one.named) for one in found] == expected


@pytest.fixture
def desk(books: tuple[Ledger, Journal]) -> Desk:
    """A desk of a strategy that has bought two."""
    ledger, journal = books
    ledger.hold({"AAPL": 2.0})
    return Desk(ledger, journal, ABroker({"AAPL": 2.0}))


def test_each_boot_tells_once_and_then_what_changes(desk: Desk) -> None:
    """Months of the same answer are one line; a difference is one when it comes and one when it goes."""
    at = NOW
    for held, boot in [(2.0, "a"), (2.0, "a"), (3.0, "a"), (3.0, "a"), (2.0, "a"), (2.0, "b")]:
        at += timedelta(minutes=1)
        desk.broker.held = {"AAPL": held}
        desk.look(now=at, boot=boot)
    one = {"symbol": "AAPL", "kind": "quantity", "ours": 2.0, "theirs": 3.0}
    assert desk.told() == [("info", []), ("error", [one]), ("info", []), ("info", [])]
    assert desk.ledger.holdings() == {"AAPL": 2.0}


def test_runs_that_start_together_look_once(desk: Desk) -> None:
    """Forty-five bots in one second ask the broker once."""
    for _ in range(45):
        desk.look()
    assert desk.broker.asked == 1
    desk.look(now=NOW + timedelta(seconds=11))
    assert desk.broker.asked == 2


def test_a_fill_on_its_way_is_no_difference(desk: Desk) -> None:
    """The order shows it before the position does: a second look decides."""
    desk.broker.held, desk.broker.after_asking = {"AAPL": 1.0}, {"AAPL": 2.0}
    assert desk.look() == []
    assert desk.broker.asked == 2


def test_open_orders_are_looked_up_first(desk: Desk) -> None:
    """One has filled since, one waits, one never arrived and is given up after an hour."""
    for number in range(3):
        desk.ledger.intend(OrderRecord(f"ob-{number}", "b", NOW, "AAPL", "buy", "", 1.0), NOW)
    done = PlacedOrder("o-0", "ob-0", "AAPL", "buy", 1.0, "filled", 1.0, 5.0, NOW, "")
    waits = PlacedOrder("o-1", "ob-1", "AAPL", "buy", 1.0, "accepted", 0.0, None, NOW, "")
    desk.broker.orders = {"ob-0": done, "ob-1": waits}
    desk.broker.held = {"AAPL": 3.0}
    assert differences(desk.broker, desk.ledger, ["AAPL"], LATER) == []
    assert {record.client_order_id: record.status for record in desk.ledger.open_orders()} == {
        "ob-1": "accepted",
        "ob-2": "intended",
    }
    differences(desk.broker, desk.ledger, ["AAPL"], NOW + timedelta(hours=2))
    assert [record.client_order_id for record in desk.ledger.open_orders()] == ["ob-1"]
    lost = desk.ledger.order("ob-2")
    assert lost is not None
    assert lost.status == "lost"


@pytest.mark.parametrize("symbol, theirs, taken", [
    ("BTC/USD", 1.998, True), ("BTC/USD", 1.9, False), ("BTC/USD", 2.001, False), ("AAPL", 1.998, False),
])  # fmt: skip
def test_a_fee_in_coins_is_told_and_taken_off(desk: Desk, symbol: str, theirs: float, taken: bool) -> None:
    """Half a per cent of coins at most, never shares, never more than we had."""
    desk.ledger.hold({"AAPL": 0.0, symbol: 2.0})
    desk.broker.held = {symbol: theirs}
    assert len(desk.look([symbol])) == (0 if taken else 1)
    assert desk.ledger.holdings() == {symbol: theirs if taken else 2.0}
    (line,) = since(desk.journal.folder, NOW.date())
    assert ("fees" in line) is taken


def test_what_others_hold_on_a_shared_account_is_not_adopted(desk: Desk) -> None:
    """Where it is not known what they hold, only what is missing is taken up."""
    desk.ledger.hold({"AAPL": 5.0, "IBM": 5.0})
    desk.broker.held = {"AAPL": 105.0, "IBM": 3.0}
    found = adopt(desk.broker, desk.ledger, ["AAPL", "IBM"], NOW, shared=lambda: None)
    assert [(one.symbol, one.theirs) for one in found] == [("IBM", 3.0)]
    assert desk.ledger.holdings() == {"AAPL": 5.0, "IBM": 3.0}


@pytest.mark.parametrize("others, theirs, expected", [
    ([{"AAPL": (3.0, 3.0)}], 5.0, []),
    ([{"AAPL": (3.0, 3.0)}, {"AAPL": (1.0, 1.0), "IBM": (9.0, 9.0)}], 6.0, []),
    ([{"AAPL": (3.0, 4.0)}], 6.0, []),  # an order of the other's may have bought one more
    ([{"AAPL": (3.0, 4.0)}], 5.5, []),
    ([{"AAPL": (3.0, 3.0)}], 6.0, [(5.0, 6.0, 2.0, 3.0)]),  # one was bought by hand
    ([{"AAPL": (3.0, 3.0)}], 4.0, [(5.0, 4.0, 2.0, 1.0)]),
    ([{}], 2.0, []),
    ([{"IBM": (9.0, 9.0)}], 2.0, []),
])  # fmt: skip
def test_the_shares_of_all_add_up_to_what_the_broker_holds(
    desk: Desk,
    others: list[dict[str, tuple[float, float]]],
    theirs: float,
    expected: list[tuple[float, float, float, float]],
) -> None:
    """This strategy's two and the others' are compared with the account, also where that holds more."""
    desk.broker.held = {"AAPL": theirs, "IBM": 9.0}
    found = differences(desk.broker, desk.ledger, ["AAPL"], NOW, shared=lambda: others)
    assert [(one.ours, one.theirs, one.own, one.own_share) for one in found] == expected


def test_what_others_hold_is_kept_for_the_checks(desk: Desk) -> None:
    """As they last said it; while it is not known, what was known last counts, for no exit waits for it."""
    answers: list[Sequence[account_shares.Shares] | None] = [[{"AAPL": (3.0, 4.0)}, {"AAPL": (1.0, 1.0)}], None]
    for number, answer in enumerate(answers):
        at, shared = NOW + number * timedelta(minutes=1), partial(lambda one: one, answer)
        reconcile("a", desk.broker, desk.ledger, ["AAPL"], desk.journal, at, "boot", shared=shared)
        assert held_by_others(desk.ledger, "AAPL") == Decimal("4.5")
    assert held_by_others(desk.ledger, "IBM") == 0


def test_of_a_shared_account_what_is_not_the_others_is_adopted(desk: Desk) -> None:
    """The broker holds six, the others say three: the rest is this strategy's."""
    desk.broker.held = {"AAPL": 6.0}
    adopt(desk.broker, desk.ledger, ["AAPL"], NOW, shared=lambda: [{"AAPL": (3.0, 3.0)}])
    assert desk.ledger.holdings() == {"AAPL": 3.0}


@pytest.mark.parametrize("others", [[3.0], [30.0], [3.0, 10.0]])
def test_a_split_of_a_shared_account_is_taken_up_by_each(desk: Desk, others: list[float]) -> None:
    """Whether the others have taken it up already or not: all of it is ten times what all had before."""
    before = {3.0: 3.0, 30.0: 3.0, 10.0: 1.0}
    desk.broker.held = {"AAPL": 10 * (2.0 + sum(before[one] for one in others))}
    found = differences(
        desk.broker, desk.ledger, ["AAPL"], NOW, shared=lambda: [{"AAPL": (one, one)} for one in others]
    )
    (difference,) = found
    split = CorporateAction("AAPL", NOW.date(), Decimal(10))
    assert split.explains("AAPL", difference.own, difference.others, difference.theirs, "")
    assert not split.explains("AAPL", difference.own, difference.others, difference.theirs + 1, "")


def test_what_orders_that_wait_may_make_of_a_holding(desk: Desk) -> None:
    """Two are held; an order for three more has one of them."""
    desk.ledger.intend(OrderRecord("ob-1", "b", NOW, "AAPL", "buy", "", 3.0), NOW)
    desk.ledger.settle("ob-1", "partially_filled", "1", 1.0, 5.0)
    desk.ledger.intend(OrderRecord("ob-2", "b", NOW, "IBM", "sell", "", 4.0), NOW)
    assert module.holdings(desk.ledger) == {"AAPL": (3.0, 5.0), "IBM": (-4.0, 0.0)}


def test_somebody_can_take_the_brokers_word(desk: Desk) -> None:
    """Adopted, a difference is one no more; a new name takes over what the old one held."""
    desk.ledger.hold({"OLD": 5.0})
    desk.broker.held = {"AAPL": 7.0, "NEW": 5.0}
    assert len(adopt(desk.broker, desk.ledger, ["AAPL"], NOW)) == 2
    assert desk.ledger.holdings() == {"AAPL": 7.0, "NEW": 5.0}
    assert differences(desk.broker, desk.ledger, ["AAPL"], NOW) == []
