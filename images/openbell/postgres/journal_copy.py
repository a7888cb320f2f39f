"""Brings a strategy's lines, heartbeat and answers from the database into its folder on this host.

So the supervisor, the page and the commands of every host read what they always read, wherever the strategy runs. The
loop's own lines take this way too: there is one. A line may be copied twice after a crash; readers tell lines apart by
their content.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from openbell import foreign_files
from openbell.answers import FILE as ANSWERS
from openbell.heartbeat import FILE as BEAT
from openbell.journal import Journal
from openbell.postgres.database import Database
from openbell.postgres.ownership import Ownership
from openbell.postgres.tables import SHARED_SCHEMA

EVERY = 1.0  # seconds between two looks
_MOST = 1_000  # lines at once
_CURSOR = "copied"  # in the strategy's state: the number of the last line that was copied
_NEW = "SELECT number, at, line FROM journal WHERE strategy = ? AND number > ? ORDER BY number LIMIT ?"


class JournalCopy:
    """The copy of one strategy's journal in the folder of this host."""

    def __init__(self, url: str, root: Path, state: Path, strategy: str) -> None:
        self._database = Database(url, SHARED_SCHEMA)
        self._strategy = strategy
        self._state = state
        self._journal = Journal(root, strategy, "", echo=False)
        self._number = self._read_cursor()

    def copy_lines(self) -> bool:
        """Copy what is new, some at a time; tell whether there is more. PostgresError or OSError if that cannot be done."""
        rows = self._database.execute(_NEW, (self._strategy, self._number, _MOST))
        for number, _, line in rows:
            text = str(line)
            day = datetime.fromisoformat(str(json.loads(text)["timestamp"])).astimezone(UTC).date()
            self._journal.copy(day, text.encode() + b"\n")
            self._number = int(str(number))
        if rows:
            keep_cursor(self._state, self._number)
        return len(rows) == _MOST

    def copy_signs(self, ownership: Ownership) -> None:
        """Copy the heartbeat and the answers of the loop that owns the strategy elsewhere, if there is one."""
        owner = ownership.current()
        if owner is None or owner.seconds_left < 0:
            return
        for name, text in ((BEAT, owner.beat), (ANSWERS, owner.answers)):
            put(self._journal.folder / name, text)

    def _read_cursor(self) -> int:
        with suppress(OSError, ValueError, TypeError):
            return int(str(foreign_files.read_object(self._state / _CURSOR, self._state.parent).get("number")))
        return 0


def keep_cursor(state: Path, number: int) -> None:
    """Say that this host's folder has all lines up to that number."""
    content: dict[str, object] = {"number": number}
    foreign_files.write_object(state / _CURSOR, state.parent, content, durable=False)


def put(path: Path, text: str) -> None:
    """Write a file that a loop elsewhere has written, unless it is the same already."""
    if not text:
        return
    with suppress(OSError, ValueError):
        if path.read_text() == text:
            return
    foreign_files.write_object(path, path.parent.parent, json.loads(text), durable=False)
