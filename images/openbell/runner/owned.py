"""A loop that runs its strategy only while it owns it, in PostgreSQL: it waits as a standby, runs, and stops in time.

Nothing here waits for the database longer than its driver's patience, and `startup.end_by` ends a process that hangs all the
same: what runs must have ended before another loop may own the strategy.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from openbell import answers, clock, heartbeat
from openbell.journal import Journal
from openbell.paths import Paths
from openbell.postgres import history, homes
from openbell.postgres.awaited import awaited_move
from openbell.postgres.connection import PostgresError
from openbell.postgres.control import RecentControl
from openbell.postgres.database import Database, Guard, OwnershipLostError, wait_no_longer_than
from openbell.postgres.journal_copy import EVERY, JournalCopy, put
from openbell.postgres.lease import ASK, END_BEFORE, IN_FLIGHT, PATIENCE, RETRY, Lease
from openbell.postgres.ledger import schema_of
from openbell.postgres.ownership import Ownership, keep_guard, steady_seconds
from openbell.postgres.tables import LEASES, LEDGER, PAPER, SHARED, SHARED_SCHEMA
from openbell.runner.clock import SystemClock
from openbell.runner.loop import Loop
from openbell.runner.loop_control import LoopControl
from openbell.runner.output import Pipe, say
from openbell.runner.owners_control import OwnersControl
from openbell.runner.startup import arm_watchdog, end_by

HOST = "OPENBELL_HOST"  # what people call the machine that this container runs on
GIVE_WAY_WITHIN = 30.0  # seconds in which a moment between two runs is waited for before a strategy moves
SOON = timedelta(seconds=2)  # a slot that is due within it is let pass before
KEEP_EVERY = 30.0  # seconds between two times that the database's history is written down
SAY_EVERY = 30.0  # seconds between two lines about the same trouble


class Owner:
    """The ownership of one strategy as its loop has it."""

    def __init__(self, places: Paths, journal: Journal, boot_id: str, broker: str) -> None:
        self._places = places
        schema = schema_of(places.strategy)
        self._tables = {SHARED_SCHEMA: SHARED, schema: LEDGER + LEASES} | (
            {f"{schema}_paper": PAPER} if broker == "paper" else {}
        )
        self._folder = journal.folder
        self._boot_id = boot_id
        wait_no_longer_than(PATIENCE, RETRY)
        self._database = Database(places.database, SHARED_SCHEMA)
        self._host = os.environ.get(HOST) or os.uname().nodename
        self._ownership = Ownership(self._database, places.strategy, boot_id, self._host)
        self._history: history.History | None = None  # of the database, as this process knows it
        # If the database has lost commits since the strategy was owned before: up to here, by its clock, slots may have run.
        self.unknown_until: datetime | None = None
        self._is_settled = True
        self._awaited_since: float | None = None  # by another host's loop, as long as this one is to give way
        self._wait_at = self._keep_at = 0.0
        self._copy = JournalCopy(places.database, places.journal, {places.strategy: places.state})
        self._lease: Lease | None = None
        self._copy_at = 0.0
        self._told_at = float("-inf")
        self._has_data = False
        self._why = self._said = ""
        self.clock = SystemClock()
        self.longest_wait = EVERY  # seconds between two turns of a loop that has to renew

    def wait(self, printed: Pipe, is_stopped: Callable[[], bool]) -> bool:
        """Wait as a standby until the strategy is owned; False if this process is asked to stop before."""
        self._said = ""
        while not is_stopped():
            arm_watchdog()
            printed.read()
            with self._trouble("no strategy runs without it"):
                why = self._awaited_move()
                if not why and self._acquire():
                    self._let_orders_arrive()
                    return True
                self._stand_by(why)
                self._follow()
            self.clock.wait(ASK)
        with suppress(PostgresError, OSError):
            homes.wait_no_more(self._database, self._places.strategy, self._host)
        return False

    def keep(self) -> bool:
        """Renew when it is time, and bring new lines into this host's folder; False once nothing may run here any more."""
        lease = self._lease
        if lease is None or lease.is_over(steady_seconds()):
            return False
        asked_at = steady_seconds()
        if lease.is_due(asked_at):
            self._lease = lease.failed(asked_at)
            with self._trouble("the runs are ended before the ownership is over"):
                if not self._ownership.renew(lease.epoch, self._beat()) or self._is_other_history():
                    return False
                self._grant(lease.epoch, asked_at)
        if asked_at >= self._copy_at:
            self._copy_at = asked_at + EVERY
            with suppress(PostgresError, OSError):  # the next look copies them
                self._copy.copy_lines()
        return self._lease is not None and not self._lease.is_over(steady_seconds())

    def step(self, loop: Loop) -> float:
        """Let the loop do what is to be done; return the seconds until the next thing. A silent database is asked again soon."""
        if self._gives_way(loop):
            loop.draining = True
        with self._trouble("the runs are ended before the ownership is over"):
            idle = loop.step()
            self._settle()
            return idle
        return RETRY

    def control(self) -> LoopControl:
        """Return what people want of the strategy, and the answers of the owner before."""
        places = self._places
        wanted = RecentControl(self._database, places.strategy)
        return OwnersControl(places.control, places.strategy, self._folder, self._boot_id, wanted, self._answer)

    def end(self) -> None:
        """Let another own the strategy at once: all runs have ended in order, and all is written."""
        if self._lease is not None:
            with suppress(PostgresError, OSError):  # then it is over by itself
                while self._copy.copy_lines():
                    pass
                self._ownership.release(self._lease.epoch)

    def lose(self) -> None:
        """Write nothing more under this ownership; no process may be left that could."""
        self._lease = None
        keep_guard(None)
        end_by(float("inf"))
        self._database.close()

    def _settle(self) -> None:
        """Keep, once the first step has written what may have been lost, that nothing of it is open any more."""
        if not self._is_settled and self._lease is not None and self._history is not None:
            self._ownership.settle(self._lease.epoch, self._history.timeline)
            self._keep_history(self._history)
            self._is_settled = True

    def _gives_way(self, loop: Loop) -> bool:
        """Tell whether the strategy moves to a host that waits for it: between two runs, or after a while at any moment."""
        if not self._ownership.awaited_by:
            self._awaited_since = None
            return False
        self._awaited_since = self._awaited_since or steady_seconds()
        is_late = steady_seconds() - self._awaited_since >= GIVE_WAY_WITHIN
        return is_late or loop.is_settled(self.clock.now() + SOON)

    def _awaited_move(self) -> str:
        """Return what keeps the loop from its data; once they are in the database, it is not asked again."""
        if not self._has_data:
            places = self._places
            self._why = awaited_move(places.state, places.database, places.strategy)
            self._has_data = not self._why
        return self._why

    def _stand_by(self, why: str) -> None:
        """Say once what is waited for: another host's loop, if nothing else."""
        if (reason := why or "standing by") != self._said:
            holder = None if why else self._ownership.current()
            text = why or f"runs on {holder.host if holder else 'another host'}; {reason}"
            say(f"{self._places.strategy}: {text}")
            heartbeat.stand_by(self._folder, clock.now())
            self._said = reason
        if not why and steady_seconds() >= self._wait_at:
            homes.wait(self._database, self._places.strategy, self._host)
            self._wait_at = steady_seconds() + homes.SAY_EVERY

    def _acquire(self) -> bool:
        # Before it is owned: an ownership would be over while a hundred loops that start at once make their tables in turn.
        for schema in tuple(self._tables):
            arm_watchdog()
            Database(self._places.database, schema).make(self._tables[schema])
            del self._tables[schema]
        asked_at = steady_seconds()
        acquired = self._ownership.acquire()
        if acquired is None:
            return False
        now, before = history.read(self._database), self._history or history.known(self._places.state)
        has_lost_commits = history.is_uncertain(now, before, acquired.timeline)
        self.unknown_until = acquired.at if has_lost_commits else None
        self._history, self._is_settled = now, acquired.timeline == now.timeline and not has_lost_commits
        put(self._folder / answers.FILE, acquired.answers)
        homes.wait_no_more(self._database, self._places.strategy, self._host)
        self._awaited_since, self._ownership.awaited_by = None, ""
        heartbeat.end_standby(self._folder)
        keep_guard(Guard(self._places.strategy, acquired.epoch, self._boot_id, now.timeline))
        self._grant(acquired.epoch, asked_at)
        return True

    def _is_other_history(self) -> bool:
        """Tell whether the database has lost commits while the strategy was owned: then nothing may go on as before."""
        now, before = history.read(self._database), self._history
        if before is not None and now.has_lost(before):
            say(f"{self._places.strategy}: the database has lost commits (timeline {now.timeline}): all runs are ended")
            return True
        self._keep_history(now)
        return False

    def _keep_history(self, now: history.History) -> None:
        if steady_seconds() >= self._keep_at or not self._is_settled:
            self._keep_at = steady_seconds() + KEEP_EVERY
            with suppress(OSError):  # the database tells its timeline too
                history.keep(self._places.state, now)
        self._history = now

    def _let_orders_arrive(self) -> None:
        """Wait, where the database may not know who owned the strategy last: an order of that owner may be on its way."""
        until = steady_seconds() + IN_FLIGHT if self.unknown_until else 0.0
        while steady_seconds() < until:
            self.clock.wait(ASK)

    def _grant(self, epoch: int, asked_at: float) -> None:
        self._lease = Lease.granted(epoch, asked_at)
        left = self._lease.ends_at + END_BEFORE / 2 - steady_seconds()
        end_by(time.monotonic() + left)

    def _follow(self) -> None:
        while self._copy.copy_lines():
            pass
        self._copy.copy_signs()

    def _beat(self) -> str:
        with suppress(OSError):
            return (self._folder / heartbeat.FILE).read_text()
        return ""

    def _answer(self, text: str) -> None:
        if self._lease is None or not self._ownership.answer(self._lease.epoch, text):
            raise OwnershipLostError(self._places.strategy)

    def _trouble(self, meaning: str) -> "_DatabaseErrors":
        return _DatabaseErrors(self, meaning)

    def tell(self, error: Exception, meaning: str) -> None:
        """Say on standard error what is wrong with the database, now and then."""
        if steady_seconds() - self._told_at >= SAY_EVERY:
            self._told_at = steady_seconds()
            say(f"{self._places.strategy}: {error}; {meaning}")


class _DatabaseErrors:
    """Reports a database that cannot be used as one line; the clock decides what follows."""

    def __init__(self, owner: Owner, meaning: str) -> None:
        self._owner, self._meaning = owner, meaning

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if isinstance(error, PostgresError | OSError):
            self._owner.tell(error, self._meaning)
            return True
        return False


def serve_while_owned(
    places: Paths, journal: Journal, boot_id: str, broker: str, printed: Pipe, serve: Callable[[Owner], bool]
) -> None:
    """Run the strategy whenever this process owns it, until SIGTERM.

    serve: runs its loop; False if that ended because the strategy is not owned any more.
    """
    stop: list[int] = []
    owner = Owner(places, journal, boot_id, broker)
    while True:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: stop.append(number))  # the serving loop has its own
        if not owner.wait(printed, lambda: bool(stop)):
            return
        try:
            if serve(owner):
                return
        except (PostgresError, OSError) as error:  # while the loop began; the journal has them as OSError
            if not isinstance(error.__cause__ or error, PostgresError):
                raise
            owner.tell(error, "the strategy could not begin")
        finally:
            owner.lose()
        say(f"{places.strategy}: not owned any more: its runs have ended, and it stands by")
