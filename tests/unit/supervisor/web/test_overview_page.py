"""What is shown at one glance, and how much is folded."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.supervisor.health.snapshot import BotView, Snapshot, StrategyView
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import DecisionRecord, SlotRecord
from openbell.supervisor.web import Dependencies, WebApp
from openbell.supervisor.web.overview_page import (
    MOST_CONDITIONS,
    MOST_ROWS,
    MOST_STRATEGIES,
    condition_groups,
    overview,
)
from tests.unit.supervisor.web.client import ask

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def bot(name: str, status: str = "up", due: datetime | None = None) -> BotView:
    """Return a bot's view."""
    return BotView(name, ("A",), "UTC", status, f"{name} is {status}", "", (), due, None, 0)


def strategy(name: str, *bots: BotView, status: str = "up") -> StrategyView:
    """Return a strategy's view."""
    return StrategyView(name, "", "UTC", status, f"{name} is {status}", "", "", (), bots)


def snapshot(*strategies: StrategyView, conditions: tuple[Condition, ...] = ()) -> Snapshot:
    """Return a snapshot."""
    return Snapshot(AT, 1, ok=True, headline="", strategies=strategies, conditions=conditions)


def test_few_bots_are_all_shown() -> None:
    """In their own order, nothing folded."""
    shown = overview(snapshot(strategy("a", bot("a1"), bot("a2", "down")), strategy("b", bot("b1"))))
    assert [[row.id for row in group.rows] for group in shown.groups] == [["a1", "a2"], ["b1"]]
    assert all(group.folded == () for group in shown.groups)
    assert shown.counts == (("down", 1), ("up", 2))


@pytest.mark.parametrize("strategies, bots", [(1, 1000), (10, 100), (40, 25), (200, 5)])
def test_many_bots_fit_on_a_page(strategies: int, bots: int) -> None:
    """A bounded number of rows, and every bot is shown or counted."""
    all_of_them = [strategy(f"s{n:03}", *(bot(f"s{n:03}-{m}") for m in range(bots))) for n in range(strategies)]
    shown = overview(snapshot(*all_of_them))
    assert len(shown.groups) <= MOST_STRATEGIES
    assert sum(len(group.rows) for group in shown.groups) <= MOST_ROWS
    assert all(len(group.rows) + group.folded_bots == bots for group in shown.groups)
    pages = [overview(snapshot(*all_of_them), page) for page in range(1, shown.pages + 1)]
    assert sorted(group.strategy.name for page in pages for group in page.groups) == sorted(
        one.name for one in all_of_them
    )


def test_what_is_not_well_is_not_folded() -> None:
    """It comes first, while there is room; folded statuses are said."""
    ill = {3, 77, 500}
    bots = [bot(f"b{number}", "down" if number in ill else "up") for number in range(600)]
    (group,) = overview(snapshot(strategy("a", *bots))).groups
    assert [row.id for row in group.rows[:4]] == ["b3", "b77", "b500", "b0"]
    assert group.folded == (("up", 600 - MOST_ROWS),)


def test_a_strategy_with_much_trouble_gets_the_room_of_the_others() -> None:
    """A share is not lost because a strategy has fewer bots than its share."""
    small = [strategy(f"s{number}", bot(f"s{number}")) for number in range(4)]
    ill = strategy("ill", *(bot(f"i{number}", "down") for number in range(60)))
    groups = overview(snapshot(*small, ill)).groups
    assert len(groups[-1].rows) == MOST_ROWS - 4
    assert groups[-1].folded == (("down", 64 - MOST_ROWS),)


def test_strategies_with_trouble_are_on_the_first_page() -> None:
    """However they are called; a page that does not exist is the last one."""
    well = [strategy(f"a{number:02}", bot(f"a{number}")) for number in range(60)]
    views = (*well, strategy("z", bot("z1", "down")))
    assert overview(snapshot(*views)).groups[0].strategy.name == "z"
    assert overview(snapshot(*views), 99).page == 2


def test_conditions_of_one_kind_are_one() -> None:
    """With the first few bots, how many more, and the earliest beginning."""
    conditions = tuple(
        Condition("missed", "a", f"b{number}", AT - timedelta(minutes=number), "no") for number in range(45)
    )
    (found,) = condition_groups(snapshot(strategy("a"), conditions=conditions))
    assert (found.bots[:2], found.more, found.since) == (("b0", "b1"), 39, AT - timedelta(minutes=44))


def test_conditions_are_bounded() -> None:
    """And how many are not shown is said."""
    conditions = tuple(Condition("failed", f"s{number}", "b", AT, "no") for number in range(20))
    shown = overview(snapshot(conditions=conditions))
    assert (len(shown.condition_groups), shown.more_condition_groups) == (MOST_CONDITIONS, 20 - MOST_CONDITIONS)


def test_what_is_next() -> None:
    """The nearest instants, bots of one instant together; a paused bot is due at none."""
    soon, later = AT + timedelta(seconds=5), AT + timedelta(hours=1)
    shown = overview(
        snapshot(
            strategy("a", bot("a1", due=later), bot("a2", due=soon), bot("a3", "paused", due=AT), bot("a4")),
            strategy("b", bot("b1", due=soon)),
        )
    )
    assert [(due.at, due.bot, due.more) for due in shown.coming] == [(soon, "a2", 1), (later, "a1", 0)]


def test_the_first_view_of_a_thousand_bots_is_light(tmp_path: Path) -> None:
    """Below 300 KB, with a strip of twenty slots in every row that is shown."""
    slots = tuple(
        SlotRecord(at, at, 1, "succeeded", run_id="r", lateness_ms=1.4, duration_ms=23.0)
        for at in (AT - timedelta(minutes=number) for number in range(20))
    )
    decision = DecisionRecord(AT, "b", AT, "r", "AAPL", "hold", None, "nothing to do", {})
    bots = [replace(bot(f"bot-{number}", due=AT), slots=slots, last_decision=decision) for number in range(1000)]
    views = [strategy(f"strategy_{number}", *bots[number * 25 : number * 25 + 25]) for number in range(40)]
    sources = Dependencies(
        snapshot=lambda: snapshot(*views),
        idle=lambda: 0.0,
        now=lambda: AT,
        store=tmp_path / "none",
        journal=tmp_path,
        control=tmp_path,
        alerts=tmp_path / "none",
    )
    text = ask(WebApp(sources), "/").text
    assert text.count("<tr id=") == 40
    assert text.count("24 more of strategy_") == 40
    assert len(text.encode()) < 300_000, len(text.encode())
