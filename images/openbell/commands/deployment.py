"""`openbell deployment start|end`: tell the supervisor that a release is being put in place, and that it is done."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell.command_parser import command_parser
from openbell.control import Deployment, announce, deployment


def main(arguments: Sequence[str]) -> int:
    """Write the announcement; return 1 if it cannot be written."""
    parser = command_parser("deployment")
    parser.add_argument("what", choices=("start", "end"))
    parser.add_argument("--release", required=True, help="the release that runs when this is over")
    parser.add_argument("--strategies", default="", help="those that are stopped and started, with commas between them")
    parser.add_argument("--by", default="unknown")
    parser.add_argument("--for", dest="seconds", type=int, default=300, help="how long it may take at most")
    options = parser.parse_args(arguments)
    root = Path(os.environ.get("OPENBELL_CONTROL", "/control"))
    now = datetime.now(UTC)
    before = deployment(root)
    if options.what == "start":
        names = tuple(name for name in options.strategies.split(",") if name)
        said = Deployment(options.release, names, now, now + timedelta(seconds=options.seconds), options.by)
    else:
        # It stays, as over: it says which release runs, and since when.
        said = replace(before or Deployment("", (), now, now, options.by), release=options.release, until=now)
    try:
        announce(root, said)
    except OSError as error:
        print(f"{root}: the deployment could not be announced: {error.strerror}", file=sys.stderr)
        return 1
    return 0
