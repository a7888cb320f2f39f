"""What differs between an account and our orders, and what is the same quantity."""

from datetime import timedelta

import pytest

from openbell.ledger.records import NOT_COMPARED
from openbell.trading import reconciliation
from openbell.trading.reconciliation import Difference, compare, differences
from tests.unit.trading.reconciliation.desk import NOW, TellingDesk, intend


@pytest.mark.parametrize("ours, theirs, waiting, differs", [
    # A millionth is the same quantity, and of almost nothing a billionth is.
    (1_000.0, 1_000.0009, (0.0, 0.0), False),
    (1_000.0, 1_000.0011, (0.0, 0.0), True),
    (1_000.0, 999.9991, (0.0, 0.0), False),
    (1_000.0, 999.9989, (0.0, 0.0), True),
    (0.0, 9e-10, (0.0, 0.0), False),
    (0.0, 1.1e-9, (0.0, 0.0), True),
    (0.0, -1.1e-9, (0.0, 0.0), True),
    (2.0, 5.0, (-1.0, 3.0), False),
    (2.0, 5.1, (-1.0, 3.0), True),
    (2.0, 1.0, (-1.0, 3.0), False),
    (2.0, 0.9, (-1.0, 3.0), True),
    (0.0, 1_000.0009, (0.0, 1_000.0), False),
])  # fmt: skip
def test_what_is_the_same_quantity(ours: float, theirs: float, waiting: tuple[float, float], *, differs: bool) -> None:
    """Brokers round, and open orders may have filled."""
    assert bool(compare(["AAPL"], {"AAPL": ours}, {"AAPL": theirs}, {"AAPL": waiting})) is differs


@pytest.mark.parametrize("theirs, named", [
    ({"NEW": 3.0}, "NEW"),
    ({"NEW": 3.000001}, "NEW"),
    ({"NEW": 3.00001}, ""),
    ({"NEW": -3.0}, ""),
    ({"OLD": 1.0, "NEW": 3.0}, ""),  # the old name is still there
    ({"AAPL": 3.0}, ""),  # a symbol of the strategy's own
    ({"MORE": 3.0}, ""),  # one that it holds already
])  # fmt: skip
def test_what_a_symbol_seems_to_be_called_now(theirs: dict[str, float], named: str) -> None:
    """As what no strategy's symbol is, and of which there is just as much."""
    (found,) = (one for one in compare(["AAPL"], {"OLD": 3.0, "MORE": 3.0}, theirs, {}) if one.symbol == "OLD")
    assert found.named == named
    assert (found.kind == "renamed") is bool(named)


@pytest.mark.parametrize("one, told", [
    (Difference("A", "quantity", 2.0, 3.0), {}),
    (Difference("A", "quantity", 5.0, 3.0, others=(3.0, 1.0)), {"own": 1.0}),
    (Difference("A", "quantity", 2.0, 3.0, others=(0.0, 0.0)), {}),
    (Difference("A", "renamed", 2.0, 3.0, "B"), {"named": "B"}),
    (Difference("A", "renamed", 5.0, 3.0, "B", (1.0,)), {"own": 4.0, "named": "B"}),
])  # fmt: skip
def test_what_the_journal_says_of_a_difference(one: Difference, told: dict[str, object]) -> None:
    """Its symbol and both quantities; on a shared account also our part, and a new name where there seems to be one."""
    base = {"symbol": "A", "kind": one.kind, "ours": one.ours, "theirs": one.theirs}
    assert one.fields() == base | told


@pytest.mark.parametrize("ours, theirs, is_shortfall", [
    (2.0, 1.0, True), (2.0, 3.0, False), (2.0, 2.0, False), (-2.0, -1.0, True), (-2.0, -3.0, False), (-2.0, -2.0, False),
    (0.0, 1.0, False), (0.0, -1.0, False),
])  # fmt: skip
def test_what_is_missing(ours: float, theirs: float, *, is_shortfall: bool) -> None:
    """Less than our orders say, on either side of nothing."""
    assert Difference("A", "quantity", ours, theirs).is_shortfall is is_shortfall


@pytest.mark.parametrize("status, theirs, differs", [
    ("accepted", 5.0, False), ("uncertain", 5.0, False), ("accepted", -1.0, False), ("uncertain", -1.0, False),
    ("accepted", 5.5, True), ("uncertain", -1.5, True),
])  # fmt: skip
def test_what_an_order_may_have_done_is_no_difference(
    desk: TellingDesk, status: str, theirs: float, *, differs: bool
) -> None:
    """Two are held, three more may have been bought, and three sold: also by orders whose fate is not known."""
    desk.ledger.hold({"AAPL": 2.0})
    intend(desk.ledger, "buy", "buy", 3.0, status=status)
    intend(desk.ledger, "sell", "sell", 3.0, status=status)
    desk.broker.held = {"AAPL": theirs}
    assert bool(differences(desk.broker, desk.ledger, ["AAPL"], NOW)) is differs
    assert reconciliation.holdings(desk.ledger) == {"AAPL": (-1.0, 5.0)}


