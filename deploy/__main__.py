"""The host's command line: `python -m deploy COMMAND [NAME=value ...]`, which the Makefile calls."""

import importlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import cast

from deploy.cli import arguments
from deploy.cli.arguments import folder_must_exist
from deploy.docker import generated, profiles
from deploy.errors import CommandError, of_the_machine
from deploy.settings import Settings, read_settings, strategies_folder, values
from openbell import terminal
from openbell.manifest import BLACKOUT, load_all

Command = Callable[[Settings, Namespace], int]

# name → the function, as "module:name". Only the one command's modules are loaded: those of all take half a second.
COMMANDS = {
    "up": "deploy.up:up",
    "setup": "deploy.start:setup",
    "ps": "deploy.cli.operate:ps",
    "down": "deploy.start:down",
    "logs": "deploy.cli.operate:logs",
    "run": "deploy.cli.operate:run",
    "pause": "deploy.cli.operate:pause",
    "resume": "deploy.cli.operate:resume",
    "halt": "deploy.cli.operate:halt",
    "unhalt": "deploy.cli.operate:unhalt",
    "flatten": "deploy.cli.operate:flatten",
    "reconcile": "deploy.cli.operate:reconcile",
    "journal": "deploy.cli.operate:journal",
    "check": "deploy.strategy_folders.check:check",
    "alert-test": "deploy.cli.operate:alert_test",
    "canary": "deploy.cli.operate:canary",
    "next": "deploy.commands.strategies:coming",
    "calendar": "deploy.cli.operate:calendar",
    "new": "deploy.commands.strategies:make",
    "local": "deploy.commands.local:run_local",
    "demo": "deploy.commands.local:run_demo",
    "init": "deploy.commands.strategies:init",
    "remove": "deploy.commands.removal:remove",
    "rename": "deploy.rename:rename",
    "add": "deploy.commands.strategies:add",
    "lock": "deploy.commands.strategies:lock",
    "backup": "deploy.data.backups:backup",
    "restore": "deploy.data.backups:restore",
    "query": "deploy.data.journal_query:query",
    "database": "deploy.database.service:database",
    "database-backup": "deploy.database.service:backup",
    "database-restore": "deploy.database.service:restore",
    "export": "deploy.data.journal_query:export",
    "move-to-database": "deploy.database.move:move_to",
    "move-from-database": "deploy.database.move:move_from",
    "upgrade": "deploy.upgrade.command:upgrade",
    "deploy": "deploy.commands.releases:deploy",
    "move": "deploy.homes:move",
    "move-to": "deploy.move:move_to",
    "rollback": "deploy.commands.releases:rollback",
    "releases": "deploy.commands.releases:list_releases",
    "crontab": "deploy.commands.local:crontab",
    "backtest": "deploy.backtests:backtest",
    "compare": "deploy.backtests:compare",
    "history": "deploy.backtests:history",
    "serverless": "deploy.serverless.command:serverless",
    "kubernetes": "deploy.kubernetes.command:kubernetes",
    "provision": "deploy.cli.operate:provision",
    "stats": "deploy.cli.operate:stats",
    "plan": "deploy.capacity.command:plan",
    "dashboard": "deploy.cli.operate:open_dashboard",
    "audit": "deploy.cli.operate:show_audit",
}


def command(name: str) -> Command:
    """Return the function of a command."""
    module, _, function = COMMANDS[name].partition(":")
    return cast("Command", getattr(importlib.import_module(module), function))


def main() -> int:
    """Run one command; a problem is one line and its exit code."""
    terminal.guard()
    name, *words = sys.argv[1:] or ["help"]
    if name not in COMMANDS:
        print(_help(), file=sys.stderr)
        return 0 if name in {"help", "--help", "-h"} else 2
    # The commands find the project's files; what they print is in the order of time with what other programs print.
    os.chdir(Path(__file__).parent.parent)
    try:
        options = arguments.options(name, words, os.environ)
        if profile := os.environ.get("PROFILE", "").strip():
            os.environ["COMPOSE_PROFILES"] = profile
            _profile_must_exist(profile)
        settings = read_settings(Path(".env"), os.environ)
        # The manifests' reader knows the environment only, also in the processes that commands start.
        if windows := values(Path(".env"), os.environ).get(BLACKOUT):
            os.environ[BLACKOUT] = windows
        if name != "init":  # which makes the folder
            folder_must_exist(strategies_folder())
            generated.write(strategies_folder())
        code = command(name)(settings, options)
        sys.stdout.flush()
    except CommandError as problem:
        print(f"openbell: {problem}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if not (line := of_the_machine(error)):
            raise
        print(f"openbell: {line}", file=sys.stderr)
        return 1
    return 0 if code in {-signal.SIGPIPE, 128 + signal.SIGPIPE} else code


def _profile_must_exist(profile: str) -> None:
    if problem := profiles.unknown(profile, load_all(strategies_folder())[0], Path("compose").glob("*.yaml")):
        raise CommandError(problem, 2)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {' '.join((command(name).__doc__ or '').split())}" for name in COMMANDS]
    return "\n".join(("usage: python -m deploy COMMAND [NAME=value ...]", *lines))


if __name__ == "__main__":
    sys.exit(main())
