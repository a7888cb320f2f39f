"""Decide what becomes of the slots that have come due: which one runs, and why the others do not. Pure."""

from datetime import datetime, timedelta
from itertools import pairwise

from openbell.control import Pause
from openbell.manifest import Bot
from openbell.records import dataclass, replace
from openbell.slots import closed_slots, count_slots, last_slot, next_slot

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Skip:
    """A slot, or a range of slots, that is not run: outcome "skipped" or "missed", and the reason."""

    bot: str
    first: datetime
    last: datetime
    count: int
    outcome: str
    reason: str
    pause: Pause | None = None

    def fields(self) -> dict[str, object]:
        """Return what the journal says of it; `slot` is the newest of a range."""
        fields: dict[str, object] = {
            "bot": self.bot,
            "slot": self.last,
            "outcome": self.outcome,
            "reason": self.reason,
            "count": self.count,
        }
        if self.count > 1:
            fields["first"] = self.first
        if self.pause is not None:
            fields |= {"paused_by": self.pause.by, "pause_reason": self.pause.reason}
        return fields


@dataclass(frozen=True)
class Decision:
    """What to do about a bot's due slots: the skips, oldest first, and the slot to run, if any."""

    skips: tuple[Skip, ...]
    run: datetime | None

    @property
    def has_slots(self) -> bool:
        """Tell whether it is about any slot: a time at which the market has closed early is none."""
        return self.run is not None or any(skip.reason != "closed" for skip in self.skips)


def decide(
    bot: Bot, after: datetime, now: datetime, *, busy: bool, pause: Pause | None, draining: bool = False
) -> Decision:
    """Decide about the bot's slots later than `after` that are due at `now`.

    busy: a run of the bot is in progress. pause: the bot's pause, expired or not. draining: the loop is about to end,
    so nothing runs, and slots that may still start in time are left to the loop that follows.
    """
    if draining and bot.catch_up == "latest":
        return Decision((), None)  # the loop that follows runs the newest of them, if it is not too late
    due = now - bot.shift
    expired = due - bot.grace - _TICK  # slots up to here are past their grace
    until = min(due, expired) if draining else due
    newest = last_slot(bot.schedule, after, until)
    closed = tuple(
        Skip(bot.id, slot, slot, 1, "skipped", "closed") for slot in closed_slots(bot.schedule, after, until)
    )
    if newest is None:
        return Decision(closed, None)
    pause = None if pause is None else pause.as_of(now)
    decision = _of_slots(bot, after, now, newest, busy=busy, pause=pause, draining=draining)
    # Those after the run's slot are left to the decision that follows: what is decided on has no holes.
    closed = tuple(skip for skip in closed if decision.run is None or skip.last < decision.run)
    skips = sorted((*decision.skips, *closed), key=lambda skip: skip.last)
    return Decision(tuple(skips), decision.run)


def _of_slots(
    bot: Bot, after: datetime, now: datetime, newest: datetime, *, busy: bool, pause: Pause | None, draining: bool
) -> Decision:
    expired = now - bot.shift - bot.grace - _TICK
    skips = _passed_over(bot, after, newest - _TICK, expired, pause, draining=draining)
    if pause is not None and pause.covers(newest):
        return _without(skips, Skip(bot.id, newest, newest, 1, "skipped", "paused", pause))
    if draining:
        return _without(skips, Skip(bot.id, newest, newest, 1, "skipped", "draining"))
    if newest <= expired and (busy or now > bot.catch_up_by(newest)):
        return _without(skips, Skip(bot.id, newest, newest, 1, "missed", "late"))
    if busy:
        return _without(skips, Skip(bot.id, newest, newest, 1, "skipped", "overlap"))
    return Decision(skips, newest)


def _without(skips: tuple[Skip, ...], newest: Skip) -> Decision:
    """Return the decision not to run: the newest slot is one line with the range before it if they have one reason."""
    if skips and (skips[-1].outcome, skips[-1].reason, skips[-1].pause) == (
        newest.outcome,
        newest.reason,
        newest.pause,
    ):
        newest = replace(newest, first=skips[-1].first, count=skips[-1].count + 1)
        skips = skips[:-1]
    return Decision((*skips, newest), None)


def _passed_over(
    bot: Bot, after: datetime, until: datetime, expired: datetime, pause: Pause | None, *, draining: bool
) -> tuple[Skip, ...]:
    """Return the slots with after < slot <= until as ranges, each with one reason."""
    cuts = {after, until, min(max(expired, after), until)}
    if pause is not None:
        edges = [pause.since - _TICK] + ([pause.until - _TICK] if pause.until else [])
        cuts.update(edge for edge in edges if after < edge < until)
    bounds = sorted(cut for cut in cuts if after <= cut <= until)
    skips: list[Skip] = []
    for start, end in pairwise(bounds):
        first, last = next_slot(bot.schedule, start), last_slot(bot.schedule, start, end)
        if first is None or last is None:
            continue
        count = count_slots(bot.schedule, start, end)
        if pause is not None and pause.covers(last):
            skips.append(Skip(bot.id, first, last, count, "skipped", "paused", pause))
        elif draining:
            skips.append(Skip(bot.id, first, last, count, "skipped", "draining"))
        elif last <= expired:
            skips.append(Skip(bot.id, first, last, count, "missed", "late"))
        else:
            skips.append(Skip(bot.id, first, last, count, "skipped", "coalesced"))
    return tuple(skips)
