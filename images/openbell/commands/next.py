"""`openbell next`: the coming slots of every bot, from the manifests alone."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytz

from openbell.command_parser import command_parser
from openbell.manifest import Bot, load_all, strategy_folders, suggestion, windows
from openbell.slots import slots_between

HORIZON = timedelta(days=400)


def main(arguments: Sequence[str]) -> int:
    """Print the next slots, in the strategy's zone and in the user's; return 1 if a manifest is not valid."""
    parser = command_parser("next")
    parser.add_argument(
        "--strategies", type=Path, default=Path("strategies"), help="the folder of the strategies' folders"
    )
    parser.add_argument("--count", type=int, default=3, help="how many slots for each bot")
    parser.add_argument("--strategy", action="append", default=[], help="only this one; may be repeated")
    options = parser.parse_args(arguments)
    if not options.strategies.is_dir():
        print(f"{options.strategies}: no such folder: name the strategies' folder with --strategies", file=sys.stderr)
        return 1
    manifests, errors = load_all(options.strategies)
    now = datetime.now(UTC)
    for manifest in manifests:
        if not options.strategy or manifest.name in options.strategy:
            for bot in manifest.bots:
                for line in lines(bot, now, options.count):
                    print(line)
    for error in errors:
        print(error, file=sys.stderr)
    known = {folder.name for folder in strategy_folders(options.strategies)}
    unknown = [name for name in options.strategy if name not in known]
    for name in unknown:
        print(f"{name}: no such strategy in {options.strategies}: {suggestion(name, known)}", file=sys.stderr)
    return 1 if errors or unknown else 0


def lines(bot: Bot, now: datetime, count: int) -> Iterator[str]:
    """Yield one line for each of the bot's next `count` slots."""
    zone = pytz.timezone(bot.schedule.timezone)
    if window := _window(bot, now):
        yield f"{bot.id:<24} {window}"
    for slot in islice(slots_between(bot.schedule, now, now + HORIZON), count):
        local, here = slot.astimezone(zone), slot.astimezone()
        wait = timedelta(seconds=round((slot - now).total_seconds()))
        yield f"{bot.id:<24} {local:%a %Y-%m-%d %H:%M:%S %Z}  here {here:%a %H:%M:%S %Z}  in {wait}"


def _window(bot: Bot, now: datetime) -> str:
    """Return the window without slots that goes on or comes next, or an empty text."""
    near = windows.nearest(bot.schedule.blackout, now)
    if near is None:
        return ""
    window, start, end = near
    zone = pytz.timezone(bot.schedule.timezone)
    what = "stopped" if bot.is_stream else "no slots"
    until = f"{end.astimezone(zone):%a %Y-%m-%d %H:%M %Z}"
    span = f"until {until}" if start <= now else f"from {start.astimezone(zone):%a %Y-%m-%d %H:%M} to {until}"
    return f"{what} {span}: blackout {window.text}"
