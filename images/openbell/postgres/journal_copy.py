"""Brings strategies' lines, heartbeats and answers from the database into their folders on this host.

So the supervisor, the page and the commands of every host read what they always read, wherever the strategy runs. The
loop's own lines take this way too: there is one. A line may be copied twice after a crash; readers tell lines apart by
their content.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path

from openbell import foreign_files
from openbell.answers import FILE as ANSWERS
from openbell.heartbeat import FILE as BEAT
from openbell.journal import Journal
from openbell.postgres import history
from openbell.postgres.connection import Row
from openbell.postgres.database import Database
from openbell.postgres.ownership import steady_seconds
from openbell.postgres.tables import SHARED_SCHEMA

EVERY = 1.0  # seconds between two looks
_MOST = 1_000  # lines at once
_FEWEST = 20  # of these for each strategy
_CURSOR = "copied"  # in the strategy's state: the number of the last line that was copied
LOOK_EVERY = 5.0  # seconds between two looks at the database's timeline
_BEFORE = "SELECT number, line FROM journal WHERE strategy = ? AND number <= ? ORDER BY number DESC LIMIT ?"
# One question for all strategies: a supervisor that follows a hundred of them waits for one answer, not for a hundred.
_NEW = """
SELECT known.strategy, new.number, new.line
FROM unnest(string_to_array(?, ' '), string_to_array(?, ' ')::bigint[]) AS known (strategy, number) CROSS JOIN LATERAL (
    SELECT number, line FROM journal WHERE strategy = known.strategy AND number > known.number ORDER BY number LIMIT ?
) AS new ORDER BY 1, 2
"""
_SIGNS = "SELECT strategy, beat, answers FROM owners WHERE strategy = ANY (string_to_array(?, ' ')) AND until > clock_timestamp()"


class JournalCopy:
    """The copy of some strategies' journals in their folders on this host."""

    def __init__(self, url: str, root: Path, states: Mapping[str, Path]) -> None:
        """states: by strategy, the folder in which is kept how far its journal was copied."""
        self._database = Database(url, SHARED_SCHEMA)
        self._copies = {strategy: _Copy(root, state, strategy) for strategy, state in states.items()}
        self._names = " ".join(states)
        self._most = max(_FEWEST, _MOST // max(1, len(states)))
        self._look_at = 0.0

    def copy_lines(self) -> bool:
        """Copy what is new, some at a time; tell whether there is more. PostgresError or OSError if that cannot be done."""
        if not self._copies:
            return False
        if (now := steady_seconds()) >= self._look_at:
            self._look_at = now + LOOK_EVERY
            timeline = history.read(self._database).timeline
            for one in self._copies.values():
                one.follow_history(self._database, timeline)
        numbers = " ".join(str(one.number) for one in self._copies.values())
        is_behind = False
        for strategy, rows in groupby(self._database.execute(_NEW, (self._names, numbers, self._most)), _first):
            lines = [(int(str(number)), str(line)) for _, number, line in rows]
            self._copies[strategy].append(lines)
            is_behind = is_behind or len(lines) == self._most
        return is_behind

    def copy_signs(self) -> None:
        """Copy the heartbeats and the answers of loops that own their strategies elsewhere."""
        for strategy, beat, said in self._database.execute(_SIGNS, (self._names,)) if self._copies else ():
            for name, text in ((BEAT, beat), (ANSWERS, said)):
                put(self._copies[str(strategy)].folder / name, str(text))


class _Copy:
    """One strategy's: its journal in the folder, and how far it is."""

    def __init__(self, root: Path, state: Path, strategy: str) -> None:
        self._strategy, self._state = strategy, state
        self._journal = Journal(root, strategy, "", echo=False)
        self.folder = self._journal.folder
        self.number, self._timeline = self._read_cursor()

    def append(self, lines: Sequence[tuple[int, str]]) -> None:
        """Write lines, given with their numbers."""
        for day, some in groupby(lines, lambda one: _day(one[1])):
            numbers, texts = zip(*some, strict=True)
            self._journal.copy(day, "".join(f"{text}\n" for text in texts).encode())
            self.number = numbers[-1]
        keep_cursor(self._state, self.number, self._timeline)

    def follow_history(self, database: Database, timeline: str) -> None:
        """Where the database has lost lines, go back to the newest that it and the folder have: numbers are given anew."""
        if timeline == self._timeline:
            return
        if self._timeline:
            lines = [
                (int(str(number)), str(line))
                for number, line in database.execute(_BEFORE, (self._strategy, self.number, _MOST))
            ]
            here = {text for day in {_day(line) for _, line in lines} for text in self._texts_of(day)}
            self.number = next((number for number, line in lines if line in here), 0)
        self._timeline = timeline
        keep_cursor(self._state, self.number, timeline)

    def _texts_of(self, day: date) -> list[str]:
        with suppress(OSError):
            return (self.folder / f"{day}.jsonl").read_text(encoding="utf-8").splitlines()
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


def _first(row: Row) -> str:
    return str(row[0])


def put(path: Path, text: str) -> None:
    """Write a file that a loop elsewhere has written, unless it is the same already."""
    if not text:
        return
    with suppress(OSError, ValueError):
        if path.read_text() == text:
            return
    foreign_files.write_object(path, path.parent.parent, json.loads(text), durable=False)
