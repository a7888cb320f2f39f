"""What people want of a strategy, from files to the table and back: pauses, the newest resumes, and the halt of all."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from openbell import control, foreign_files
from openbell.control import Control
from openbell.postgres.connection import Row
from openbell.postgres.control import PostgresControl, halt_in
from openbell.postgres.database import Database

_WORDS = ("pause", "resumed")  # begin the names of rows


def control_to_database(database: Database, url: str, root: Path, strategy: str) -> None:
    """Bring the pauses and resumes of a strategy, and the halt if there is one."""
    here, there = Control(root, strategy), PostgresControl(database, strategy)
    for bot in _bots(root, strategy, "resumed"):
        there.keep_resume(bot, here.resumed(bot))
    for bot in _bots(root, strategy, "paused"):
        if pause := here.known_pause(bot):
            there.pause(bot, pause)
    if halt := control.halted(root):
        halt_in(url, halt)


def control_to_files(database: Database, root: Path, strategy: str) -> None:
    """Make the files of a strategy say what the database says; what they say already is not written."""
    here, there = Control(root, strategy), PostgresControl(database, strategy)
    rows = there.rows()
    paused, resumed = ({name.partition(" ")[2] for name in rows if name.startswith(f"{word} ")} for word in _WORDS)
    for bot in _bots(root, strategy, "paused"):
        if bot not in paused:
            foreign_files.remove(root / strategy / "paused" / f"{bot}.json", root)
    for bot in paused:
        if (pause := there.known_pause(bot)) and pause != here.known_pause(bot):
            here.pause(bot, pause)
    for bot in resumed:
        if (resume := there.resumed(bot)) != here.resumed(bot):
            here.prepare()
            content: dict[str, object] = {"id": resume}
            foreign_files.write_object(root / strategy / "resumed" / f"{bot}.json", root, content)
    halt = there.halted()
    if halt != control.halted(root):
        control.unhalt(root) if halt is None else control.halt(root, halt)


class ControlCopy:
    """The copy of what people want of all strategies in the files of this host, for its page."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self._root = root
        self._known: list[Row] = []
        self._is_first = True

    def copy(self) -> None:
        """Copy what has changed."""
        rows = list(self._database.execute("SELECT strategy, name, content FROM control ORDER BY strategy, name"))
        if rows == self._known and not self._is_first:
            return
        for strategy in sorted({str(row[0]) for row in (*rows, *self._known)} | set(foreign_files.folders(self._root))):
            if strategy:
                control_to_files(self._database, self._root, strategy)
        self._known, self._is_first = rows, False


def _bots(root: Path, strategy: str, folder: str) -> Iterator[str]:
    with suppress(FileNotFoundError):
        for name in foreign_files.names(root / strategy / folder, root):
            if name.endswith(".json"):
                yield name.removesuffix(".json")
