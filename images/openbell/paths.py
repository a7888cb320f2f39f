"""Where things lie: the folders that a process works with, from its environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from openbell.records import dataclass, field

LEDGER = "ledger.sqlite"  # in a strategy's state
EPOCH = "OPENBELL_EPOCH"  # tells a loop's processes in which epoch they work, where hosts share their strategies


class PathError(Exception):
    """A folder that is missing or cannot be written; one line that says what to do."""


@dataclass(frozen=True)
class Paths:
    """The folders of one strategy's process. The defaults are those inside an image."""

    strategy: str
    folder: Path  # strategy.toml and strategy.py
    journal: Path  # shared root; the strategy writes below <journal>/<strategy>
    state: Path  # the strategy's own: ledger, paper account
    control: Path  # shared root of desired state and requests
    database: str = field(
        default="", repr=False
    )  # PostgreSQL's address if that is where ledger, journal and control are


def from_environment(environment: Mapping[str, str]) -> Paths:
    """Return the places that OPENBELL_* name; PlaceError if the strategy's name is missing."""
    strategy = environment.get("OPENBELL_STRATEGY", "")
    if not strategy:
        msg = "OPENBELL_STRATEGY is not set: give the strategy's name, as its service in compose/strategies.yaml does"
        raise PathError(msg)
    return Paths(
        strategy,
        Path(environment.get("OPENBELL_FOLDER", "/strategy")),
        Path(environment.get("OPENBELL_JOURNAL", "/journal")),
        Path(environment.get("OPENBELL_STATE", "/state")) / strategy,
        Path(environment.get("OPENBELL_CONTROL", "/control")),
        environment.get("OPENBELL_DATABASE", ""),
    )


def prepare(folder: Path) -> None:
    """Make a folder and see that it can be written; PlaceError says whose it is and what to do."""
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        owned = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        msg = (
            f"{folder}: cannot be written ({error.strerror}); {owned} belongs to user {owned.lstat().st_uid} and openbell runs as "
            f"user {os.getuid()}: in containers `docker compose up volumes` gives each strategy its folders; elsewhere give it "
            f"to that user (chown -R {os.getuid()} {owned}), or make room on its disk"
        )
        raise PathError(msg) from None
