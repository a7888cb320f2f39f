"""`openbell rename`: give the data of one strategy to another name, in the volumes that all strategies share.

It runs as root where strategies have users of their own, as `prepare-volumes` does.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from openbell import renaming
from openbell.command_parser import command_parser
from openbell.commands.prepare_volumes import EXIT_CANNOT, give, volumes
from openbell.manifest import load_all
from openbell.renaming import RenameError


def main(arguments: Sequence[str]) -> int:
    """Return 0, or 3 with the reason if the data stays where it is."""
    parser = command_parser("rename")
    parser.add_argument("old", nargs="?")
    parser.add_argument("new", nargs="?")
    parser.add_argument("--announce", action="store_true", help="only let a loop of the new name wait for the data")
    parser.add_argument("--check", action="store_true", help="only say whose bots another name has run here")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds for a loop of the old name to end")
    options = parser.parse_args(arguments)
    places = volumes()
    try:
        if options.check:
            manifests, _ = load_all(Path(os.environ.get("OPENBELL_STRATEGIES", "/strategies")))
            found = list(renaming.moved_bots(places, {one.name: [bot.id for bot in one.bots] for one in manifests}))
            print("".join(f"{one}\n" for one in found), end="", file=sys.stderr)
            return EXIT_CANNOT if found else 0
        if not (options.old and options.new):
            parser.error("the old and the new name are needed")
        if options.announce:
            renaming.announce(places, options.old, options.new)
        else:
            renaming.move(places, options.old, options.new, options.wait, give)
    except (RenameError, OSError) as error:
        print(f"openbell rename: {error}", file=sys.stderr)
        return EXIT_CANNOT
    return 0
