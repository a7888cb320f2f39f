"""A slot that has passed, as a person names it to have it run."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytz

from openbell.calendars import CalendarExpired
from openbell.manifest import Bot
from openbell.slots import is_slot, last_slot, local_instant, next_slot

NEAR = timedelta(days=7)


def read(text: str, timezone: str) -> datetime:
    """Return the instant that a text stands for, in the strategy's zone if it names none; ValueError if it is not one."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        msg = f'SLOT: found "{text}"; allowed: a date and a time such as 2026-11-20T09:35, in {timezone}'
        raise ValueError(msg) from None
    return local_instant(at, timezone) if at.tzinfo is None else at.astimezone(UTC)


def due(bots: Iterable[Bot], slot: datetime, now: datetime) -> list[Bot]:
    """Return which of the bots are due at a slot that has passed; ValueError names the slots that are near."""
    bots = [bot for bot in bots if not bot.is_stream]
    if not bots:
        msg = "SLOT: a stream has no slots"
        raise ValueError(msg)
    if slot > now:
        msg = f"SLOT: {_local(slot, bots[0])} is yet to come; allowed: a slot that has passed"
        raise ValueError(msg)
    try:
        found = [bot for bot in bots if is_slot(bot.schedule, slot)]
        near = "" if found else "; ".join(_near(bot, slot, now) for bot in bots[:3])
    except CalendarExpired as error:
        msg = f"SLOT: {error}"
        raise ValueError(msg) from None
    if not found:
        msg = f"SLOT: no bot is due at {_local(slot, bots[0])}; {near}"
        raise ValueError(msg)
    return found


def summary(bot: Bot, slot: datetime, money: str, now: datetime) -> str:
    """Return which run it would be, as one line."""
    age = timedelta(seconds=round((now - slot).total_seconds()))
    return (
        f"{bot.id}: the slot of {_local(slot, bot)}, {age} ago, with {money} money: its run sees the prices of now, and its "
        "orders have the ids of that slot"
    )


def _near(bot: Bot, slot: datetime, now: datetime) -> str:
    before, after = last_slot(bot.schedule, slot - NEAR, slot), next_slot(bot.schedule, slot)
    near = [_local(one, bot) for one in (before, after) if one is not None and one <= now]
    return f"{bot.id} was due at {' and '.join(near)}" if near else f"{bot.id} was not due near it"


def _local(at: datetime, bot: Bot) -> str:
    return f"{at.astimezone(pytz.timezone(bot.schedule.timezone)):%a %Y-%m-%d %H:%M:%S %Z}"
