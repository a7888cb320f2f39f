"""Brings a strategy's lines, heartbeat and answers from the database into its folder on this host.

So the supervisor, the page and the commands of every host read what they always read, wherever the strategy runs. The
loop's own lines take this way too: there is one. A line may be copied twice after a crash; readers tell lines apart by
their content.
"""

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from openbell import foreign_files
from openbell.answers import FILE as ANSWERS
from openbell.heartbeat import FILE as BEAT
from openbell.journal import Journal
from openbell.postgres import history
from openbell.postgres.database import Database
from openbell.postgres.ownership import Ownership, steady_seconds
from openbell.postgres.tables import SHARED_SCHEMA

EVERY = 1.0  # seconds between two looks
_MOST = 1_000  # lines at once
_CURSOR = "copied"  # in the strategy's state: the number of the last line that was copied
LOOK_EVERY = 5.0  # seconds between two looks at the database's timeline
_BEFORE = "SELECT number, line FROM journal WHERE strategy = ? AND number <= ? ORDER BY number DESC LIMIT ?"
_NEW = "SELECT number, at, line FROM journal WHERE strategy = ? AND number > ? ORDER BY number LIMIT ?"


class JournalCopy:
    """The copy of one strategy's journal in the folder of this host."""

    def __init__(self, url: str, root: Path, state: Path, strategy: str) -> None:
        self._database = Database(url, SHARED_SCHEMA)
        self._strategy = strategy
        self._state = state
        self._journal = Journal(root, strategy, "", echo=False)
        self._number, self._timeline = self._read_cursor()
        self._look_at = 0.0

    def copy_lines(self) -> bool:
        """Copy what is new, some at a time; tell whether there is more. PostgresError or OSError if that cannot be done."""
        if (now := steady_seconds()) >= self._look_at:
            self._look_at = now + LOOK_EVERY
            self._follow_history()
        rows = self._database.execute(_NEW, (self._strategy, self._number, _MOST))
        for number, _, line in rows:
            text = str(line)
            self._journal.copy(_day(text), text.encode() + b"\n")
            self._number = int(str(number))
        if rows:
            keep_cursor(self._state, self._number, self._timeline)
        return len(rows) == _MOST

    def copy_signs(self, ownership: Ownership) -> None:
        """Copy the heartbeat and the answers of the loop that owns the strategy elsewhere, if there is one."""
        owner = ownership.current()
        if owner is None or owner.seconds_left < 0:
            return
        for name, text in ((BEAT, owner.beat), (ANSWERS, owner.answers)):
            put(self._journal.folder / name, text)

    def _follow_history(self) -> None:
        """Where the database has lost lines, go back to the newest that it and the folder have: numbers are given anew."""
        timeline = history.read(self._database).timeline
        if timeline == self._timeline:
            return
        if self._timeline:
            lines = [
                (int(str(number)), str(line))
                for number, line in self._database.execute(_BEFORE, (self._strategy, self._number, _MOST))
            ]
            here = {text for day in {_day(line) for _, line in lines} for text in self._texts_of(day)}
            self._number = next((number for number, line in lines if line in here), 0)
        self._timeline = timeline
        keep_cursor(self._state, self._number, timeline)

    def _texts_of(self, day: date) -> list[str]:
        with suppress(OSError):
            return (self._journal.folder / f"{day}.jsonl").read_text(encoding="utf-8").splitlines()
        return []

    def _read_cursor(self) -> tuple[int, str]:
        with suppress(OSError, ValueError, TypeError):
            content = foreign_files.read_object(self._state / _CURSOR, self._state.parent)
            return int(str(content.get("number"))), str(content.get("timeline", ""))
        return 0, ""


def keep_cursor(state: Path, number: int, timeline: str = "") -> None:
    """Say that this host's folder has all lines up to that number, of that timeline of the database."""
    content: dict[str, object] = {"number": number, "timeline": timeline}
    foreign_files.write_object(state / _CURSOR, state.parent, content, durable=False)


def _day(line: str) -> date:
    return datetime.fromisoformat(str(json.loads(line)["timestamp"])).astimezone(UTC).date()


def put(path: Path, text: str) -> None:
    """Write a file that a loop elsewhere has written, unless it is the same already."""
    if not text:
        return
    with suppress(OSError, ValueError):
        if path.read_text() == text:
            return
    foreign_files.write_object(path, path.parent.parent, json.loads(text), durable=False)
