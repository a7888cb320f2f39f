"""A connection to PostgreSQL: psycopg2's, with a limit on waiting, and one line for whatever goes wrong.

It is asynchronous, so that the waiting is done here: libpq has no limit on an answer, and the hook that psycopg2 has for one
would hold for a strategy's own connections, too.
"""

import select
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import psycopg2
from psycopg2 import extensions

from openbell.postgres.address import AddressError, settings

Value = str | int | float | None
Row = tuple[Value, ...]

# A decimal number comes as a float, as SQLite has it.
_NUMERIC = extensions.new_type((1700,), "NUMERIC", extensions.FLOAT)


class PostgresError(sqlite3.OperationalError):
    """What could not be done, in one line. A ledger's caller knows only SQLite's errors."""


class Connection:
    """A connection that is logged in. Every method raises PostgresError."""

    def __init__(self, url: str, patience: float, waking_patience: float | None = None) -> None:
        """patience: seconds that the server may be silent. waking_patience: the same until its first answer to a statement."""
        self._patience = waking_patience or patience
        self._usual_patience = patience
        self.status = ""  # what the server called the last statement of the last exchange
        self._turns = threading.RLock()  # a strategy may print on threads of its own
        with _postgres_errors():
            self._connection = psycopg2.connect(extensions.make_dsn(**settings(url)), async_=True)
            try:
                self._wait()
            except BaseException:
                self.close()
                raise
        extensions.register_type(_NUMERIC, self._connection)

    @property
    def is_closed(self) -> bool:
        """Tell whether the connection is of no more use."""
        return self._connection.closed != 0

    def filled(self, statement: str, values: Sequence[Value]) -> bytes:
        """Return a statement with its values at its %s; ValueError for a text that PostgreSQL cannot keep."""
        with _postgres_errors():
            return self._connection.cursor().mogrify(statement, values)

    def run(self, text: str | bytes) -> tuple[list[Row], int]:
        """Carry out statements, with semicolons between them, in one exchange; return the last one's rows and their number."""
        with _postgres_errors(), self._turns:
            cursor = self._connection.cursor()
            try:
                cursor.execute(text)
                self._wait()
            except BaseException as error:
                # Unless the server answers, the fate of a statement is unknown: no other may follow it.
                if getattr(error, "pgcode", None) is None:
                    self.close()
                raise
            self._patience = self._usual_patience
            self.status = cursor.statusmessage or ""
            return cursor.fetchall() if cursor.description else [], max(cursor.rowcount, 0)

    def alone(self) -> AbstractContextManager[object]:
        """Keep this process's other threads from the connection meanwhile: what they asked would be part of one transaction."""
        return self._turns

    def close(self) -> None:
        """Say goodbye, and wait for nothing."""
        self._connection.close()

    def _wait(self) -> None:
        """Wait until what was begun is done; TimeoutError if the server is silent for too long."""
        while (state := self._connection.poll()) != extensions.POLL_OK:
            line = select.poll()
            line.register(self._connection, select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
            if not line.poll(1000 * self._patience):
                msg = f"no answer within {self._patience:g} s"
                raise TimeoutError(msg)


@contextmanager
def _postgres_errors() -> Iterator[None]:
    """Turn what psycopg2 raises into one line."""
    try:
        yield
    except AddressError as error:
        raise PostgresError(str(error)) from error
    except psycopg2.Error as error:
        raise PostgresError(_line(error)) from error
    except TimeoutError as error:
        msg = f"PostgreSQL cannot be reached: {error}"
        raise PostgresError(msg) from error


def _line(error: psycopg2.Error) -> str:
    if error.diag.message_primary is not None:
        return f"PostgreSQL: {error.diag.message_primary}"
    # libpq's own words, with its advice below each line of them; what a server says that refuses a log-in is in there.
    words = "; ".join(line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("\t"))
    _, refused, said = words.rpartition("FATAL:  ")
    return f"PostgreSQL: {said}" if refused else f"PostgreSQL cannot be reached: {words}"
