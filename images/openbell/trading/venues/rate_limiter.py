"""One rate of requests for all runs of a strategy on one host, which are processes of their own."""

import fcntl
import os
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from openbell.trading.venues import BusyError

JUST_NOW = timedelta(seconds=5)  # by how much a file may be newer than the clock says
LONGEST_BAN = 31 * 86_400.0  # seconds; a venue that asks for more is asked again then
HOLD_LONGEST = 900.0  # seconds; what lies further ahead was written before the machine started


class RateLimiter:
    """Lets requests through at a steady rate, a few at once after a pause.

    The file holds one number: the monotonic second at which all requests so far would be done at the steady rate. The
    clock is the machine's, so every process of the container reads the same one.
    """

    def __init__(self, path: Path, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._ban = path.with_suffix(
            ".ban"
        )  # until when, by the wall clock: a long one outlives the machine's next start
        self._interval = 60.0 / per_minute
        self._ahead = (burst - 1) * self._interval
        self._clock = clock

    def reserve(self, patience: float) -> float:
        """Take the next place and return in how many seconds it is; BusyError, without a place, if that is beyond `patience`."""
        self._obey_ban()
        with _Number(self._path) as number:
            now = self._clock()
            done = max(number.read(now), now)
            wait = max(0.0, done - self._ahead - now)
            if wait > max(0.0, patience):  # what need not wait goes, however little time there is
                msg = f"the next request may be sent in {wait:.1f} s, and the run has {max(0.0, patience):.1f} s left"
                raise BusyError(msg, wait)
            number.write(done + self._interval)
        return wait

    def _obey_ban(self) -> None:
        try:
            until = datetime.fromisoformat(self._ban.read_text())
            begun = datetime.fromtimestamp(self._ban.stat().st_mtime, UTC)
        except (OSError, ValueError, OverflowError):
            return
        now = datetime.now(UTC)
        if begun > now + JUST_NOW:  # it was asked for while the clock was ahead: it is as long from now on
            until = now + (until - begun)
            self._write_ban(until)
        left = (until - now).total_seconds()
        if left > 0:
            msg = f"the venue has banned these requests until {until:%Y-%m-%d %H:%M:%S} UTC"
            raise BusyError(msg, left)

    def _write_ban(self, until: datetime) -> None:
        self._ban.parent.mkdir(parents=True, exist_ok=True)
        aside = self._ban.with_suffix(f".{os.getpid()}")
        aside.write_text(until.isoformat())
        aside.replace(self._ban)

    def hold(self, seconds: float) -> None:
        """Let no call through for so long: the venue has asked for it."""
        if seconds > HOLD_LONGEST:
            self._write_ban(datetime.now(UTC) + timedelta(seconds=min(seconds, LONGEST_BAN)))
        with _Number(self._path) as number:
            now = self._clock()
            until_then = now + min(seconds, HOLD_LONGEST) + self._ahead
            number.write(max(number.read(now), until_then))


class _Number:
    """The number in the file, locked while it is open; the lock ends with the process that holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def read(self, now: float) -> float:
        """Return the number, or `now` if there is none or it is of another boot."""
        content = os.pread(self._file, 8, 0)
        number = struct.unpack("d", content)[0] if len(content) == 8 else now
        return float(number) if number <= now + 2 * HOLD_LONGEST else now

    def write(self, number: float) -> None:
        """Replace the number."""
        os.pwrite(self._file, struct.pack("d", number), 0)
