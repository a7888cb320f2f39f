"""What the snapshot says at a glance."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.manifest import Schedule
from openbell.supervisor.health.bot_monitor import single_slots
from openbell.supervisor.health.snapshot import BotView, StrategyView, headline
from openbell.supervisor.model.records import SlotRecord

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def bot(name: str, status: str = "up") -> BotView:
    """Return a bot's view."""
    return BotView(name, ("A",), "UTC", status, f"{name} is {status}", "", (), None, None, 0)


def strategy(name: str, status: str = "up", condition: str = "", *bots: BotView) -> StrategyView:
    """Return a strategy's view."""
    return StrategyView(name, "", "UTC", status, f"{name} is {status}", condition, "", (), bots)


@pytest.mark.parametrize(
    "strategies, ok, text",
    [
        ([], True, "There are no strategies yet"),
        ([strategy("a", "up", "", bot("b"))], True, "All is well: 1 strategy, 1 bot"),
        (
            [
                strategy("a", "up", "", bot("b"), bot("c", "late")),
                strategy("d", "new", "", bot("e", "paused"), bot("f", "running")),
            ],
            True,
            "All is well: 2 strategies, 4 bots (1 late, 1 paused)",
        ),
        ([strategy("a", "up", "", bot("b"), bot("c", "down"))], False, "1 bot down: c"),
        (
            [strategy("a", "up", "", *(bot(f"b{n}", "down") for n in range(5)))],
            False,
            "5 bots down: b0, b1, b2 and 2 more",
        ),
        ([strategy("a", "down", "stalled", bot("b", "down"))], False, "a shows no sign of life"),
        (
            [strategy("a", "down", "cannot_start", bot("b", "paused")), strategy("c", "up", "", bot("d", "down"))],
            False,
            "a cannot start; 1 bot down: d",
        ),
        (
            [strategy(name, "down", "stopped") for name in "abcde"],
            False,
            "a is stopped; b is stopped; c is stopped; 2 more strategies are down",
        ),
    ],
)
def test_the_headline_answers_whether_all_is_well(strategies: list[StrategyView], ok: bool, text: str) -> None:
    """One sentence: yes, or what is not. The bots of a strategy that is down go with it."""
    assert headline(strategies) == (ok, text)


def test_the_supervisors_own_trouble_comes_first() -> None:
    """A supervisor that cannot read must not say that all is well."""
    assert headline([strategy("a")], "I am blind") == (False, "I am blind")


def test_ranges_are_shown_slot_by_slot() -> None:
    """Newest first, as many as there is room for."""
    schedule = Schedule("UTC", every=MINUTE)
    records = [
        SlotRecord(AT, AT, 1, "succeeded"),
        SlotRecord(AT - 20_000 * MINUTE, AT - MINUTE, 20_000, "missed", "down"),
        SlotRecord(AT - 20_001 * MINUTE, AT - 20_001 * MINUTE, 1, "failed"),
    ]
    slots = single_slots(records, schedule, 24)
    assert [slot.last for slot in slots] == [AT - number * MINUTE for number in range(24)]
    assert [slot.outcome for slot in slots] == ["succeeded"] + ["missed"] * 23
    assert {slot.count for slot in slots} == {1}


def test_a_short_range_is_no_longer_than_it_is() -> None:
    """Its neighbours follow."""
    schedule = Schedule("UTC", every=MINUTE)
    records = [
        SlotRecord(AT - 2 * MINUTE, AT, 3, "skipped", "paused"),
        SlotRecord(AT - 3 * MINUTE, AT - 3 * MINUTE, 1, "failed"),
    ]
    assert [slot.outcome for slot in single_slots(records, schedule, 24)] == ["skipped"] * 3 + ["failed"]
