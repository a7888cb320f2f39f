"""`make audit HOST=`: what was done to a host, by whom. Each action adds a line, and no line changes."""

import json
from collections.abc import Iterable, Mapping

from deploy.release.host_state import folder
from deploy.ssh import program
from deploy.ssh.connection import Connection
from deploy.table import aligned

HEADINGS = ("WHEN", "WHAT", "OUTCOME", "BY", "ON", "WHY")
_BESIDE = ("release", "services", "strategy", "bot", "length")  # the action; `--json` shows everything


def read(connection: Connection) -> str:
    """Return the audit's lines as they are; nothing if nothing was done yet."""
    host = connection.host
    return program.ask(connection, "audit", f"{host.folder}/{host.project}", doing="reading the audit")


def table(text: str) -> str:
    """Return the lines as a table, oldest first."""
    rows = [_row(line) for line in _lines(text)]
    return aligned([HEADINGS, *rows]) if rows else "No action is recorded there yet."


def _lines(text: str) -> Iterable[Mapping[str, object]]:
    for line in text.splitlines():
        try:
            content = json.loads(line)
        except ValueError:  # torn by a power cut; `--json` shows it
            content = None
        yield content if isinstance(content, Mapping) else {"action": "?", "reason": f"not readable: {line[:60]}"}


def _row(line: Mapping[str, object]) -> tuple[str, ...]:
    rest = [_text(line[key]) for key in _BESIDE if line.get(key)]
    what = " ".join((_text(line.get("action")), *rest))
    return (
        _text(line.get("at")).replace("T", " ").replace("Z", " UTC"),
        what,
        *(_text(line.get(key)) or "-" for key in ("outcome", "by", "host", "reason")),
    )


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def append(connection: Connection, line: Mapping[str, object]) -> None:
    """Add a line, to which the host adds the time. No secret belongs into it."""
    words = ("add-audit", folder(connection.host))
    program.ask(connection, *words, input=json.dumps(dict(line)), timeout=30, doing="writing the audit")
