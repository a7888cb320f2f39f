"""`openbell resume`: a paused bot runs again from its next slot on."""

import os
import sys
from collections.abc import Sequence

from openbell import answers
from openbell.answers import pause_of
from openbell.command_parser import command_parser
from openbell.desired_state import CANNOT_KEEP, control_of
from openbell.paths import PathError, from_environment


def main(arguments: Sequence[str]) -> int:
    """Remove the pause; return 1 if it cannot be removed. A bot that is not paused stays as it is."""
    parser = command_parser("resume")
    parser.add_argument("bot")
    options = parser.parse_args(arguments)
    try:
        places = from_environment(os.environ)
        control = control_of(places.control, places.strategy)
        pause = pause_of(options.bot, control, answers.read(places.journal / places.strategy))
        control.resume(options.bot)
    except (PathError, *CANNOT_KEEP) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.bot}: " + ("resumed" if pause is not None else "was not paused"))
    return 0
