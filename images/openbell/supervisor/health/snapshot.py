"""The snapshot: all that the page, the API and `openbell status` say at one moment, frozen. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from openbell.control import Deployment
from openbell.supervisor.health.bot_status import GOOD
from openbell.supervisor.model.conditions import KINDS, Condition
from openbell.supervisor.model.durations import Durations
from openbell.supervisor.model.records import DecisionRecord, SlotRecord, Uptime, Worth

MOST_TOLD = 2  # conditions that a headline names
WELL = "All is well"  # how a headline begins if nothing is wrong


@dataclass(frozen=True)
class Blackout:
    """A window in which a bot has no runs: it goes on, or it is the next."""

    window: str  # as it is written
    start: datetime
    end: datetime


@dataclass(frozen=True)
class StreamView:
    """What a stream does, which has no slots."""

    since: datetime | None  # of its run, if one goes on
    beat: datetime | None  # the newest sign of life of that run
    orders_today: int


@dataclass(frozen=True)
class BotView:
    """One bot. `slots` are single ones, newest first."""

    id: str
    symbols: tuple[str, ...]
    timezone: str
    status: str
    reason: str
    condition: str
    slots: tuple[SlotRecord, ...]
    next_slot: datetime | None
    last_decision: DecisionRecord | None
    missed_today: int
    durations: Durations | None = None
    last_success: datetime | None = None  # the newest slot that succeeded, also if it is not among those shown
    blackout: Blackout | None = None  # the one that goes on, or the next
    manual_failure: str = ""  # how the newest run ended, if it was a manual one and did not succeed
    stream: StreamView | None = None  # of a stream
    open_orders: int = 0  # orders that wait, or are of unknown fate
    uptime: Uptime | None = None

    manual_runs: tuple[SlotRecord, ...] = ()  # those that did not succeed, newest first, as if they had been slots

    @property
    def cells(self) -> tuple[SlotRecord, ...]:
        """The newest slots, and the manual runs between them that did not succeed, newest first."""
        if not self.manual_runs:
            return self.slots
        return tuple(sorted((*self.slots, *self.manual_runs), key=lambda one: one.last, reverse=True))

    @property
    def last_slot_failed(self) -> bool:
        """Whether the newest slot that was not skipped did not succeed, independent of the status: also of a paused bot."""
        last = next((slot for slot in self.slots if slot.outcome not in {None, "skipped"}), None)
        return last is not None and last.outcome != "succeeded"

    @property
    def last(self) -> SlotRecord | None:
        """The newest slot that has its outcome."""
        return next((slot for slot in self.slots if slot.outcome is not None), None)


@dataclass(frozen=True)
class StrategyView:
    """One strategy. It has no bots if its manifest is not valid; `problems` says why then."""

    name: str
    description: str
    timezone: str
    status: str
    reason: str
    condition: str
    release: str
    problems: tuple[str, ...]
    bots: tuple[BotView, ...]
    broker: str = ""
    money: str = ""  # live or paper
    worth: Worth | None = None  # of its account
    tags: tuple[str, ...] = ()
    host: str = ""  # that runs it, or did last, where hosts share a database


@dataclass(frozen=True)
class Snapshot:
    """Everything, as judged at `judged_at`. `version` grows whenever anything else differs."""

    judged_at: datetime
    version: int
    ok: bool
    headline: str
    strategies: tuple[StrategyView, ...]
    conditions: tuple[Condition, ...] = ()  # all that is wrong now
    last_fault: int = (
        0  # the newest entry in the store's log of faults, which also has what came and went between snapshots
    )
    deployment: Deployment | None = None  # under way now
    reading: tuple[str, ...] = ()  # strategies whose journals are still being read: they are not judged yet
    is_blind: bool = False  # nothing could be judged: what is not among the conditions is unknown, not over
    facts: object = field(
        default=None, compare=False, repr=False
    )  # what it was built from, to find out whether that has changed

    def strategy(self, name: str) -> StrategyView | None:
        """Return the strategy of that name, or None."""
        return next((strategy for strategy in self.strategies if strategy.name == name), None)


def next_snapshot(
    before: Snapshot | None,
    now: datetime,
    strategies: Iterable[StrategyView],
    conditions: Iterable[Iterable[Condition]],
    *,
    own_error: str = "",
    last_fault: int = 0,
    deployment: Deployment | None = None,
    reading: Iterable[str] = (),
    is_blind: bool = False,
) -> Snapshot:
    """Return the snapshot that follows `before`.

    conditions: those of the machine, and of each strategy. own_error: why the supervisor cannot do its work.
    """
    views, parts, waiting = tuple(strategies), tuple(conditions), tuple(sorted(reading))
    facts = (parts, own_error, last_fault, deployment, waiting, is_blind)
    if before is not None and _same(before.strategies, views) and facts == before.facts:
        return replace(before, judged_at=now)
    every = [one for part in parts for one in part]
    if own_error:  # reported once, not for each strategy
        every = [one for one in every if one.kind != "journal_unreadable" or not one.strategy]
    if waiting and not own_error:
        own_error = f"Still reading the journals of {len(waiting)} of {len(views)} strategies"
    ok, text = headline(views, own_error, every)
    return Snapshot(
        judged_at=now,
        version=before.version + 1 if before else 1,
        ok=ok,
        headline=text,
        strategies=views,
        conditions=tuple(sorted(every, key=lambda one: (one.strategy, one.bot, one.kind))),
        last_fault=last_fault,
        deployment=deployment,
        reading=waiting,
        is_blind=is_blind,
        facts=facts,
    )


def _same(before: Sequence[StrategyView], after: Sequence[StrategyView]) -> bool:
    # A view is rebuilt only when something has changed, so comparing identities is enough.
    return len(before) == len(after) and all(one is other for one, other in zip(before, after, strict=True))


def headline(
    strategies: Iterable[StrategyView], error: str = "", conditions: Iterable[Condition] = ()
) -> tuple[bool, str]:
    """Return whether nothing is down, and the sentence that says that all is well, or what is not."""
    strategies = tuple(strategies)
    if error:
        return False, error
    if not strategies:
        return True, "There are no strategies yet"
    broken = [strategy for strategy in strategies if strategy.status not in GOOD]
    bots = [bot for strategy in strategies if strategy.status in GOOD for bot in strategy.bots]
    down = [bot.id for bot in bots if bot.status not in GOOD]
    wrong = [f"{strategy.name} {_CONDITIONS.get(strategy.condition, 'is down')}" for strategy in broken[:3]]
    if len(broken) > 3:
        wrong.append(f"{len(broken) - 3} more strategies are down")
    if down:
        wrong.append(f"{_number(len(down), 'bot')} down: {_list(down)}")
    if wrong:
        return False, "; ".join(wrong)
    all_bots = [bot for strategy in strategies for bot in strategy.bots]
    notes = [
        f"{count} {status}"
        for status in ("late", "paused", "new")
        if (count := sum(bot.status == status for bot in all_bots))
    ]
    text = f"{_doubts(all_bots, conditions) or WELL}: {_number(len(strategies), 'strategy')}, {_number(len(all_bots), 'bot')}"
    return True, text + (f" ({', '.join(notes)})" if notes else "")


def _doubts(bots: Iterable[BotView], conditions: Iterable[Condition]) -> str:
    """Return why all is not well although no bot is down, or an empty text."""
    bots = tuple(bots)
    by_hand = [bot.id for bot in bots if bot.manual_failure]
    failed = [bot.id for bot in bots if not bot.manual_failure and bot.last_slot_failed]
    conditions = tuple(conditions)
    turned_away = sorted({one.bot for one in conditions if one.kind in _ORDERS})
    named = {*by_hand, *failed}
    others = [_condition_text(one) for one in conditions if one.kind not in _ORDERS and one.bot not in named]
    doubts = [
        *([f"manual runs of {_list(by_hand)} did not succeed"] if by_hand else []),
        *([f"the last slots of {_list(failed)} did not succeed"] if failed else []),
        *([f"orders of {_list(turned_away)} were turned away or are of unknown fate"] if turned_away else []),
        *others[:MOST_TOLD],
        *([f"{len(others) - MOST_TOLD} more"] if len(others) > MOST_TOLD else []),
    ]
    return f"No bot is down, but {'; '.join(doubts)}" if doubts else ""


def _condition_text(condition: Condition) -> str:
    kind = KINDS.get(condition.kind)
    return f"{condition.bot or condition.strategy or 'openbell'} {kind.title if kind else 'has something wrong'}"


_ORDERS = frozenset({"order_rejected", "order_uncertain"})
_CONDITIONS = {
    "never_started": "has never started",
    "cannot_start": "cannot start",
    "bad_manifest": "cannot start",
    "crash_loop": "is in a crash loop",
    "stalled": "shows no sign of life",
    "stopped": "is stopped",
    "journal_unreadable": "cannot be watched",
}


def _number(count: int, word: str) -> str:
    plural = word[:-1] + "ies" if word.endswith("y") else word + "s"
    return f"{count} {word if count == 1 else plural}"


def _list(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
