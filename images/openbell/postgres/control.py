"""What people want of a bot, in PostgreSQL: the table openbell.control in place of small files."""

import json
import os
import time
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from openbell import foreign_files
from openbell.control import KEEP_REQUESTS, Control, Halt, Pause, Request
from openbell.journal import instant, stamp
from openbell.own_days_file import OwnDaysFile
from openbell.postgres.connection import PostgresError
from openbell.postgres.database import Database
from openbell.postgres.tables import SHARED_SCHEMA

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
EVERYTHING = ""  # the strategy's name in a row that is for all
ASK_EVERY = 1.0  # seconds between two questions of a loop
_WRITE = "INSERT INTO control VALUES (?, ?, ?) ON CONFLICT (strategy, name) DO UPDATE SET content = excluded.content"
_REMOVE = "DELETE FROM control WHERE strategy = ? AND name = ?"
_REQUEST = "request "
Content = dict[str, object]


class PostgresControl(Control):
    """Desired state of one strategy. A row that cannot be read holds all the same."""

    def __init__(self, database: Database, strategy: str, here: Control | None = None) -> None:
        """Speak for a strategy; `here` are the files of this host, which its page shows: they follow what is written."""
        super().__init__(Path(), strategy)
        self._database = database
        self._strategy = strategy
        self._here = here

    def pause(self, bot: str, pause: Pause) -> None:
        """Store a pause; one that is there is replaced."""
        until = stamp(pause.until) if pause.until else None
        content = {"since": stamp(pause.since), "until": until, "by": pause.by, "reason": pause.reason}
        self._database.execute(_WRITE, (self._strategy, f"pause {bot}", json.dumps(content)))
        if self._here is not None:
            self._here.pause(bot, pause)

    def resume(self, bot: str) -> bool:
        """Lift the bot's pause, also one that its loop made; tell whether a person had asked for one."""
        content = json.dumps({"id": os.urandom(6).hex()})
        self._database.execute(_WRITE, (self._strategy, f"resumed {bot}", content))
        was_paused = self._database.execute(_REMOVE, (self._strategy, f"pause {bot}")).rowcount > 0
        if self._here is not None:
            self._here.resume(bot)
        return was_paused

    def keep_resume(self, bot: str, resume: str) -> None:
        """Store a resume that was made elsewhere."""
        self._database.execute(_WRITE, (self._strategy, f"resumed {bot}", json.dumps({"id": resume})))

    def resumed(self, bot: str) -> str:
        """Return what tells the bot's newest resume from those before; empty if it never was."""
        content = self.rows().get(f"resumed {bot}")
        return str(content.get("id", "")) if content else ""

    def known_pause(self, bot: str) -> Pause | None:
        """Return the bot's pause, expired or not, or None if it has none."""
        content = self.rows().get(f"pause {bot}")
        if content is None:
            return None
        since = instant(content.get("since")) or _ALWAYS
        return Pause(since, instant(content.get("until")), str(content.get("by")), str(content.get("reason")))

    def request(self, bot: str, by: str, at: datetime, slot: datetime | None = None) -> Request:
        """Ask for a run of the bot now, or as a slot that has passed; its loop takes the request within seconds."""
        return self._ask(Request(os.urandom(6).hex(), bot, by, at, slot))

    def request_flatten(self, by: str, at: datetime) -> Request:
        """Ask the loop to close all that the strategy holds."""
        return self._ask(Request(os.urandom(6).hex(), "", by, at, flatten=True))

    def _ask(self, request: Request) -> Request:
        for old in self.requests():
            if abs(request.requested_at - old.requested_at) >= KEEP_REQUESTS:
                self._database.execute(_REMOVE, (self._strategy, f"{_REQUEST}{old.id}"))
        slot = stamp(request.slot) if request.slot else None
        content: Content = {
            "bot": request.bot,
            "by": request.by,
            "requested_at": stamp(request.requested_at),
            "slot": slot,
        }
        if request.flatten:
            content["flatten"] = True
        self._database.execute(_WRITE, (self._strategy, f"{_REQUEST}{request.id}", json.dumps(content)))
        return request

    def requests(self) -> list[Request]:
        """Return the requests that are there, taken or not, oldest first."""
        found: list[Request] = []
        for name, content in self.rows().items():
            at = instant(content.get("requested_at"))
            if name.startswith(_REQUEST) and at is not None:
                bot, by = str(content.get("bot")), str(content.get("by", "unknown"))
                is_flatten = content.get("flatten") is True
                slot = instant(content.get("slot"))
                found.append(Request(name.removeprefix(_REQUEST), bot, by, at, slot, is_flatten))
        return sorted(found, key=lambda request: request.requested_at)

    def requests_version(self) -> int:
        """Return a number that changes whenever a request comes or goes."""
        names = sorted(name for name in self.rows() if name.startswith(_REQUEST))
        return zlib.crc32("\n".join(names).encode())

    def own_days(self) -> OwnDaysFile:
        """Return none: a function carries its own days."""
        return OwnDaysFile(None)

    def halted(self) -> Halt | None:
        """Return the halt of all strategies, or None."""
        return _halt_of(self.rows())

    def prepare(self) -> None:
        """Do nothing: there are no folders."""

    def rows(self) -> dict[str, Content]:
        """Return what is wanted of this strategy and of all, by name."""
        return _rows(self._database, self._strategy)


