"""Packages, secrets and names of strategies, together."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.strategy_folders.checks.names import taken_names
from deploy.strategy_folders.checks.packages import package_problems
from deploy.strategy_folders.checks.secrets import secret_problems
from openbell.manifest import Manifest, strategy_folders


def problems(
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
