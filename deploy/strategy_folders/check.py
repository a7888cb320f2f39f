"""`make check`: all strategies, and what concerns them together, before anything is started."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

from deploy import preflight, processes, secrets, stop_grace
from deploy.docker import compose, generated, profiles, services
from deploy.errors import CommandError
from deploy.local.processes import asked_for
from deploy.settings import Settings, strategies_folder, values
from deploy.strategy_folders.names import taken_names
from deploy.strategy_folders.package_check import package_problems
from openbell.manifest import Manifest, load_all, strategy_folders


def folder_problems(
    strategies: Path, compose: Path, enabled: Iterable[Manifest], environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Return one line for each problem. Packages and names concern all strategies, secrets only those that are to run."""
    folders = strategy_folders(strategies)
    taken = taken_names(compose)
    return (
        *(f"{one.name}: {taken[one.name]}; rename the folder" for one in folders if one.name in taken),
        *(line for folder in folders for line in package_problems(folder)),
        *(line for manifest in enabled for line in secret_problems(manifest, environment)),
    )


def secret_problems(manifest: Manifest, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield one line for each secret without a value; environment: .env and the shell's. No command is run."""
    for name in manifest.secrets:
        if problem := secrets.problem(name, environment):
            yield f"{manifest.name}/strategy.toml: secrets: {problem}"


def check(settings: Settings, _options: Namespace, checked: Future[processes.Output] | None = None) -> int:
    """Validate all strategies, and what concerns them together: their services, and how long a stop waits.

    checked: the check of the manifests, if it was begun before.
    """
    strategies = strategies_folder()
    code = processes.run(compose.check()) if checked is None else _shown(checked.result())
    folders = [folder.name for folder in strategy_folders(strategies)]
    manifests = load_all(strategies)[0]
    given = values(Path(".env"), os.environ)
    listed = generated.listed(strategies)
    problems = [] if generated.is_own(strategies) else list(services.without_folder(folders, listed))
    enabled = asked_for(manifests, given.get("COMPOSE_PROFILES", ""))
    problems += folder_problems(strategies, Path("compose"), enabled, given)
    if problem := stop_grace.too_short([one for one in manifests if one.name in listed], settings.stop_grace):
        problems.append(problem)
    if problem := profiles.unknown(given.get("COMPOSE_PROFILES", ""), manifests, Path("compose").glob("*.yaml")):
        problems.append(problem)
    for problem in problems:
        print(problem, file=sys.stderr)
    return code or (1 if problems else 0)


def _shown(output: processes.Output) -> int:
    print(output.text, end="", flush=True)
    print(output.errors, end="", file=sys.stderr, flush=True)
    return output.code


def must_pass(
    settings: Settings, options: Namespace, undone: str, checked: Future[processes.Output] | None = None
) -> None:
    """Raise CommandError, saying what was not done, unless everything is valid and may be shown. checked: see `check`."""
    if code := check(settings, options, checked):
        msg = f"nothing was {undone}: fix what the lines above name, and try again"
        raise CommandError(msg, code)
    preflight.exposure(settings, values(Path(".env"), os.environ))
