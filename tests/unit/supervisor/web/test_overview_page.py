"""What the overview shows at one glance."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell.supervisor.health.snapshot import BotView, Snapshot, StrategyView
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import DecisionRecord, SlotRecord, Worth
from openbell.supervisor.web import Dependencies, WebApp
from openbell.supervisor.web.bot_list import MOST_ROWS
from openbell.supervisor.web.overview_page import (
    MOST_CONDITIONS,
    Total,
    condition_groups,
    overview,
    totals,
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
    for path in ("/", "/?group=strategy&sort=bot", "/?page=20", "/?q=strategy_3"):
        text = ask(WebApp(sources), path).text
        assert text.count("<tr id=") == MOST_ROWS
        assert len(text.encode()) < 300_000, len(text.encode())
    assert "page 20 of 20" in ask(WebApp(sources), "/?page=20").text


def test_accounts_of_one_currency_are_added_up() -> None:
    """The largest sum first; a gain that no account tells is not said."""
    accounts = [("USD", 5.0, 1.0, None), ("EUR", 90.0, None, None), ("USD", 7.0, -3.0, 2.0)]
    views = [
        StrategyView(
            f"s{number}", "", "UTC", "up", "", "", "", (), (), worth=Worth(AT, currency, equity, today, week, None)
        )
        for number, (currency, equity, today, week) in enumerate(accounts)
    ]
    assert totals(views) == (Total("EUR", 90.0, None, None, None), Total("USD", 12.0, -2.0, 2.0, None))
    assert totals(()) == ()
