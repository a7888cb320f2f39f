"""The files of one strategy's journal, by their dates."""

import contextlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from openbell import foreign_files
from openbell.journal.lines import Event, read


def days(folder: Path) -> list[tuple[date, Path]]:
    """Return the journal files of one strategy's folder with their dates, oldest first; none if there is no folder.

    OSError if the folder cannot be read or holds more files than a strategy can write.
    """
    found: list[tuple[date, Path]] = []
    try:
        names = foreign_files.names(folder, folder.parent)
    except FileNotFoundError:
        return []
    for name in names:
        if name.endswith(".jsonl"):
            with contextlib.suppress(ValueError):
                found.append((date.fromisoformat(name.removesuffix(".jsonl")), folder / name))
    return sorted(found)


def since(folder: Path, first: date) -> Iterator[Event]:
    """Yield the events of one strategy's folder from the files dated `first` or later, in order."""
    for day, path in days(folder):
        if day >= first:
            for _, event in read(path):
                if event is not None:
                    yield event


def prune(folder: Path, today: date, keep_days: int) -> date:
    """Remove the files that are older than `keep_days` days; return the oldest day that stays.

    The newest `keep_days` files stay too: with a clock that is years ahead every day is old.
    """
    files = days(folder)
    newest = files[-keep_days:]
    oldest = min(today - timedelta(days=keep_days), newest[0][0] if newest else today)
    for day, path in files:
        if day < oldest:
            path.unlink(missing_ok=True)
    return oldest