class RecentControl(PostgresControl):
    """The same as a loop asks for it, many times a second: what was there ASK_EVERY seconds ago counts.

    While the database cannot be asked, what it said last holds, for as long as the loop owns its strategy.
    """

    def __init__(self, database: Database, strategy: str) -> None:
        super().__init__(database, strategy)
        self._known = super().rows()
        self._asked_at = time.monotonic()

    def rows(self) -> dict[str, Content]:
        """Return what is wanted of this strategy and of all, by name."""
        if time.monotonic() - self._asked_at >= ASK_EVERY:
            self._asked_at = time.monotonic()
            with suppress(PostgresError):
                self._known = super().rows()
        return self._known


def control_in(url: str, strategy: str, root: Path) -> PostgresControl:
    """Return the control of a strategy of a database, as the commands and the page of one host have it."""
    return PostgresControl(_shared(url), strategy, Control(root, strategy))


def halted_in(url: str) -> Halt | None:
    """Return the halt of all strategies of a database, or None."""
    return _halt_of(_rows(_shared(url), EVERYTHING))


def halt_in(url: str, halt: Halt) -> None:
    """Stop all orders of all strategies of a database."""
    content: Content = {"since": stamp(halt.since), "by": halt.by, "reason": halt.reason}
    values = (EVERYTHING, "halt", json.dumps(content | ({"exits": True} if halt.exits else {})))
    _shared(url).execute(_WRITE, values)


def unhalt_in(url: str) -> bool:
    """Let orders be sent again; tell whether they were halted."""
    return _shared(url).execute(_REMOVE, (EVERYTHING, "halt")).rowcount > 0


def _shared(url: str) -> Database:
    return Database(url, SHARED_SCHEMA)


def _halt_of(rows: dict[str, Content]) -> Halt | None:
    content = rows.get("halt")
    if content is None:
        return None
    since = instant(content.get("since")) or _ALWAYS
    return Halt(since, str(content.get("by")), str(content.get("reason")), content.get("exits") is True)


def _rows(database: Database, strategy: str) -> dict[str, Content]:
    """Return the rows of a strategy and the halt, which is for all of them."""
    statement = "SELECT name, content FROM control WHERE strategy = ? OR (strategy = ? AND name = 'halt')"
    rows = database.execute(statement, (strategy, EVERYTHING))
    return {str(name): _content(str(content)) for name, content in rows}


def _content(text: str) -> Content:
    """Return what a row says; one that cannot be read says who wrote it is unknown."""
    with suppress(ValueError):
        return foreign_files.parse_object(text.encode())
    return {"by": "unknown", "reason": f"{text} cannot be read"}
