"""The command line: `openbell COMMAND`, inside every image and, for what needs no container, on the host."""

import gc
import importlib
import os
import sys

# name → (module with `main(arguments) -> exit code`, one line of help)
COMMANDS = {
    "run": ("openbell.runner.service", "run the strategy of this container until it is stopped"),
    "host": ("openbell.runner.multi", "run many strategies in one container, each with a loop of its own"),
    "once": ("openbell.runner.once", "run the slots of a strategy that are due now, and end (for cron)"),
    "backtest": ("openbell.backtest.main", "run a strategy over every slot of the past"),
    "compare": ("openbell.backtest.compare", "lay a backtest beside what really ran"),
    "history": ("openbell.backtest.fetch", "fetch bars of a market and keep them for backtests"),
    "crontab": ("openbell.commands.crontab", "print the lines that let cron start `openbell once`"),
    "schedule-times": ("openbell.commands.schedule_times", "print when a cloud's scheduler is to call a function"),
    "missed": ("openbell.commands.missed", "print the runs that did not happen since it was asked last (for cron)"),
    "supervise": ("openbell.supervisor.service.main", "watch all strategies and serve the status page"),
    "alert-test": ("openbell.commands.alert_test", "send one message to each channel"),
    "canary": ("openbell.commands.canary", "miss a slot on purpose, and follow the alert to the channels"),
    "status": ("openbell.commands.status", "say whether all is well, bot by bot"),
    "check": ("openbell.commands.check", "validate strategies without importing them"),
    "next": ("openbell.commands.next", "list the coming slots of every bot"),
    "calendar": ("openbell.commands.calendar", "show the coming sessions, half days and closures of calendars"),
    "own-days": ("openbell.commands.own_days", "tell loops and supervisor of closures that the user has added"),
    "owners": ("openbell.commands.owners", "show which host runs each strategy, where hosts share a database"),
    "move": ("openbell.commands.move", "let a strategy run on another of the hosts that share a database"),
    "place": (
        "openbell.commands.place",
        "give strategies homes among the hosts that share a database (used by deploys)",
    ),
    "journal": ("openbell.commands.journal", "print journal lines of one strategy"),
    "run-now": ("openbell.commands.run_now", "run a bot of this container now and print what it decided"),
    "pause": ("openbell.commands.pause", "pause a bot of this container"),
    "resume": ("openbell.commands.resume", "let a paused bot of this container run again"),
    "preflight": ("openbell.commands.preflight", "see whether this image will work here (used by deploys)"),
    "idle": ("openbell.commands.idle", "wait for a moment in which no run would be crossed (used by deploys)"),
    "gate": ("openbell.commands.gate", "wait until this container has shown that it works (used by deploys)"),
    "deployment": ("openbell.commands.deployment", "tell the supervisor of a deployment (used by deploys)"),
    "halt": ("openbell.commands.halt", "stop all orders of all strategies"),
    "unhalt": ("openbell.commands.unhalt", "let strategies send orders again"),
    "flatten": ("openbell.commands.flatten", "cancel what waits and close what this strategy holds"),
    "reconcile": ("openbell.commands.reconcile", "compare the broker's account with this strategy's orders"),
    "backup": ("openbell.commands.backup", "write a backup of everything to standard output (used by make backup)"),
    "restore": ("openbell.commands.restore", "restore a backup from standard input (used by make restore)"),
    "keep-comparison": (
        "openbell.commands.keep_comparison",
        "let the pages of runs show a comparison with a backtest (used by make compare)",
    ),
    "prepare-volumes": ("openbell.commands.prepare_volumes", "give each strategy its own folders (used by Compose)"),
    "move-data": (
        "openbell.commands.move_data",
        "move strategies' data to the database or back (used by make move-to-database)",
    ),
    "rename": ("openbell.commands.rename", "give a strategy's data to another name (used by make rename)"),
    "reload": ("openbell.commands.reload", "let a container's loops run newer folders (used by deploys)"),
    "compile-image": ("openbell.commands.compile_image", "compile what a loop imports (used by the image build)"),
    "prune-shared": ("openbell.commands.prune_shared", "keep the shared code that is used (used by the image build)"),
    "stamp-image": ("openbell.commands.stamp_image", "fix an image's time zone and release (used by the image build)"),
}

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
