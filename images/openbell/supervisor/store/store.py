"""The store: the supervisor's records, one SQLite file on its own volume.

The records and the positions up to which the journals were read are committed together, so that a crash neither loses
nor repeats anything.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from openbell.instants import milliseconds
from openbell.journal import Event
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.durations import Trend
from openbell.supervisor.model.records import (
    AccountRecord,
    Day,
    DecisionRecord,
    ErrorRecord,
    Expected,
    Fault,
    Finding,
    NoteRecord,
    ServiceEvent,
    SignalRecord,
)
from openbell.supervisor.store import connection, event_tables, retention
from openbell.supervisor.store.counters import Counters, Totals
from openbell.supervisor.store.equity import EquityTable
from openbell.supervisor.store.event_tables import EventRecord, Events, EventTable, Record
from openbell.supervisor.store.orders import OrderTable
from openbell.supervisor.store.retention import Timeouts
from openbell.supervisor.store.runs import RunTable
from openbell.supervisor.store.schema import SCHEMA, VERSION
from openbell.supervisor.store.slots import SlotDays, SlotTable


class Store:
    """The records of all strategies. Every method raises sqlite3.Error if the file cannot be read or written.

    The watch writes with one; each request of the page reads with one of its own (`read_only`).
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.folder = path.parent
        self._path = path
        self._database = connection.open_database(path, SCHEMA, VERSION, read_only=read_only)
        self._counters = Counters(self._database)
        self._events = Events(self._database)
        self.runs = RunTable(self._database, self._counters)
        self.slot_days = SlotDays(self._database)
        self.slots = SlotTable(self._database, self.runs, self._counters, self.slot_days)
        self.equity = EquityTable(self._database)
        self.orders = OrderTable(self._database)
        # What a transaction writes in great number goes to the file in a few statements.
        self._gathering = (self.slots, self.runs, self._events, self._counters, self.slot_days, self.equity)
        if not read_only:
            self.slot_days.fill()
            self._events.prepare()
        self._identity = connection.identity(path)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def release_cache(self) -> None:
        """Free the pages of the file that SQLite keeps in memory; the machine's own cache has them too."""
        self._database.execute("PRAGMA shrink_memory")

    def check(self) -> None:
        """Read the whole file; DamagedError if it is damaged."""
        connection.check(self._database, self._path)

    def check_identity(self) -> None:
        """Raise DamagedError if the file was deleted or replaced since it was opened."""
        connection.check_identity(self._path, self._identity)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that is written inside the block, or nothing if it raises."""
        self._clear()
        try:
            with connection.transaction(self._database):
                yield
                self._flush()
        finally:
            self._clear()

    def _flush(self) -> None:
        for table in self._gathering:
            table.flush()

    def _clear(self) -> None:
        for table in self._gathering:
            table.clear()

    # How far the journals are read

    def positions(self) -> dict[str, int]:
        """Return how far each file of the journals is read."""
        return dict(self._database.execute("SELECT file, position FROM positions"))

    def save_positions(self, positions: Mapping[str, int], before: Mapping[str, int]) -> None:
        """Store what differs between two states of the positions."""
        changed = [(file, position) for file, position in positions.items() if before.get(file) != position]
        self._database.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", changed)
        gone = [(file,) for file in before if file not in positions]
        self._database.executemany("DELETE FROM positions WHERE file = ?", gone)

    # Marks: instants under a name

    def set_mark(self, name: str, at: datetime) -> None:
        """Store an instant under a name."""
        self._database.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, milliseconds(at)))

    def get_mark(self, name: str) -> datetime | None:
        """Return the instant that is stored under a name, or None."""
        row = self._database.execute("SELECT at FROM marks WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def get_marks(self, prefix: str) -> dict[str, datetime]:
        """Return the instants whose names begin with `prefix`, by the rest of their names."""
        rows = self._database.execute("SELECT name, at FROM marks WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))
        return {name[len(prefix) :]: at for name, at in rows}

    # What is expected

    def expected(self) -> list[Expected]:
        """Return from when on the slots of each bot are expected."""
        rows = self._database.execute("SELECT strategy, bot, schedule, since, settled_until, started FROM expected")
        return [Expected(*row) for row in rows]

    def expect(self, expected: Expected) -> None:
        """Store from when on a bot's slots are expected; what was stored is replaced."""
        instants = milliseconds(expected.since), milliseconds(expected.recorded_until)
        row = (expected.strategy, expected.bot, expected.schedule, *instants, expected.started)
        self._database.execute("INSERT OR REPLACE INTO expected VALUES (?, ?, ?, ?, ?, ?)", row)

    def stop_expecting(self, strategy: str, bot: str) -> None:
        """Remove what is expected of a bot; its records stay."""
        self._database.execute("DELETE FROM expected WHERE strategy = ? AND bot = ?", (strategy, bot))

    # Event tables: records that are only ever added

    def add(self, strategy: str, record: EventRecord, line: Event) -> None:
        """Store a record of an event table, read from `line`, if it is new."""
        if isinstance(record, AccountRecord):
            self.equity.put(strategy, record)
        self._events.add(strategy, record, line)

    def add_if_new(self, strategy: str, record: EventRecord, line: Event) -> bool:
        """Store a finding or what happened to a loop, as `add` does; return whether it is new."""
        return self._events.add_if_new(strategy, record, line)

    def decisions(self, strategy: str, bot: str, limit: int) -> list[DecisionRecord]:
        """Return a bot's newest decisions, newest first."""
        found = self._events.newest(event_tables.DECISIONS, limit, strategy=strategy, bot=bot)
        return self.orders.followed(strategy, found)

    def signals(self, strategy: str, bot: str, limit: int) -> list[SignalRecord]:
        """Return a bot's newest signals, newest first."""
        return self._events.newest(event_tables.SIGNALS, limit, strategy=strategy, bot=bot)

    def errors(self, strategy: str, limit: int) -> list[ErrorRecord]:
        """Return the newest errors of a strategy's runs and starts, newest first."""
        return self._events.newest(event_tables.ERRORS, limit, strategy=strategy)

    def notes(self, strategy: str, limit: int) -> list[NoteRecord]:
        """Return what a strategy's runs printed or wrote with ctx.log, newest first."""
        return self._events.newest(event_tables.NOTES, limit, strategy=strategy)

    def accounts(self, strategy: str, limit: int) -> list[AccountRecord]:
        """Return what a strategy's account held at the ends of its newest runs, newest first."""
        return self._events.newest(event_tables.ACCOUNTS, limit, strategy=strategy)

    def services(self, strategy: str, limit: int) -> list[ServiceEvent]:
        """Return what happened to a strategy's loop, newest first."""
        return self._events.newest(event_tables.SERVICES, limit, strategy=strategy)

    def findings(self, strategy: str, bot: str, kind: str, limit: int) -> list[Finding]:
        """Return what a bot found of one kind (stale_data, reconciled), newest first; a loop's own have no bot."""
        return self._events.newest(event_tables.FINDINGS, limit, strategy=strategy, bot=bot, kind=kind)

    def has_findings(self, strategy: str, bot: str) -> bool:
        """Tell whether a bot has found anything of any kind."""
        return self._events.has_any(event_tables.FINDINGS, strategy=strategy, bot=bot)

    def comparisons(self, strategy: str, limit: int) -> list[Finding]:
        """Return the newest reconciliations of a strategy's account, by any of its bots, newest first."""
        return self._events.newest(event_tables.FINDINGS, limit, strategy=strategy, kind="reconciled")

    def of_run(self, table: EventTable[Record], strategy: str, run_id: str) -> list[Record]:
        """Return what a table has of one run, oldest first."""
        return self._events.newest(table, event_tables.KEEP_EACH, strategy=strategy, run_id=run_id)[::-1]

    # How long runs take

    def days(self, strategy: str, bot: str) -> list[Day]:
        """Return how long a bot's runs took day by day, oldest first."""
        return retention.days(self._database, strategy, bot)

    def trend(self, strategy: str, bot: str) -> Trend | None:
        """Return how a bot's durations creep, or None if they do not."""
        return retention.trend(self._database, strategy, bot)

    def sweep(self, now: datetime, timeouts: Timeouts) -> Iterator[tuple[str, str]]:
        """Remove records beyond what is kept, and summarise the days; see retention.py."""
        pieces = retention.sweep(self._database, now, timeouts)
        while True:
            self._flush()
            if (piece := next(pieces, None)) is None:
                break
            yield piece
        for _ in self._events.migrate():
            yield "", ""

    # Totals that outlive their records

    def totals(self) -> dict[str, Totals]:
        """Return the totals of slots and runs by strategy."""
        return self._counters.totals()

    # The log of faults

    def add_fault(self, condition: Condition, last: datetime) -> None:
        """Add a fault to the log, whether or not it still lasts."""
        row = (
            *(condition.kind, condition.strategy, condition.bot, milliseconds(condition.since)),
            *(condition.reason, condition.expected, condition.count, milliseconds(last)),
        )
        self._database.execute("INSERT INTO faults VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def faults(self, after: int, limit: int = 1000) -> list[Fault]:
        """Return what was logged behind the entry `after`, oldest first."""
        rows = self._database.execute(
            "SELECT id, kind, strategy, bot, since, reason, expected, count, last FROM faults WHERE id > ? ORDER BY id LIMIT ?",
            (after, limit),
        )
        return [Fault(number, Condition(*condition), last) for number, *condition, last in rows]

    def last_fault(self) -> int:
        """Return the number of the newest entry in the log of faults, 0 if there is none."""
        (number,) = self._database.execute("SELECT coalesce(max(id), 0) FROM faults").fetchone()
        return int(number)
