"""`openbell schedule-times`: when a scheduler that knows one time zone is to call a strategy's function.

As in `openbell crontab`: every time at which a slot can fall within the next year, and the function decides.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytz

from openbell.calendars import CalendarExpired
from openbell.command_parser import command_parser
from openbell.commands.crontab import fields, times_of
from openbell.manifest import ManifestError, load


def main(arguments: Sequence[str]) -> int:
    """Print one line for each schedule that is needed: five fields, as cron writes them."""
    parser = command_parser("schedule-times")
    parser.add_argument(
        "--strategies", type=Path, default=Path("strategies"), help="the folder of the strategies' folders"
    )
    parser.add_argument("--zone", default="UTC", help="the scheduler's time zone")
    parser.add_argument("strategy")
    options = parser.parse_args(arguments)
    try:
        zone = pytz.timezone(options.zone)
        manifest = load(options.strategies / options.strategy)
        bots = [bot for bot in manifest.bots if not bot.is_stream]
        print("\n".join(fields(times_of(bots, datetime.now(UTC), zone))))
    except pytz.UnknownTimeZoneError:
        print(f'--zone: found "{options.zone}"; allowed: a zone such as America/New_York', file=sys.stderr)
        return 2
    except (ManifestError, CalendarExpired) as error:
        print(f"openbell schedule-times: {error}", file=sys.stderr)
        return 1
    return 0
