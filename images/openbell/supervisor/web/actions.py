"""The changes that the page and the API can make: desired state, where the strategies' loops read it."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from starlette.exceptions import HTTPException

from openbell import answers, desired_state
from openbell.control import Halt, Pause, Request
from openbell.desired_state import control_of
from openbell.journal import instant
from openbell.manifest import parse_duration
from openbell.supervisor.health.snapshot import BotView, StrategyView

BY = "page"
LONGEST_SNOOZE = timedelta(days=30)
LONGEST_REASON = 200  # characters
FRESH = timedelta(minutes=1)  # an older request is refused by the loop
LENGTH = r"^([1-9][0-9]{0,3}[smh]|[1-9][0-9]{0,2}d)$"  # a manifest's durations, without zero and without centuries


def parse_pause(content: Mapping[str, object], now: datetime) -> Pause | None:
    """Return the pause in a request's body, None if it resumes the bot; 422 if the body is not valid."""
    paused = content.get("paused")
    if not isinstance(paused, bool):
        _refuse("paused", content, "true or false")
    allowed = {"paused", "reason", "for"} if paused else {"paused"}
    unknown = next((name for name in content if name not in allowed), None)
    if unknown is not None:
        msg = f"{_shown(unknown)}: found an unknown field; allowed with paused {str(paused).lower()}: {', '.join(sorted(allowed))}"
        raise HTTPException(422, msg)
    if not paused:
        return None
    reason = _reason(content)
    until = now + _length(content) if "for" in content else None
    return Pause(now, until, BY, reason)


def _length(content: Mapping[str, object]) -> timedelta:
    text = content.get("for")
    length = parse_duration(text) if isinstance(text, str) and re.fullmatch(LENGTH, text) else None
    if length is None:
        _refuse("for", content, 'a duration such as "30m", "2h" or "3d"')
    return length


def parse_snooze(content: Mapping[str, object], now: datetime) -> datetime:
    """Return until when a request's body snoozes an incident; 422 if the body is not valid."""
    if set(content) == {"for"}:
        until: datetime | None = now + _length(content)
    elif set(content) == {"until"}:
        until = instant(content["until"])
    else:
        raise HTTPException(422, 'allowed: either {"for": "2h"} or {"until": "2026-11-27T09:00:00Z"}')
    if until is None:
        _refuse("until", content, "an instant with its offset such as 2026-11-27T09:00:00Z")
    if not now < until <= now + LONGEST_SNOOZE:
        raise HTTPException(
            409, f"until: allowed: an instant that is to come, at most {LONGEST_SNOOZE.days} days from now"
        )
    return until


def _reason(content: Mapping[str, object]) -> str:
    reason = content.get("reason")
    if not isinstance(reason, str) or not 1 <= len(reason) <= LONGEST_REASON:
        _refuse("reason", content, f"a text of 1 to {LONGEST_REASON} characters")
    # JSON allows half a surrogate pair, UTF-8 does not.
    return reason.encode("utf-8", "replace").decode()


def apply(root: Path, view: StrategyView, bot: BotView, wanted: Pause | None) -> bool:
    """Pause a bot, or resume it if `wanted` is None; return whether that changed anything."""
    of_strategy = control_of(root, view.name)
    try:
        if wanted is None:
            return of_strategy.resume(bot.id) or bot.status == "paused"
        of_strategy.pause(bot.id, wanted)
    except desired_state.CANNOT_KEEP as error:
        raise _cannot_be_kept(error) from None
    return True


def parse_halt(content: Mapping[str, object], now: datetime) -> Halt:
    """Return the halt in a request's body; 422 if the body is not valid."""
    unknown = next((name for name in content if name not in {"reason", "exits"}), None)
    if unknown is not None:
        raise HTTPException(422, f"{_shown(unknown)}: found an unknown field; allowed: reason, exits")
    reason, exits = _reason(content), content.get("exits", False)
    if not isinstance(exits, bool):
        _refuse("exits", content, "true or false")
    return Halt(now, BY, reason, exits)


def apply_halt(root: Path, wanted: Halt | None) -> bool:
    """Stop all orders, or let them be sent again if `wanted` is None; return whether that changed anything."""
    try:
        if wanted is None:
            return desired_state.unhalt(root)
        desired_state.halt(root, wanted)
    except desired_state.CANNOT_KEEP as error:
        raise _cannot_be_kept(error) from None
    return True


def request_run(root: Path, journal: Path, view: StrategyView, bot: BotView, now: datetime) -> Request:
    """Request a run from a bot's loop; 409 if the loop would refuse it, or a request is waiting already."""
    if bot.status == "paused":
        raise HTTPException(409, f"{bot.id} is paused: resume it first")
    if bot.status == "running":
        raise HTTPException(409, f"{bot.id} is running already")
    if view.status == "down":
        raise HTTPException(409, f"{view.name} takes no requests: {view.reason}")
    of_strategy = control_of(root, view.name)
    try:
        taken = answers.read(journal / view.name).requests
        waiting = [one for one in of_strategy.requests() if one.id not in taken and abs(now - one.requested_at) < FRESH]
        if any(one.bot == bot.id for one in waiting):
            raise HTTPException(409, f"a run of {bot.id} is asked for already")
        return of_strategy.request(bot.id, BY, now)
    except desired_state.CANNOT_KEEP as error:
        raise _cannot_be_kept(error) from None


def request_flatten(root: Path, view: StrategyView, now: datetime) -> Request:
    """Ask a strategy's loop to close all that it holds; 409 if it is down."""
    if view.status == "down":
        raise HTTPException(409, f"{view.name} takes no requests: {view.reason}; use make flatten")
    of_strategy = control_of(root, view.name)
    try:
        return of_strategy.request_flatten(BY, now)
    except desired_state.CANNOT_KEEP as error:
        raise _cannot_be_kept(error) from None


def parse_flatten(content: Mapping[str, object], strategy: str) -> None:
    """Answer 422 or 409 unless a request's body confirms what it asks for by the strategy's name."""
    if dict(content) != {"confirm": strategy}:
        code = 409 if set(content) == {"confirm"} and isinstance(content["confirm"], str) else 422
        raise HTTPException(code, f'it closes all that the strategy holds: confirm it with {{"confirm": "{strategy}"}}')


def _cannot_be_kept(error: Exception) -> HTTPException:
    where = f"the control volume cannot be written ({error.strerror})" if isinstance(error, OSError) else str(error)
    return HTTPException(503, where)


def _refuse(name: str, content: Mapping[str, object], allowed: str) -> NoReturn:
    found = _shown(content[name]) if name in content else "nothing"
    raise HTTPException(422, f"{name}: found {found}; allowed: {allowed}")


def _shown(value: object) -> str:
    return repr(value)[:60]
