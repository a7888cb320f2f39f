"""What `make up` and `make ps` end with: the services, the bots with their slots, and where the status page is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pytz
from pytz.tzinfo import BaseTzInfo

from deploy.docker.engine import Service
from deploy.supervisor_client import BotStatus
from deploy.table import aligned

SERVICE_HEADINGS = ("SERVICE", "STATE", "RESTARTS", "IMAGE")
BOT_HEADINGS = ("BOT", "STATUS", "LAST SLOT", "OUTCOME", "NEXT SLOT")

WELL = ("new", "up", "running")  # statuses that need no explanation


@dataclass(frozen=True)
class Hints:
    """What a person does next, in the words for the machine that the table is about."""

    page: str  # where the status page is, or the command that leads to it
    start: str = "make up"
    option: str = ""  # of every other command: empty, or " HOST=vps"


def overview(
    services: Sequence[Service], bots: Sequence[BotStatus] | None, hints: Hints, zone: BaseTzInfo | None
) -> str:
    """Return the whole text. `zone` is the user's; None is this machine's own. `bots` is None if they are unknown."""
    if not services:
        return f"Nothing runs: start it with `{hints.start}`."
    parts = [aligned([SERVICE_HEADINGS, *(_service(service) for service in services)])]
    parts += [f"{one.name}: {_state(one)}; it wrote last: {one.last_line}" for one in services if one.last_line]
    if bots is None:
        where = "" if hints.option else f" at {hints.page}"
        parts.append(f"The supervisor does not answer{where}: see `make logs STRATEGY=supervisor{hints.option}`.")
    else:
        parts.append(aligned([BOT_HEADINGS, *(_bot(bot, zone) for bot in bots)]))
        parts += [f"{bot.id}: {bot.status}: {bot.reason}" for bot in bots if bot.reason and bot.status not in WELL]
        parts += [f"{bot.id}: {bot.manual_failure}" for bot in bots if bot.manual_failure]
        parts.append(f"Status page: {hints.page}")
    return "\n\n".join(parts)


def slot(at: datetime | None, strategy_zone: str, zone: BaseTzInfo | None) -> str:
    """Return an instant in the strategy's zone and, where the clocks differ, in the user's."""
    if at is None:
        return "-"
    theirs, ours = at.astimezone(pytz.timezone(strategy_zone)), at.astimezone(zone)
    text = f"{theirs:%a %d %b} {_clock(theirs)}"
    if ours.utcoffset() == theirs.utcoffset():
        return text
    day = "" if ours.date() == theirs.date() else f"{ours:%a %d %b} "
    return f"{text} ({day}{_clock(ours)})"


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S %Z}" if at.second else f"{at:%H:%M %Z}"


def _service(service: Service) -> tuple[str, ...]:
    return service.name, _state(service), str(service.restarts), service.image


def _state(service: Service) -> str:
    if service.state == "running":
        return service.health or service.state
    return f"{service.state} ({service.exit_code})" if service.exit_code else service.state


def _bot(bot: BotStatus, zone: BaseTzInfo | None) -> tuple[str, ...]:
    last, coming = slot(bot.last_slot, bot.timezone, zone), slot(bot.next_slot, bot.timezone, zone)
    return bot.id, bot.status, last, bot.last_outcome or "-", coming
