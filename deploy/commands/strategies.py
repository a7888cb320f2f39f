"""The commands for the folders of strategies: what is due, new ones, and the packages that they use."""

import os
from argparse import Namespace
from pathlib import Path

from deploy import processes
from deploy.cli.arguments import must_exist
from deploy.docker import compose
from deploy.local.processes import asked_for
from deploy.log import log_to_stdout
from deploy.settings import Settings, strategies_folder, values
from deploy.strategy_folders import own_folder, packages, scaffold
from openbell.manifest import load_all


def coming(_settings: Settings, options: Namespace) -> int:
    """List the coming slots of what is enabled, of one strategy, or of everything."""
    if options.strategy or options.all:
        return processes.run(compose.coming((options.strategy,) if options.strategy else ()))
    profiles_named = values(Path(".env"), os.environ).get("COMPOSE_PROFILES", "")
    manifests, _ = load_all(strategies_folder())
    return processes.run(compose.coming(one.name for one in asked_for(manifests, profiles_named)))


def make(_settings: Settings, options: Namespace) -> int:
    """Write a new strategy that runs at once."""
    written = scaffold.create(options.strategy, strategies_folder(), Path("compose"))
    print("\n".join(f"wrote {path}" for path in written))
    print("`make up` starts it; it is due every minute. Edit strategy.py to make it yours.")
    return 0


def init(_settings: Settings, options: Namespace) -> int:
    """Write a folder for strategies of one's own."""
    folder = Path(options.dir).expanduser()
    written = own_folder.init(folder)
    print("\n".join(f"wrote {path}" for path in written))
    print(f"Set OPENBELL_STRATEGIES={options.dir} in .env; then `make up` starts what is in it.")
    return 0


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
