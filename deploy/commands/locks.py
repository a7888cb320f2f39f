"""The commands for the packages that a strategy uses."""

from argparse import Namespace

from deploy.cli.known import must_exist
from deploy.log import log_to_stdout
from deploy.settings import Settings, strategies_folder
from deploy.strategy_folders import packages


def add(settings: Settings, options: Namespace) -> int:
    """Let a strategy use packages: ask for them and lock them."""
    must_exist(options.strategy, strategies_folder())
    packages.add(strategies_folder() / options.strategy, options.package, log_to_stdout(settings.log))
    return 0


def lock(settings: Settings, options: Namespace) -> int:
    """Update the lock of a strategy's packages."""
    must_exist(options.strategy, strategies_folder())
    packages.lock(strategies_folder() / options.strategy, log_to_stdout(settings.log))
    return 0
