"""The audit on the host: one line for each action on it, never changed."""

import json
from collections.abc import Mapping

from deploy.release.host_state import folder
from deploy.ssh import program
from deploy.ssh.connection import Connection


def append(connection: Connection, line: Mapping[str, object]) -> None:
    """Add a line, with the time; see ARCHITECTURE.md for its fields. No secret belongs into it."""
    words = ("add-audit", folder(connection.host))
    program.ask(connection, *words, input=json.dumps(dict(line)), timeout=30, doing="writing the audit")
