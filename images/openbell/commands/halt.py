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
    options = parser.parse_args(arguments)
    root = Path(os.environ.get("OPENBELL_CONTROL", "/control"))
    try:
        halt(root, Halt(datetime.now(UTC), options.by, options.reason))
    except OSError as error:
        print(f"NOT halted: {root} cannot be written: {error}", file=sys.stderr)
        return 1
    print("halted: no strategy sends an order until `make unhalt`; orders at the brokers stay as they are")
    return 0
