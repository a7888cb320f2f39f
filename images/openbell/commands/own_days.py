"""`openbell own-days JSON`: tell the loops and the supervisor of closures and early closes that the user has added."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from openbell.calendars.own_days import TOML, OwnDaysError, parse
from openbell.command_parser import command_parser
from openbell.own_days_file import publish_own_days


def main(arguments: Sequence[str]) -> int:
    """Write the days into the control space; return 1 if they are wrong or cannot be written."""
    parser = command_parser("own-days")
    parser.add_argument("days", help="the content of calendar.toml, as JSON")
    options = parser.parse_args(arguments)
    try:
        table = json.loads(options.days)
        days = parse(table if isinstance(table, dict) else {"": table}, TOML)
        root = Path(os.environ.get("OPENBELL_CONTROL", "/control"))
        root.mkdir(parents=True, exist_ok=True)
        publish_own_days(root, days)
    except (OSError, ValueError, OwnDaysError) as error:
        print(f"openbell own-days: {error}", file=sys.stderr)
        return 1
    closures = sum(len(own.closures) for own in days.values())
    early = sum(len(own.early_closes) for own in days.values())
    print(
        f"{TOML}: {closures} closures and {early} early closes of {', '.join(sorted(days)) or 'no calendar'} hold now"
    )
    return 0
