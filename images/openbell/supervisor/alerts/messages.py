"""The text of a message, for a person who reads it on a phone. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from openbell.supervisor.alerts.grouping import ABSENCE
from openbell.supervisor.alerts.model import Incident, Member, Message
from openbell.supervisor.model.conditions import KINDS, Kind
from openbell.supervisor.model.formatting import dated, span

NAMES = 8  # bots that are named in a line before "and 992 more"
KINDS_SHOWN = 4  # lines about what is wrong
LONGEST = 240  # characters of one reason
MARKS = {"critical": "CRITICAL", "warning": "WARNING", "good": "OK", "info": "INFO"}

_ENDED = {"mended": "recovered", "paused": "paused", "unwatched": "no longer watched"}  # by how a condition has ended

_UNKNOWN = Kind("is not as it should be", "Look at the status page")


def message(incident: Incident, sort: str, now: datetime, elsewhere: str = "") -> Message:
    """Return the message of a sort (alert, update, reminder, escalation, recovery, summary, canary) about an incident.

    elsewhere: what is wrong now, or not known, and belongs to no member of this incident; a summary names it.
    """
    still = [member for member in incident.members if member.closed_at is None]
    severity = _severity(sort, incident, still, elsewhere)
    if sort == "canary":
        title, body = _canary(incident)
    elif sort == "summary":
        title, body = _summary(incident, still, elsewhere)
    elif sort == "recovery":
        title, body = _over(incident, now)
    elif not still:
        title, body = f"{headline(incident.members)} (over)", _over(incident, now)[1]
    else:
        title, body = _wrong(incident, sort, still, now)
    return Message(sort, severity, f"{MARKS[severity]}: {title}", body, incident.id)


def _severity(sort: str, incident: Incident, still: Sequence[Member], elsewhere: str) -> str:
    if sort == "canary":
        return "info"
    if sort == "recovery" and all(member.ended in {"unwatched", "replaced"} for member in incident.members):
        return "info"  # nothing is known to be well
    if sort == "recovery" or (incident.cause == ABSENCE and not incident.members and not elsewhere):
        return "good"
    return "critical" if any(member.critical for member in still) else "warning"


def _wrong(incident: Incident, sort: str, still: Sequence[Member], now: datetime) -> tuple[str, str]:
    lines = []
    title = headline(still)
    if sort == "reminder":
        lines.append(f"Still wrong after {span(now - incident.opened_at)} (reminder {incident.reminders + 1}).")
        title = f"still: {title}"
    elif sort == "escalation":
        lines.append(f"No person has acknowledged this for {span(now - (incident.unanswered_since(now) or now))}.")
        title = f"not acknowledged: {title}"
    elif sort == "update":
        lines.append(f"More of what began {span(now - incident.opened_at)} ago.")
    lines += list(_what(still))
    over = [member for member in _over_by_now(incident, still) if member.told]
    for ended, word in _ENDED.items():
        if found := [member for member in over if member.ended == ended]:
            lines.append(f"{word[0].upper()}{word[1:]}: {names(found)}")
    return title, "\n".join(lines)


def _over_by_now(incident: Incident, still: Sequence[Member]) -> list[Member]:
    """Return the members that are closed, without those of whom something else is still wrong."""
    wrong = {member.condition.key[1:] for member in still}
    return [
        member
        for member in incident.members
        if member.closed_at is not None and member.ended != "replaced" and member.condition.key[1:] not in wrong
    ]


def headline(members: Sequence[Member]) -> str:
    """Return what is wrong in one line: "pulse missed a slot", "45 bots missed a slot", "7 strategies show …"."""
    kinds = {member.condition.kind for member in members}
    if len(members) == 1:
        return f"{_name(members[0])} {_kind(members[0]).title}"
    counted = _counted(members)
    if len(kinds) == 1:
        return f"{counted}: {_kind(members[0]).title}"
    return f"{counted}: " + ", ".join(_kind(next(iter(group))).title for _, group in _by_kind(members))


def _what(members: Sequence[Member]) -> Iterable[str]:
    if len(members) == 1:
        yield from _one(members[0])
        return
    groups = [(kind, list(group)) for kind, group in _by_kind(members)]
    for _, group in groups[:KINDS_SHOWN]:
        yield f"- {_kind(group[0]).title}: {names(group)}"
    if len(groups) > KINDS_SHOWN:
        yield f"- and {len(groups) - KINDS_SHOWN} other things"
    first = min(members, key=lambda member: member.condition.since)
    yield f"Since: {dated(first.condition.since, first.timezone)}"
    reasons = list(dict.fromkeys(_short(member.condition.reason) for _, group in groups for member in group))
    if first.condition.expected:
        yield f"Expected: {first.condition.expected}" + (" (the first of them)" if len(members) > 1 else "")
    yield f"Reason: {reasons[0]}" + (f" (and {len(reasons) - 1} other reasons)" if len(reasons) > 1 else "")
    yield from dict.fromkeys(f"Do: {_advice(group[0])}" for _, group in groups[:2])


def _one(member: Member) -> Iterable[str]:
    condition = member.condition
    row = f" ({condition.count} in a row)" if condition.count > 1 else ""
    yield f"What: {_name(member, full=True)} {_kind(member).title}{row}"
    yield f"Since: {dated(condition.since, member.timezone)}"
    if condition.expected:
        yield f"Expected: {condition.expected}"
    yield f"Reason: {_short(condition.reason)}"
    yield f"Do: {_advice(member)}"


def _over(incident: Incident, now: datetime) -> tuple[str, str]:
    members = incident.members
    paused = [member for member in members if member.ended == "paused"]
    title = _ends(members)
    lines = [
        f"- {_kind(group[0]).title}{_missed(group)}: {names(group)}"
        for _, group in ((kind, list(group)) for kind, group in _by_kind(members))
    ]
    first = min(members, key=lambda member: member.condition.since)
    end = max(member.last or member.closed_at or now for member in members)
    begun, ended = dated(first.condition.since, first.timezone), dated(end, first.timezone)
    lines.append(f"From {begun} to {ended} ({span(end - first.condition.since)})")
    if first.condition.reason:
        lines.append(f"Reason: {_short(first.condition.reason)}")
    lines += list(dict.fromkeys(f"{_name(member)}: {member.remedy}" for member in paused))[:3]
    return title, "\n".join(lines)


def _ends(members: Sequence[Member]) -> str:
    """Return who recovered, was paused or is no longer watched: "alpha recovered, beta no longer watched"."""
    ended = [member for member in members if member.ended != "replaced"] or list(members)
    parts, named = [], set[tuple[str, ...]]()
    for how in sorted(
        {member.ended for member in ended}, key=lambda how: list(_ENDED).index(how) if how in _ENDED else 0
    ):
        group = [member for member in ended if member.ended == how and member.condition.key[1:] not in named]
        if not group:
            continue
        named |= {member.condition.key[1:] for member in group}
        who = _name(group[0]) if len({_name(member) for member in group}) == 1 else _counted(group)
        parts.append(f"{who} {_ENDED.get(how, 'recovered')}")
    return ", ".join(parts)


def _missed(group: Sequence[Member]) -> str:
    slots = sum(member.condition.count for member in group)
    return f" ({slots} slots in all)" if slots > len(group) else ""


def _summary(incident: Incident, still: Sequence[Member], elsewhere: str) -> tuple[str, str]:
    lines = [incident.note]
    over = _over_by_now(incident, still)
    if over:
        lines.append("Meanwhile, and over:")
        lines += [
            f"- {_kind(group[0]).title}{_missed(group)}: {names(group)}"
            for _, group in ((kind, list(group)) for kind, group in _by_kind(over))
        ]
    if still:
        lines.append("Wrong now:")
        lines += list(_what(still))
        lines += [elsewhere] if elsewhere else []
        return f"the watch is back: {headline(still)}", "\n".join(lines)
    lines.append(elsewhere or ("Nothing is wrong now." if over else "Nothing was missed."))
    return "the watch is back", "\n".join(lines)


def _canary(incident: Incident) -> tuple[str, str]:
    condition = incident.members[0].condition
    lines = [
        "This is a test that was asked for: nothing is wrong.",
        f"A canary that never runs was due and was found missing. {_short(condition.reason)}",
        "Do: nothing. That you read this proves the path from a missed slot to you.",
    ]
    return "canary (a test)", "\n".join(lines)


def names(members: Sequence[Member]) -> str:
    """Return the names of the bots and strategies concerned, at most the first few."""
    found = list(dict.fromkeys(_name(member) for member in members))
    return ", ".join(found[:NAMES]) + (f" and {len(found) - NAMES} more" if len(found) > NAMES else "")


def _counted(members: Iterable[Member]) -> str:
    members = tuple(members)
    bots = {member.condition.bot for member in members if member.condition.bot}
    loops = {member.condition.strategy for member in members if member.condition.strategy and not member.condition.bot}
    machine = any(not member.condition.strategy for member in members)
    parts = [
        *(["this machine"] if machine else []),
        *([f"{len(loops)} {'strategy' if len(loops) == 1 else 'strategies'}"] if loops else []),
        *([f"{len(bots)} {'bot' if len(bots) == 1 else 'bots'}"] if bots else []),
    ]
    return " and ".join(parts)


def _name(member: Member, *, full: bool = False) -> str:
    condition = member.condition
    if not condition.strategy:
        return "this machine"
    if condition.bot and full and condition.bot != condition.strategy:
        return f"{condition.bot} (of {condition.strategy})"
    return condition.bot or condition.strategy


def _kind(member: Member) -> Kind:
    return KINDS.get(member.condition.kind, _UNKNOWN)


def _advice(member: Member) -> str:
    advice = _kind(member).advice
    return advice.replace("{strategy}", member.condition.strategy).replace("{bot}", member.condition.bot)


def _by_kind(members: Iterable[Member]) -> Iterable[tuple[str, Iterable[Member]]]:
    order = list(KINDS)

    def position(member: Member) -> int:
        return order.index(member.condition.kind) if member.condition.kind in KINDS else len(order)

    return groupby(sorted(members, key=position), key=lambda member: member.condition.kind)


def _short(reason: str) -> str:
    return reason if len(reason) <= LONGEST else reason[: LONGEST - 1] + "…"