@pytest.mark.parametrize("bought, theirs, differs", [
    (1.0, 2.0, False), (1.0, 3.0, False), (1.0, 3.5, True), (1.0, 1.5, True),
    (-1.0, 1.0, False), (-1.0, 2.0, False), (-1.0, 0.5, True), (-1.0, 2.5, True),
])  # fmt: skip
def test_a_fill_between_the_questions_is_no_difference(
    desk: TellingDesk, monkeypatch: pytest.MonkeyPatch, bought: float, theirs: float, *, differs: bool
) -> None:
    """Another run's order fills while the broker answers: whatever lies between our two answers is right."""
    desk.ledger.hold({"AAPL": 2.0})
    desk.broker.held = {"AAPL": theirs}
    answers = [{"AAPL": 2.0}, {"AAPL": 2.0 + bought}] * 2
    monkeypatch.setattr(desk.ledger, "holdings", lambda: answers.pop(0))
    assert bool(differences(desk.broker, desk.ledger, ["AAPL"], NOW)) is differs


@pytest.mark.parametrize("before, after", [({}, {"IBM": 4.0}), ({"IBM": 4.0}, {})])
def test_a_position_that_comes_or_goes_between_the_questions(
    desk: TellingDesk, monkeypatch: pytest.MonkeyPatch, before: dict[str, float], after: dict[str, float]
) -> None:
    """It is in one of our two answers, and none is compared with more than it may be."""
    for theirs, differs in ((0.0, False), (4.0, False), (4.5, True), (-0.5, True)):
        answers = [before, after] * 2
        monkeypatch.setattr(desk.ledger, "holdings", lambda told=answers: told.pop(0))
        desk.broker.held = {"IBM": theirs}
        assert bool(differences(desk.broker, desk.ledger, ["AAPL", "IBM"], NOW)) is differs


@pytest.mark.parametrize("others, theirs, expected", [
    ([{"AAPL": (3.0, 3.0)}], 3.0, []),  # we hold none of it, and another strategy does
    ([{"AAPL": (3.0, 3.0)}], 4.0, [("AAPL", 3.0, (3.0,))]),
    ([{"AAPL": (2.0, 4.0)}], 4.5, [("AAPL", 2.0, (3.0,))]),
    ([{"AAPL": (3.0, 3.0)}, {"IBM": (9.0, 9.0)}], 4.0, [("AAPL", 3.0, (3.0, 0.0))]),
    ([{"IBM": (3.0, 3.0)}], 0.0, []),  # what is neither ours nor our symbol
])  # fmt: skip
def test_what_others_hold_of_our_symbols(
    desk: TellingDesk,
    others: list[dict[str, tuple[float, float]]],
    theirs: float,
    expected: list[tuple[str, float, tuple[float, ...]]],
) -> None:
    """It is compared too, where it is a symbol of ours; orders of theirs that wait are counted half."""
    desk.broker.held = {"AAPL": theirs, "IBM": 9.0}
    found = differences(desk.broker, desk.ledger, ["AAPL"], NOW, shared=lambda: others)
    assert [(one.symbol, one.ours, one.others) for one in found] == expected


def test_our_orders_and_those_of_others_may_all_have_filled(desk: TellingDesk) -> None:
    """Two are ours, three more may be; others have three or four."""
    desk.ledger.hold({"AAPL": 2.0})
    intend(desk.ledger, "buy", "buy", 3.0)
    for theirs, differs in ((5.0, False), (9.0, False), (9.5, True), (4.5, True)):
        desk.broker.held = {"AAPL": theirs}
        found = differences(desk.broker, desk.ledger, ["AAPL"], NOW, shared=lambda: [{"AAPL": (3.0, 4.0)}])
        assert bool(found) is differs


def test_our_position_in_anothers_symbol_counts(desk: TellingDesk) -> None:
    """A symbol that the manifest names no more, of which we still hold some."""
    desk.ledger.hold({"OLD": 2.0})
    desk.broker.held = {"OLD": 5.0}
    assert differences(desk.broker, desk.ledger, ["AAPL"], NOW, shared=lambda: [{"OLD": (3.0, 3.0)}]) == []


def test_a_fill_between_the_questions_of_an_order_that_waits_on(
    desk: TellingDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three more may have been bought beside what has filled meanwhile."""
    intend(desk.ledger, "buy", "buy", 3.0)
    for theirs, differs in ((2.0, False), (6.0, False), (6.5, True), (1.5, True)):
        answers = [{"AAPL": 2.0}, {"AAPL": 3.0}] * 2
        monkeypatch.setattr(desk.ledger, "holdings", lambda told=answers: told.pop(0))
        desk.broker.held = {"AAPL": theirs}
        assert bool(differences(desk.broker, desk.ledger, ["AAPL"], NOW)) is differs


def test_what_is_held_without_an_order_that_waits_is_certain(desk: TellingDesk) -> None:
    """No order can change it."""
    desk.ledger.hold({"AAPL": 2.0})
    assert reconciliation.holdings(desk.ledger) == {"AAPL": (2.0, 2.0)}


def test_an_account_is_compared_at_once_after_commits_were_lost(desk: TellingDesk) -> None:
    """However shortly after the last comparison; afterwards it is compared as seldom as before."""
    soon = NOW + timedelta(seconds=1)
    assert desk.look() == []
    desk.broker.held = {"AAPL": 3.0}
    assert desk.look(now=soon) == []
    desk.ledger.remember(NOT_COMPARED, "yes")
    assert [(one.symbol, one.theirs) for one in desk.look(now=soon)] == [("AAPL", 3.0)]
    assert desk.ledger.fact(NOT_COMPARED) == ""
    desk.broker.held = {"AAPL": 5.0}
    assert desk.look(now=soon) == []


def test_a_ledger_that_has_lost_nothing_remembers_no_comparison(desk: TellingDesk) -> None:
    """The fact is there only where commits were lost."""
    desk.look()
    assert desk.ledger.fact(NOT_COMPARED) is None
