"""The command that removes a strategy."""

import os
import shutil
from argparse import Namespace
from pathlib import Path

from deploy.cli.arguments import must_exist
from deploy.docker import generated
from deploy.local import run as local
from deploy.local.process_target import ProcessTarget
from deploy.settings import Settings, strategies_folder, values
from deploy.start import restart
from deploy.strategy_folders import own_folder
from deploy.target import here


def remove(settings: Settings, options: Namespace) -> int:
    """Stop a strategy and delete its folder; what it wrote stays unless DATA=1."""
    must_exist(options.strategy, strategies_folder())
    data = local.data_folder(settings.project, values(Path(".env"), os.environ))
    plain = isinstance(here(settings, values(Path(".env"), os.environ)), ProcessTarget)
    folder = strategies_folder() / options.strategy
    own_folder.remove(folder, data=options.data, sure=options.yes, in_containers=not plain)
    generated.write(strategies_folder())
    if plain:
        restart(settings)
        for kind in ("journal", "state", "control") if options.data else ():
            shutil.rmtree(data / kind / options.strategy, ignore_errors=True)
    return 0
