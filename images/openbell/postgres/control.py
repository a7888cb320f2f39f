"""What people want of a bot, in PostgreSQL: the table openbell.control in place of small files."""

import json
from datetime import UTC, datetime
from pathlib import Path

from openbell.control import Control, Halt, OwnDaysFile, Pause
from openbell.journal import instant, stamp
from openbell.postgres.database import Database
from openbell.postgres.tables import SHARED_SCHEMA

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
EVERYTHING = ""  # the strategy's name in a row that is for all


class PostgresControl(Control):
    """Desired state of one strategy. A row that cannot be read holds all the same."""

    def __init__(self, database: Database, strategy: str) -> None:
        super().__init__(Path(), strategy)
        self._database = database
        self._strategy = strategy

    def pause(self, bot: str, pause: Pause) -> None:
        """Store a pause; one that is there is replaced."""
        until = stamp(pause.until) if pause.until else None
        content = {"since": stamp(pause.since), "until": until, "by": pause.by, "reason": pause.reason}
        statement = (
            "INSERT INTO control VALUES (?, ?, ?) ON CONFLICT (strategy, name) DO UPDATE SET content = excluded.content"
        )
        self._database.execute(statement, (self._strategy, f"pause {bot}", json.dumps(content)))

    def resume(self, bot: str) -> bool:
        """Remove the bot's pause; tell whether there was one."""
        statement = "DELETE FROM control WHERE strategy = ? AND name = ?"
        return self._database.execute(statement, (self._strategy, f"pause {bot}")).rowcount > 0

    def paused(self, bot: str) -> Pause | None:
        """Return the bot's pause, expired or not, or None if it has none."""
        content = _content(self._database, self._strategy, f"pause {bot}")
        if content is None:
            return None
        since = instant(content.get("since")) or _ALWAYS
        return Pause(since, instant(content.get("until")), str(content.get("by")), str(content.get("reason")))

    def own_days(self) -> OwnDaysFile:
        """Return none: a function carries its own days."""
        return OwnDaysFile(None)

    def halted(self) -> Halt | None:
        """Return the halt of all strategies, or None."""
        return _halted(self._database)


def halted_in(url: str) -> Halt | None:
    """Return the halt of all strategies of a database, or None."""
    return _halted(Database(url, SHARED_SCHEMA))


def _halted(database: Database) -> Halt | None:
    content = _content(database, EVERYTHING, "halt")
    if content is None:
        return None
    since = instant(content.get("since")) or _ALWAYS
    return Halt(since, str(content.get("by")), str(content.get("reason")), content.get("exits") is True)


def _content(database: Database, strategy: str, name: str) -> dict[str, object] | None:
    statement = "SELECT content FROM control WHERE strategy = ? AND name = ?"
    row = database.execute(statement, (strategy, name)).fetchone()
    if row is None:
        return None
    try:
        content = json.loads(str(row[0]))
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {"by": "unknown", "reason": f"{row[0]} cannot be read"}
