"""`openbell pause`: a bot's slots are skipped until it is resumed, or for a while."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from openbell.command_parser import command_parser
from openbell.control import Pause
from openbell.desired_state import CANNOT_KEEP, control_of
from openbell.manifest import ManifestError, parse_duration, suggestion
from openbell.paths import PathError, from_environment
from openbell.strategy import loader


def main(arguments: Sequence[str]) -> int:
    """Store the pause; return 1 if there is no such bot or the pause cannot be stored."""
    parser = command_parser("pause")
    parser.add_argument("bot")
    parser.add_argument("--for", dest="length", default="", help='how long, such as "2h"; default: until it is resumed')
    parser.add_argument("--reason", required=True)
    parser.add_argument("--by", default="make pause")
    options = parser.parse_args(arguments)
    length = parse_duration(options.length)
    if options.length and not length:
        print(f'--for: found "{options.length}"; allowed: a duration such as "30m", "2h" or "3d"', file=sys.stderr)
        return 2
    now = datetime.now(UTC)
    try:
        places = from_environment(os.environ)
        manifest = loader.manifest(places)
        if all(bot.id != options.bot for bot in manifest.bots):
            known = (bot.id for bot in manifest.bots)
            print(f"{options.bot}: no such bot; {suggestion(options.bot, known)}", file=sys.stderr)
            return 1
        control = control_of(places.control, places.strategy)
        control.pause(options.bot, Pause(now, now + length if length else None, options.by, options.reason))
    except (PathError, ManifestError, *CANNOT_KEEP) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{options.bot}: paused " + (f"until {now + length:%Y-%m-%d %H:%M:%S} UTC" if length else "until it is resumed")
    )
    return 0
