"""`openbell keep-comparison STRATEGY`: let the pages of a strategy's runs show what `make compare` has found."""

import csv
import sys
from collections.abc import Sequence
from os import environ

from openbell.command_parser import command_parser
from openbell.commands.backup import folders
from openbell.supervisor.web import comparisons


def main(arguments: Sequence[str]) -> int:
    """Keep the comparison on standard input; return 1, with one line, if that cannot be done."""
    parser = command_parser("keep-comparison")
    parser.add_argument("strategy")
    strategy = parser.parse_args(arguments).strategy
    try:
        kept = comparisons.keep(folders(environ)["supervisor"], strategy, sys.stdin.buffer)
    except (OSError, ValueError, csv.Error) as error:
        print(f"openbell keep-comparison: {error}", file=sys.stderr)
        return 1
    print(f"{kept} decisions of {strategy}")
    return 0
