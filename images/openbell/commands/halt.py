"""`openbell halt`: no strategy sends an order any more, from now on until `openbell unhalt`."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from openbell.control import Halt, halt


def main(arguments: Sequence[str]) -> int:
    """Store the halt; return 1 if it cannot be stored."""
    parser = argparse.ArgumentParser(prog="openbell halt", description="stop all orders of all strategies")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--by", default="make halt")
    parser.add_argument("--exits", action="store_true", help="orders that reduce what is held may still be sent")
    options = parser.parse_args(arguments)
    root = Path(os.environ.get("OPENBELL_CONTROL", "/control"))
    try:
        halt(root, Halt(datetime.now(UTC), options.by, options.reason, options.exits))
    except OSError as error:
        print(f"NOT halted: {root} cannot be written: {error}", file=sys.stderr)
        return 1
    what = "an order that adds to what is held" if options.exits else "an order"
    print(f"halted: no strategy sends {what} until `make unhalt`; orders at the brokers stay as they are")
    return 0
