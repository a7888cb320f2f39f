"""Names that a person types, against the strategies that are here, and the folder that has them."""

from pathlib import Path

from deploy.cli.arguments import quoted
from deploy.errors import CommandError
from openbell.manifest import strategy_folders, suggestion


def must_exist(strategy: str, strategies: Path) -> None:
    """Raise CommandError unless the strategy has a folder here: its name becomes part of paths and commands."""
    known = [folder.name for folder in strategy_folders(strategies)]
    if strategy not in known:
        msg = f"STRATEGY: there is no strategy {quoted(strategy)}; {suggestion(strategy, known)}"
        raise CommandError(msg, 2)


def folder_must_exist(folder: Path) -> None:
    """Raise CommandError if the folder that OPENBELL_STRATEGIES names is not there."""
    if not folder.is_dir():
        msg = f"OPENBELL_STRATEGIES: there is no folder {folder}: `make init DIR={folder}` makes one"
        raise CommandError(msg)
