"""One rate of requests to a venue for all who use an account, on all hosts: a row, judged by the database's clock."""

import hashlib
import sqlite3

from openbell.postgres.database import Database
from openbell.postgres.tables import SHARED_SCHEMA
from openbell.trading.venues import BusyError
from openbell.trading.venues.rate_limiter import LONGEST_BAN

# The instant at which all requests so far would be done at the steady rate, as the file of one host has it.
_WAIT = "extract(epoch FROM rates.done - clock_timestamp()) - ?"
_RESERVE = f"""
INSERT INTO rates VALUES (?, clock_timestamp() + ? * interval '1 second') ON CONFLICT (account) DO UPDATE
SET done = greatest(rates.done, clock_timestamp()) + ? * interval '1 second' WHERE {_WAIT} <= ?
RETURNING {_WAIT}
"""  # noqa: S608 - as written here
_HOLD = (
    "INSERT INTO rates VALUES (?, clock_timestamp() + ? * interval '1 second') ON CONFLICT (account) DO UPDATE "
    "SET done = greatest(rates.done, excluded.done)"
)


class SharedRateLimiter:
    """Lets requests through at a steady rate, a few at once after a pause, for all users of an account together."""

    def __init__(self, url: str, name: str, key: str, per_minute: float, burst: int) -> None:
        """name: of the venue's address. key: the account's; only a hash of it is kept."""
        self._database = Database(url, SHARED_SCHEMA)
        self._account = f"{name} {hashlib.sha256(key.encode()).hexdigest()[:16]}"
        self._interval = 60.0 / per_minute
        self._ahead = (burst - 1) * self._interval

    def reserve(self, patience: float) -> float:
        """Take the next place and return in how many seconds it is; BusyError, without a place, if that is beyond `patience`."""
        patience = max(0.0, patience)
        values = (self._account, self._interval, self._interval, self._ahead, patience, self._ahead + self._interval)
        try:
            if rows := self._database.execute(_RESERVE, values):
                return max(0.0, float(str(rows[0][0])))
            rows = self._database.execute(f"SELECT {_WAIT} FROM rates WHERE account = ?", (self._ahead, self._account))  # noqa: S608 - as written here
        except (sqlite3.Error, OSError) as error:
            msg = f"nothing is asked of the venue while other hosts may ask it too: {error}"
            raise BusyError(msg, 1.0) from error
        wait = max(0.0, float(str(rows[0][0])))
        msg = f"the next request may be sent in {wait:.1f} s, and the run has {patience:.1f} s left"
        raise BusyError(msg, wait)

    def hold(self, seconds: float) -> None:
        """Let no call through for so long, on no host: the venue has asked for it."""
        try:
            self._database.execute(_HOLD, (self._account, min(seconds, LONGEST_BAN) + self._ahead))
        except (sqlite3.Error, OSError):
            return  # no request is let through without the database
