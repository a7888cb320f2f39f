"""The lines of a strategy's journal, from its files to the table and back, compared where they have arrived."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from openbell import foreign_files, journal
from openbell.journal import Journal
from openbell.moving.rows import PIECE, MoveError
from openbell.postgres.database import Database
from openbell.postgres.journal import INSERT


def lines_to_database(shared: Database, folder: Path, strategy: str) -> int:
    """Bring the journal's lines, and compare them; what is not a line of a journal stays in the files."""
    if shared.execute("SELECT 1 FROM journal WHERE strategy = ? LIMIT 1", (strategy,)):
        return _count(shared, strategy)  # of a move that was cut off after it had arrived
    piece: list[tuple[str, str, str | None, str]] = []
    whole = list(_lines(folder))
    for text in whole:
        event = json.loads(text)
        run = event.get("run_id")
        piece.append((strategy, event["timestamp"], None if run is None else str(run), text))
    for start in range(0, len(piece), PIECE):
        shared.executemany(INSERT, piece[start : start + PIECE])
    _same_lines(strategy, whole, list(_stored(shared, strategy)))
    return len(whole)


def lines_to_files(shared: Database, root: Path, strategy: str) -> int:
    """Add the lines that the folder does not have; they may have been copied there before."""
    whole = list(_stored(shared, strategy))
    here = set(_lines(root / strategy))
    writer = Journal(root, strategy, "", echo=False)
    for text in whole:
        if text not in here:
            day = datetime.fromisoformat(str(json.loads(text)["timestamp"])).astimezone(UTC).date()
            writer.copy(day, text.encode() + b"\n")
    writer.sync()
    writer.close()
    here = set(_lines(root / strategy))
    _same_lines(strategy, whole, [text for text in whole if text in here])
    return len(whole)


def _same_lines(strategy: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    if list(wanted) != list(found):
        msg = f"{strategy}: {len(wanted)} lines of its journal became {len(found)}, or others: nothing was moved"
        raise MoveError(msg)


def _stored(shared: Database, strategy: str) -> Iterator[str]:
    number = 0
    statement = "SELECT number, line FROM journal WHERE strategy = ? AND number > ? ORDER BY number LIMIT ?"
    while rows := shared.execute(statement, (strategy, number, PIECE)):
        for found, line in rows:
            number = int(str(found))
            yield str(line)


def _count(shared: Database, strategy: str) -> int:
    return int(str(shared.execute("SELECT count(*) FROM journal WHERE strategy = ?", (strategy,))[0][0]))


def _lines(folder: Path) -> Iterator[str]:
    """Yield the lines of a journal's files as they are, oldest day first."""
    for _, path in journal.days(folder):
        with foreign_files.opened(path, folder.parent) as file:
            for line in file:
                with suppress(ValueError, KeyError, TypeError):
                    text = line.decode().rstrip("\n")
                    datetime.fromisoformat(str(json.loads(text)["timestamp"]))
                    yield text
