"""Where what people want of bots is kept: small files of this host, or PostgreSQL where several hosts share their strategies."""

import os
import sqlite3
from pathlib import Path

from openbell import control
from openbell.control import Control, Halt

DATABASE = "OPENBELL_DATABASE"
# What cannot be written or read, wherever it is kept.
CANNOT_KEEP = (OSError, sqlite3.Error)


def control_of(root: Path, strategy: str) -> Control:
    """Return the control of one strategy."""
    if address := os.environ.get(DATABASE, ""):
        from openbell.postgres.control import control_in  # noqa: PLC0415 - its driver takes 7 MB

        return control_in(address, strategy, root)
    return Control(root, strategy)


def halt(root: Path, wanted: Halt) -> Halt | None:
    """Stop all orders of all strategies, and return the halt as loops find it."""
    if address := os.environ.get(DATABASE, ""):
        from openbell.postgres.control import halt_in  # noqa: PLC0415 - as above

        halt_in(address, wanted)
    control.halt(root, wanted)  # also beside a database: this host's page shows it
    return control.halted(root)


def unhalt(root: Path) -> bool:
    """Let orders be sent again; tell whether they were halted."""
    was_halted = control.unhalt(root)
    if address := os.environ.get(DATABASE, ""):
        from openbell.postgres.control import unhalt_in  # noqa: PLC0415 - as above

        return unhalt_in(address) or was_halted
    return was_halted
