"""`openbell unhalt`: strategies may send orders again."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from openbell.desired_state import CANNOT_KEEP, unhalt


def main(arguments: Sequence[str]) -> int:
    """Remove the halt; return 1 if that cannot be done."""
    argparse.ArgumentParser(prog="openbell unhalt", description="let strategies send orders again").parse_args(
        arguments
    )
    root = Path(os.environ.get("OPENBELL_CONTROL", "/control"))
    try:
        was_halted = unhalt(root)
    except CANNOT_KEEP as error:
        print(f"still halted: {root} cannot be written: {error}", file=sys.stderr)
        return 1
    print("strategies may send orders again" if was_halted else "nothing was halted")
    return 0
