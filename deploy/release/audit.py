"""The audit on the host: one line for each thing that somebody did to it, never changed."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from deploy.release.host_state import folder
from deploy.ssh.connection import Connection

_APPEND = 'umask 077; mkdir -p "$1" && cat >>"$1/audit.jsonl"'


def append(connection: Connection, line: Mapping[str, object]) -> None:
    """Add a line, with the time; see ARCHITECTURE.md for its fields. No secret belongs into it."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = json.dumps({**line, "at": at}) + "\n"
    command = ("sh", "-c", _APPEND, "openbell", folder(connection.host))
    connection.check(command, input=text.encode(), timeout=30, doing="writing the audit")
