"""`openbell run-now`: ask the loop for a run, now or as a slot that has passed, follow it, and print what it decided."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytz

from openbell.calendars import CalendarExpired
from openbell.command_parser import command_parser
from openbell.desired_state import CANNOT_KEEP, control_of
from openbell.journal import Event, days
from openbell.journal.follower import Follower
from openbell.manifest import Bot, ManifestError, suggestion
from openbell.own_days_file import OwnDaysFile
from openbell.paths import PathError, Paths, from_environment
from openbell.runner.loop_lock import ask_to_read_requests
from openbell.slots import is_slot, last_slot, local_instant, next_slot
from openbell.strategy import loader

HEAD = frozenset({"timestamp", "event", "level", "strategy", "boot_id", "bot", "slot", "run_id", "attempt"})
START_WITHIN = 15.0  # seconds; the loop reads requests when it is signalled, and at every heartbeat
NEAR = timedelta(days=7)


def main(arguments: Sequence[str]) -> int:
    """Return 0 if every run asked for succeeded, 1 if not."""
    parser = command_parser("run-now")
    parser.add_argument("--bot", default="", help="only this bot; default: every bot of the strategy")
    parser.add_argument(
        "--slot", help="run this slot, which has passed, such as 2026-11-20T09:35 in the strategy's zone"
    )
    parser.add_argument("--dry-run", action="store_true", help="only print which slot would be run")
    options = parser.parse_args(arguments)
    try:
        places = from_environment(os.environ)
        manifest = loader.manifest(places)
    except (PathError, ManifestError) as error:
        print(error, file=sys.stderr)
        return 1
    bots = [bot for bot in manifest.bots if options.bot in {"", bot.id}]
    if not bots:
        print(
            f"{options.bot}: no such bot; {suggestion(options.bot, (bot.id for bot in manifest.bots))}", file=sys.stderr
        )
        return 1
    slot = None
    if options.slot:
        OwnDaysFile(places.control).reload()
        try:
            slot = slot_of(options.slot, manifest.timezone)
            bots = due_at(bots, slot, datetime.now(UTC))
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        if options.dry_run:
            for bot in bots:
                print(summary(bot, slot, manifest.money, datetime.now(UTC)))
            return 0
    return max([_run(places, bot.id, slot, START_WITHIN + bot.timeout.total_seconds()) for bot in bots])


def _run(places: Paths, bot: str, slot: datetime | None, wait: float) -> int:
    follower = Follower(places.journal)
    folder = places.journal / places.strategy
    for _, path in days(folder):  # only what is written from here on matters
        follower.skip(path)
    try:
        request = control_of(places.control, places.strategy).request(
            bot, os.environ.get("OPENBELL_USER", "make run"), datetime.now(UTC), slot
        )
    except CANNOT_KEEP as error:
        print(f"the request could not be written: {error}; is the strategy's container running?", file=sys.stderr)
        return 1
    ask_to_read_requests(places.state)
    run_id = None
    for event in _events(follower, folder, time.monotonic() + wait):
        if event.get("request") == request.id and event["event"] == "request_refused":
            print(f"{bot}: not run: {event.get('reason')}", file=sys.stderr)
            return 1
        if event.get("request") == request.id:
            run_id = event.get("run_id")
        if run_id is None or event.get("run_id") != run_id:
            continue
        if line := describe(event):
            print(line, flush=True)
        if event["event"] == "run_end":
            return 0 if event.get("outcome") == "succeeded" else 1
    began = "it did not end" if run_id else "it did not start"
    print(f"{bot}: {began} within {wait:.0f} s: see the strategy's log", file=sys.stderr)
    return 1


def _events(follower: Follower, folder: Path, until: float) -> Iterator[Event]:
    while time.monotonic() < until:
        yield from follower.follow(path for _, path in days(folder))
        time.sleep(0.05)


def describe(event: Event) -> str:
    """Return one line for a person, or an empty text for an event that says nothing to one."""
    match event["event"]:
        case "run_start":
            return f"{event.get('bot')}: run {event.get('run_id')} started (trigger {event.get('trigger')})"
        case "signal":
            values = {name: value for name, value in event.items() if name not in {*HEAD, "symbol", "signal"}}
            return f"  {event.get('symbol')}: signal {event.get('signal')}{_in_brackets(values)}"
        case "decision" if event.get("action") == "hold":
            return f"  {event.get('symbol')}: hold: {event.get('reason')}"
        case "decision":
            answer = (
                f"{event.get('status')} at {event.get('filled_price')}"
                if event.get("filled_price")
                else f"{event.get('status')} {event.get('broker_reason', '')}"
            )
            return f"  {event.get('symbol')}: {event.get('action')} {event.get('qty')}: {event.get('reason')} [{answer.strip()}]"
        case "error":
            return f"  error: {event.get('error')}\n{event.get('traceback', '')}".rstrip()
        case "note":
            values = {name: value for name, value in event.items() if name not in {*HEAD, "message"}}
            return f"  {event.get('message')}{_in_brackets(values)}"
        case "output":
            return f"  {event.get('text')}"
        case "run_end":
            return f"{event.get('bot')}: {event.get('outcome')} in {event.get('tick_duration_ms')} ms, {event.get('orders')} orders"
    return ""


def _in_brackets(values: Mapping[str, object]) -> str:
    return f" ({', '.join(f'{name} {value}' for name, value in values.items())})" if values else ""


def slot_of(text: str, timezone: str) -> datetime:
    """Return the instant that a text stands for, in the strategy's zone if it names none; ValueError if it is not one."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        msg = f'SLOT: found "{text}"; allowed: a date and a time such as 2026-11-20T09:35, in {timezone}'
        raise ValueError(msg) from None
    return local_instant(at, timezone) if at.tzinfo is None else at.astimezone(UTC)


def due_at(bots: Iterable[Bot], slot: datetime, now: datetime) -> list[Bot]:
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
