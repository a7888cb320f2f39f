"""The daily digests: before the open, which bots are well and what is due; after the close, what ran and the result."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytz

from openbell import calendars
from openbell.calendars import CalendarExpired
from openbell.manifest import Manifest
from openbell.slots import count_slots, next_slot
from openbell.supervisor.alerts.model import Message
from openbell.supervisor.alerts.quiet_hours import DailyTime
from openbell.supervisor.health.bot_status import GOOD
from openbell.supervisor.health.snapshot import Snapshot
from openbell.supervisor.model.formatting import dated, midnight, next_midnight
from openbell.supervisor.model.records import AccountRecord
from openbell.supervisor.store.store import Store

STALE = timedelta(hours=6)  # a digest that is later than this, after a restart, is not sent
LINES = 12  # strategies that are named one by one
_ACCOUNTS = 500  # records among which the first one of the day is searched


@dataclass(frozen=True)
class DaySummary:
    """What a strategy did on one day. before: the value of its account at the beginning of the day, if known."""

    strategy: str
    outcomes: Mapping[str, int]
    skips: Mapping[str, int]
    orders: int
    account: AccountRecord | None
    before: float | None


def key(digest: DailyTime, at: datetime) -> str:
    """Return the key of a digest, which is different on each day."""
    return f"digest {digest.name} {at.astimezone(pytz.timezone(digest.timezone)).date()}"


def before_open(snapshot: Snapshot, manifests: Iterable[Manifest], digest: DailyTime, now: datetime) -> Message:
    """Return the morning's digest."""
    manifests, zone = tuple(manifests), digest.timezone
    bots = [bot for strategy in snapshot.strategies for bot in strategy.bots]
    down = [bot.id for bot in bots if bot.status not in GOOD]
    paused = [bot.id for bot in bots if bot.status == "paused"]
    well = snapshot.ok and not down
    alive = (
        f"All {len(bots)} bots are well."
        if well and not paused
        else f"{len(bots) - len(down) - len(paused)} of {len(bots)} bots are well."
    )
    lines = [alive]
    if not snapshot.ok:
        lines.append(snapshot.headline)
    if paused:
        lines.append(f"Paused: {_list(paused)}")
    lines += _holidays({manifest.calendar for manifest in manifests if manifest.calendar}, now, zone)
    due = [line for manifest in manifests if (line := _due(manifest, now, next_midnight(now, zone)))]
    lines.append("Due today:" if due else "Nothing is due today.")
    lines += _first_lines(due)
    mark = "INFO" if well else "WARNING"
    return Message(
        "digest", "info" if well else "warning", f"{mark}: morning digest, {_day(now, zone)}", "\n".join(lines)
    )


def _due(manifest: Manifest, now: datetime, until: datetime) -> str:
    try:
        counts = [count_slots(bot.schedule, now, until) for bot in manifest.bots if not bot.is_stream]
        firsts = [next_slot(bot.schedule, now) for bot in manifest.bots if not bot.is_stream]
    except CalendarExpired:
        return f"- {manifest.name}: its calendar has run out"
    if not sum(counts):
        return ""
    first = dated(min(at for at in firsts if at is not None), manifest.timezone)
    return f"- {manifest.name}: {sum(counts)} slots of {sum(bool(count) for count in counts)} bots, first {first}"


def _holidays(names: Iterable[str], now: datetime, zone: str) -> list[str]:
    lines = []
    for name in sorted(names):
        calendar = calendars.load(name)
        try:
            day = now.astimezone(pytz.timezone(calendar.timezone)).date()
            session = calendar.session(day)
        except CalendarExpired:
            continue
        if session is None and day.weekday() in calendar.weekdays:
            lines.append(f"{name}: closed today (holiday)")
        elif session is not None and session.early_close:
            lines.append(f"{name}: half-day, closes {dated(session.close, zone)}")
    return lines


def done_today(store: Store, manifests: Iterable[Manifest], now: datetime, zone: str) -> list[DaySummary]:
    """Return what each strategy did since the zone's midnight."""
    since = midnight(now, zone)
    return [_done(store, manifest, since, now) for manifest in manifests]


def _done(store: Store, manifest: Manifest, since: datetime, now: datetime) -> DaySummary:
    outcomes, skips, orders = Counter[str](), Counter[str](), 0
    for bot in manifest.bots:
        for slot in store.slots.in_range(manifest.name, bot.id, since, now):
            outcomes[slot.outcome or "running"] += slot.count
            if slot.outcome == "skipped":
                skips[slot.reason] += slot.count
        orders += sum(run.orders for run in store.runs.recent(manifest.name, bot.id, 2000) if run.slot >= since)
    accounts = store.accounts(manifest.name, _ACCOUNTS)
    earlier = next((one.equity for one in accounts if one.at < since), None)
    today = [one.equity for one in accounts if one.at >= since]
    return DaySummary(
        manifest.name,
        outcomes,
        skips,
        orders,
        accounts[0] if accounts else None,
        earlier if earlier is not None else (today[-1] if today else None),
    )


def after_close(done: Sequence[DaySummary], snapshot: Snapshot, digest: DailyTime, now: datetime) -> Message:
    """Return the evening's digest."""
    total = Counter[str]()
    for one in done:
        total.update(one.outcomes)
    runs = sum(count for outcome, count in total.items() if outcome not in {"skipped", "missed"})
    orders = sum(one.orders for one in done)
    bad = {
        outcome: count
        for outcome, count in total.items()
        if outcome in {"failed", "timed_out", "interrupted", "missed"}
    }
    lines = [
        f"{_number(runs, 'run')}, {_number(orders, 'order')}"
        + "".join(f", {count} {outcome.replace('_', ' ')}" for outcome, count in bad.items())
    ]
    skips = Counter[str]()
    for one in done:
        skips.update(one.skips)
    if skips:
        lines.append("Skipped: " + ", ".join(f"{count} {reason}" for reason, count in skips.most_common(5)))
    if not snapshot.ok:
        lines.append(f"Wrong now: {snapshot.headline}")
    lines += _first_lines([line for one in done if (line := _account(one))])
    well = snapshot.ok and not bad
    mark = "INFO" if well else "WARNING"
    return Message(
        "digest",
        "info" if well else "warning",
        f"{mark}: evening digest, {_day(now, digest.timezone)}",
        "\n".join(lines),
    )


def _account(done: DaySummary) -> str:
    account = done.account
    if account is None or account.equity is None:
        return ""
    held = [
        f"{quantity:g} {symbol}" for symbol, position in account.positions.items() if (quantity := position.get("qty"))
    ]
    change = account.day_profit_loss
    if change is None and done.before is not None:
        change = account.equity - done.before
    result = "" if change is None else f" ({change:+,.2f} today)"
    return f"- {done.strategy} ({account.broker}): {account.equity:,.2f} {account.currency}{result}; holds {_list(held) if held else 'nothing'}"


def _first_lines(lines: Sequence[str]) -> list[str]:
    return [*lines[:LINES], *([f"- and {len(lines) - LINES} more"] if len(lines) > LINES else [])]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _day(now: datetime, zone: str) -> str:
    day: date = now.astimezone(pytz.timezone(zone)).date()
    return f"{day:%a} {day.day} {day:%b}"
