"""The command line: `openbell COMMAND`, inside every image and, for what needs no container, on the host."""

import gc
import importlib
import os
import sys

from openbell.command_list import COMMANDS

SERVICES = frozenset({"run", "host", "once", "supervise"})  # these answer to the engine or to cron, not to a reader


def main() -> int:
    """Run the command that the arguments name; return its exit code."""
    name, *arguments = sys.argv[1:] or ["help"]
    if name not in COMMANDS:
        width = max(len(command) for command in COMMANDS)
        lines = [f"  {command:<{width}}  {text}" for command, (_, text) in COMMANDS.items()]
        print(
            "usage: openbell COMMAND [--help]\n" + "\n".join(lines),
            file=sys.stdout if name in {"help", "--help", "-h"} else sys.stderr,
        )
        return 0 if name in {"help", "--help", "-h"} else 2
    # Only the one command's code is loaded: a strategy's loop lives for months and pays for every import.
    if os.environ.get("OPENBELL_OWN_USERS") and (strategy := os.environ.get("OPENBELL_STRATEGY")):
        # What is for one of the strategies of a container is done as that one's user.
        from openbell import reloads  # noqa: PLC0415 - others need not load it
        from openbell.strategy_user import become  # noqa: PLC0415

        os.environ["OPENBELL_FOLDER"] = str(reloads.current(os.environ) / strategy)
        become(strategy)
    # What modules are made of stays: to look for garbage in it takes time now, and again in every collection later on.
    gc.disable()
    command = importlib.import_module(COMMANDS[name][0])
    gc.freeze()
    gc.enable()
    if name in SERVICES:
        return int(command.main(arguments))
    from openbell import terminal  # noqa: PLC0415 - as above: a service prints JSON, and needs no `re`

    terminal.guard()
    try:
        code = int(command.main(arguments))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    gc.freeze()  # the interpreter's end looks for garbage, too
    return code


if __name__ == "__main__":
    sys.exit(main())
