"""`openbell unhalt`: strategies may send orders again."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from openbell.command_parser import command_parser
from openbell.desired_state import CANNOT_KEEP, unhalt


def main(arguments: Sequence[str]) -> int:
    """Remove the halt; return 1 if that cannot be done."""
    command_parser("unhalt").parse_args(arguments)
    root = Path(os.environ.get("OPENBELL_CONTROL", "/control"))
    try:
        was_halted = unhalt(root)
    except CANNOT_KEEP as error:
        print(f"still halted: {root} cannot be written: {error}", file=sys.stderr)
        return 1
    print("strategies may send orders again" if was_halted else "nothing was halted")
    return 0
