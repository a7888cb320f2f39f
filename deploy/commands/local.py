"""The commands that run strategies as processes of this machine: in the foreground, by cron, and to be shown."""

import os
import shlex
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path

from deploy import processes
from deploy.cli.arguments import must_exist
from deploy.docker import compose
from deploy.local import demo
from deploy.local import run as local
from deploy.local.processes import LocalPaths, asked_for
from deploy.log import log_to_stdout
from deploy.settings import STRATEGIES, Settings, strategies_folder, values
from deploy.strategy_folders.check import must_pass
from openbell.manifest import load_all


def run_local(settings: Settings, options: Namespace) -> int:
    """Run the strategies and the supervisor as processes of this machine, without Docker, until Ctrl-C."""
    must_pass(settings, options, "started")
    given = values(Path(".env"), os.environ)
    places = LocalPaths(strategies_folder().absolute(), local.data_folder(settings.project, given))
    wanted = asked_for(load_all(strategies_folder())[0], given.get("COMPOSE_PROFILES", ""))
    return local.run(wanted, places, settings, given)


def run_demo(settings: Settings, _options: Namespace) -> int:
    """Show in a minute, by a faster clock: runs, a killed strategy, the missed slot, the alert and the recovery."""
    return demo.run(STRATEGIES.absolute(), settings)  # the kit's own, which are always here


def crontab(settings: Settings, options: Namespace) -> int:
    """Print the lines for cron: those of strategies, or with BACKUP= and PARQUET= those of each night."""
    if options.backup or options.parquet:
        print(nightly_lines(options))
        return 0
    if options.strategy:
        must_exist(options.strategy, strategies_folder())
    data = local.data_folder(settings.project, values(Path(".env"), os.environ))
    wanted = (
        [options.strategy]
        if options.strategy
        else [one.name for one in asked_for(load_all(strategies_folder())[0], "")]
    )
    # What is printed may go straight into a crontab: anything else goes where it does not.
    with redirect_stdout(sys.stderr):
        local.install_packages(wanted, LocalPaths(strategies_folder().absolute(), data), log_to_stdout(settings.log))
    return processes.run(compose.crontab(options.strategy, data))


def nightly_lines(options: Namespace) -> str:
    """Return the lines for the variables of `make crontab`: a backup, whole days of the journals as Parquet.

    What fails comes by mail.
    """
    wanted = {
        17: ("backup", {"HOST": options.host, "TO": options.backup, "KEEP": options.keep}),
        47: ("query", {"HOST": options.host, "TO": options.parquet, "SINCE": "90d"}),  # as long as journals are kept
    }
    found = ['CONTENT_TYPE="text/plain; charset=UTF-8"', f"PATH={os.environ.get('PATH', os.defpath)}"]
    for minute, (target, given) in wanted.items():
        if given["TO"]:
            words = shlex.join(("make", target, *(f"{key}={value}" for key, value in given.items() if value)))
            command = f"cd {shlex.quote(str(Path.cwd()))} && {words} >/dev/null".replace("%", r"\%")  # cron's line end
            found.append(f"{minute} 3 * * * {command}")
    return "\n".join(found)
