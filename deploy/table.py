"""What `make up` and `make ps` end with: the services, the bots with their slots, and where the status page is."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO

import pytz
import rich.table
from pytz.tzinfo import BaseTzInfo
from rich.console import Console
from rich.text import Text

from deploy.docker.engine import Service
from deploy.supervisor_client import BotStatus

SERVICE_HEADINGS = ("SERVICE", "STATE", "RESTARTS", "IMAGE")
BOT_HEADINGS = ("BOT", "STATUS", "LAST SLOT", "OUTCOME", "NEXT SLOT")

WIDEST = 1000  # characters
STYLES = {
    **dict.fromkeys(("healthy", "up", "succeeded"), "green"),
    **dict.fromkeys(("late", "paused", "starting", "skipped"), "yellow"),
    **dict.fromkeys(("down", "unhealthy", "failed", "timed_out", "interrupted", "missed"), "red"),
}
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


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns, each as wide as its widest cell; the first row is the heading.

    On a terminal headings are bold and states have colours, unless NO_COLOR is set.
    """
    table = rich.table.Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in rows[0]:
        table.add_column(heading, no_wrap=True)
    for row in rows[1:]:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    text = StringIO()
    # As wide as the cells: a line that the terminal wraps is still whole for a person who copies it.
    Console(file=text, width=WIDEST, force_terminal=sys.stdout.isatty()).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


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
