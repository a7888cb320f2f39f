"""Why a loop does not run what a person asks for: a run now, or a run as a slot that has passed. Pure."""

from datetime import datetime, timedelta

from openbell.calendars import CalendarExpired
from openbell.control import Pause, Request
from openbell.ledger import KEEP_DAYS
from openbell.manifest import Bot
from openbell.slots import is_slot

FRESH = timedelta(minutes=1)  # who asked no longer waits for an older request


def refusal(request: Request, bot: Bot | None, now: datetime, *, busy: bool, pause: Pause | None) -> str:
    """Return why a request of any kind is refused; empty if it is not."""
    if bot is None:
        return "there is no such bot"
    if busy:
        return "a run of this bot is in progress"
    if pause is not None and pause.holds(now):
        return f"the bot is paused by {pause.by}: {pause.reason}"
    return age_refusal(request, now)


def age_refusal(request: Request, now: datetime) -> str:
    """Return why a request's age refuses it; empty if it does not."""
    if now - request.requested_at > FRESH:
        return "the request is older than a minute"
    if request.requested_at - now > FRESH:
        return "the request was made while the clock was ahead"
    return ""


def slot_refusal(bot: Bot, slot: datetime, decided: datetime, now: datetime, outcome: str | None) -> str:
    """Return why a run as this slot is refused; empty if it is not.

    decided: the newest slot of the bot about which the loop has decided. outcome: how the slot's run ended, None without one.
    """
    if outcome == "running":
        return "the run of this slot goes on"
    if outcome is not None:
        return f"this slot has run already: {outcome}"
    if slot > now:
        return "this slot is yet to come"
    if problem := no_slot(bot, slot):
        return problem
    if slot > decided:
        return "this slot may still run by itself: ask again when its grace is over"
    # What ran longer ago is forgotten, and with it the protection from running twice.
    if now - slot > timedelta(days=KEEP_DAYS):
        return f"this slot is more than {KEEP_DAYS} days old: it is not known any more whether it has run"
    return ""


def no_slot(bot: Bot, at: datetime) -> str:
    """Return why a bot has no slot at an instant; empty if it has."""
    if bot.is_stream:
        return "a stream has no slots"
    try:
        return "" if is_slot(bot.schedule, at) else "the bot is not due at this time"
    except CalendarExpired as error:
        return str(error)
