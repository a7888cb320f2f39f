"""What people want of a strategy, from files to the table and back: pauses, the newest resumes, and the halt of all."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from openbell import control, foreign_files
from openbell.control import Control
from openbell.postgres.control import PostgresControl, halt_in, halted_in
from openbell.postgres.database import Database


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


def control_to_files(database: Database, url: str, root: Path, strategy: str) -> None:
    """Make the files of a strategy say what the database says."""
    here, there = Control(root, strategy), PostgresControl(database, strategy)
    here.prepare()
    rows = there.rows()
    for folder, kind in (("paused", "pause"), ("resumed", "resumed")):
        for bot in _bots(root, strategy, folder):
            foreign_files.remove(root / strategy / folder / f"{bot}.json", root)
        for name in rows:
            word, _, bot = name.partition(" ")
            if word == kind == "resumed":
                content: dict[str, object] = {"id": there.resumed(bot)}
                foreign_files.write_object(root / strategy / folder / f"{bot}.json", root, content)
            elif word == kind and (pause := there.known_pause(bot)):
                here.pause(bot, pause)
    if halt := halted_in(url):
        control.halt(root, halt)
    else:
        control.unhalt(root)


def _bots(root: Path, strategy: str, folder: str) -> Iterator[str]:
    with suppress(FileNotFoundError):
        for name in foreign_files.names(root / strategy / folder, root):
            if name.endswith(".json"):
                yield name.removesuffix(".json")
