"""The overview: what is wrong, what is next, and a page of the list of bots. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from openbell.supervisor.health.bot_status import GOOD
from openbell.supervisor.health.snapshot import BotView, Snapshot, StrategyView
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.web.bot_list import ORDER, BotList, Query, bot_list

MOST_CONDITIONS = 12  # groups of conditions on a page
MOST_NAMES = 6  # bots that a group of conditions names
MOST_COMING = 4
EVERYTHING = Query()


@dataclass(frozen=True)
class ConditionGroup:
    """Conditions of one kind in one strategy."""

    first: Condition
    bots: tuple[str, ...]  # the first few that it concerns; empty if it concerns the strategy as a whole
    more: int  # how many bots it concerns besides
    since: datetime
    timezone: str


@dataclass(frozen=True)
class NextSlots:
    """Bots that are due next, in one instant."""

    at: datetime
    strategy: str
    bot: str
    timezone: str
    more: int


@dataclass(frozen=True)
class Total:
    """What all accounts of one currency are worth, and have gained."""

    currency: str
    equity: float
    today: float | None
    week: float | None
    start: float | None


@dataclass(frozen=True)
class Overview:
    """One page of the overview."""

    counts: tuple[tuple[str, int], ...]  # status → bots
    bots: int
    totals: tuple[Total, ...]
    missed_today: int
    condition_groups: tuple[ConditionGroup, ...]
    more_condition_groups: int
    coming: tuple[NextSlots, ...]
    query: Query
    list: BotList
    is_shared: frozenset[str]  # strategies whose account is shared by several bots


def overview(snapshot: Snapshot, query: Query = EVERYTHING) -> Overview:
    """Return what the overview shows for a query."""
    bots = [bot for strategy in snapshot.strategies for bot in strategy.bots]
    found = condition_groups(snapshot)
    return Overview(
        counts=counted_by_status(bots),
        bots=len(bots),
        totals=totals(snapshot.strategies),
        missed_today=sum(bot.missed_today for bot in bots),
        condition_groups=found[:MOST_CONDITIONS],
        more_condition_groups=max(0, len(found) - MOST_CONDITIONS),
        coming=coming(snapshot.strategies),
        query=query,
        list=bot_list(snapshot.strategies, query),
        is_shared=frozenset(view.name for view in snapshot.strategies if len(view.bots) > 1),
    )


def totals(strategies: Iterable[StrategyView]) -> tuple[Total, ...]:
    """Return the sums of all accounts by currency, the largest first."""
    worths = [view.worth for view in strategies if view.worth is not None]
    found = []
    for currency in dict.fromkeys(one.currency for one in worths):
        of_currency = [one for one in worths if one.currency == currency]
        gains = [_sum(getattr(one, name) for one in of_currency) for name in ("today", "week", "start")]
        found.append(Total(currency, sum(one.equity for one in of_currency), *gains))
    return tuple(sorted(found, key=lambda one: -abs(one.equity)))


def _sum(values: Iterable[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return sum(known) if known else None


def down_first(bots: Iterable[BotView]) -> list[BotView]:
    """Return bots, those that are down first, otherwise in their own order."""
    return sorted(bots, key=lambda bot: bot.status in GOOD)


def counted_by_status(bots: Iterable[BotView]) -> tuple[tuple[str, int], ...]:
    """Return how many bots have each status, from the most urgent to the least."""
    counts = Counter(bot.status for bot in bots)
    return tuple((status, counts[status]) for status in ORDER if counts[status])


def condition_groups(snapshot: Snapshot, strategy: str | None = None) -> tuple[ConditionGroup, ...]:
    """Return what is wrong, of one kind in one strategy as one, those that last longest first; of one strategy or of all."""
    zones = {view.name: view.timezone for view in snapshot.strategies}
    found: dict[tuple[str, str], list[Condition]] = {}
    for condition in snapshot.conditions:
        if strategy in {None, condition.strategy}:
            found.setdefault((condition.kind, condition.strategy), []).append(condition)
    grouped = [_condition_group(alike, zones.get(name, "UTC")) for (_, name), alike in found.items()]
    return tuple(sorted(grouped, key=lambda trouble: trouble.since))


def _condition_group(alike: Sequence[Condition], timezone: str) -> ConditionGroup:
    bots = [condition.bot for condition in alike if condition.bot]
    first = min(alike, key=lambda condition: condition.since)
    return ConditionGroup(first, tuple(bots[:MOST_NAMES]), max(0, len(bots) - MOST_NAMES), first.since, timezone)


def coming(strategies: Iterable[StrategyView]) -> tuple[NextSlots, ...]:
    """Return the nearest instants at which bots are due."""
    due: dict[datetime, list[tuple[StrategyView, BotView]]] = {}
    for strategy in strategies:
        for bot in strategy.bots:
            if bot.next_slot is not None and bot.status != "paused":
                due.setdefault(bot.next_slot, []).append((strategy, bot))
    nearest = sorted(due)[:MOST_COMING]
    return tuple(
        NextSlots(at, due[at][0][0].name, due[at][0][1].id, due[at][0][1].timezone, len(due[at]) - 1) for at in nearest
    )
