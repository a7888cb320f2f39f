"""`make move-to-database` and `make move-from-database`: what strategies know, from files to PostgreSQL and back."""

import os
from argparse import Namespace
from pathlib import Path

from deploy.data import backups
from deploy.errors import CommandError
from deploy.remote.data import MOVE
from deploy.settings import DATABASE, Settings, values


def move_to(settings: Settings, options: Namespace) -> int:
    """Bring ledgers, state, paper accounts, journals and control to the database, each row compared."""
    return _move(settings, options, "--to-database")


def move_from(settings: Settings, options: Namespace) -> int:
    """Bring them back into files; what was in these is kept."""
    return _move(settings, options, "--to-files")


def _move(settings: Settings, options: Namespace, way: str) -> int:
    if not values(Path(".env"), os.environ).get(DATABASE):
        msg = (
            f"{DATABASE} is not set: name the database in .env, and let what runs there know it (`make up` or a deploy)"
        )
        raise CommandError(msg)
    with backups.installation_of(options.host, settings) as there, there.stopped(MOVE):
        done = there.move_data(way)
        print(done.text, end="")
        if done.code:
            msg = f"not everything was moved: {backups.reason(done.errors)}"
            raise CommandError(msg)
    return 0
