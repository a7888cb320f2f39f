"""Where a release comes from: who makes it, on which machine, from which commit."""

import getpass
import os
import secrets
import socket
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime

RELEASE = (
    "OPENBELL_RELEASE_ID"  # set by a command that acts on several hosts, for those that it starts: they share a release
)


@dataclass(frozen=True)
class Provenance:
    """Who, when, and the state of the sources."""

    by: str
    at: datetime
    commit: str
    dirty: bool


def here() -> Provenance:
    """Return this user, this moment and this checkout."""
    commit = _git("rev-parse", "HEAD")
    return Provenance(who(), datetime.now(UTC), commit, bool(commit) and bool(_git("status", "--porcelain")))


def who() -> str:
    """Return the user and the machine, as in alice@laptop."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def new_id() -> str:
    """Return an id that sorts by time, and that two people at the same second do not share."""
    return os.environ.get(RELEASE) or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(("git", *arguments), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
