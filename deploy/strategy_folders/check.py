"""`make check`: all strategies, and what concerns them together, before anything is started."""

import os
import sys
from argparse import Namespace
from pathlib import Path

from deploy import preflight, processes, stop_grace
from deploy.docker import compose, generated, profiles, services
from deploy.errors import CommandError
from deploy.local.processes import asked_for
from deploy.settings import Settings, strategies_folder, values
from deploy.strategy_folders.checks.problems import problems as strategy_problems
from openbell.manifest import load_all, strategy_folders


def check(settings: Settings, _options: Namespace) -> int:
    """Validate all strategies, and what concerns them together: their services, and how long a stop waits."""
    strategies = strategies_folder()
    code = processes.run(compose.check())
    folders = [folder.name for folder in strategy_folders(strategies)]
    manifests = load_all(strategies)[0]
    given = values(Path(".env"), os.environ)
    listed = generated.listed(strategies)
    problems = [] if generated.is_own(strategies) else list(services.without_folder(folders, listed))
    enabled = asked_for(manifests, given.get("COMPOSE_PROFILES", ""))
    problems += strategy_problems(strategies, Path("compose"), enabled, given)
    if problem := stop_grace.too_short([one for one in manifests if one.name in listed], settings.stop_grace):
        problems.append(problem)
    if problem := profiles.unknown(given.get("COMPOSE_PROFILES", ""), manifests, Path("compose").glob("*.yaml")):
        problems.append(problem)
    for problem in problems:
        print(problem, file=sys.stderr)
    return code or (1 if problems else 0)


def must_pass(settings: Settings, options: Namespace, undone: str) -> None:
    """Raise CommandError, saying what was not done, unless everything is valid and may be shown."""
    if code := check(settings, options):
        msg = f"nothing was {undone}: fix what the lines above name, and try again"
        raise CommandError(msg, code)
    preflight.exposure(settings, values(Path(".env"), os.environ))
