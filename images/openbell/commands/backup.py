"""`openbell backup`: write all that must outlive this machine to standard output, as one file, while everything runs."""

import os
import sqlite3
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from openbell import backup_archive, clock
from openbell.backup_archive import BackupError
from openbell.command_parser import command_parser


def folders(environment: Mapping[str, str]) -> dict[str, Path]:
    """Return where the parts of a backup lie."""
    found = {
        name: Path(environment.get(f"OPENBELL_{name.upper()}", f"/{name}")) for name in ("journal", "state", "control")
    }
    return {**found, "supervisor": Path(environment.get("OPENBELL_SUPERVISOR_STATE", "/var/lib/openbell"))}


def main(arguments: Sequence[str]) -> int:
    """Write the backup; return 1, with one line, if that cannot be done."""
    parser = command_parser("backup")
    parser.add_argument(
        "--as-is", action="store_true", help="nothing runs: keep the files as they are, damaged ones too"
    )
    parser.add_argument("--journal", action="store_true", help="only the journals")
    options = parser.parse_args(arguments)
    roots = folders(os.environ)
    parts = {"journal": roots["journal"]} if options.journal else roots
    try:
        roots["supervisor"].mkdir(parents=True, exist_ok=True)
        # A copy of a database may be large: it goes where there is room for the database itself, not into memory.
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=roots["supervisor"]) as scratch:
            backup_archive.write(sys.stdout.buffer, parts, Path(scratch), clock.now(), as_is=options.as_is)
        sys.stdout.buffer.flush()
    except (BackupError, OSError, sqlite3.Error) as error:
        told = (isinstance(error, OSError) and error.strerror) or error
        print(f"openbell backup: {told}", file=sys.stderr)
        return 1
    return 0
