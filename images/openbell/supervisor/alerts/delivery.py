"""Delivery: each channel has an outbox in alerts.sqlite, a worker and a thread, so that a channel that hangs delays no other."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from openbell.instants import milliseconds
from openbell.supervisor.alerts.model import Delivery, Message
from openbell.supervisor.alerts.sender_client import SendResult
from openbell.supervisor.alerts.settings import AlertSettings, Channel
from openbell.supervisor.alerts.store import open_database
from openbell.supervisor.store.connection import is_damage, transaction

FIRST_RETRY = timedelta(seconds=5)  # three times longer each time
LONGEST_RETRY = timedelta(minutes=10)
GIVE_UP = timedelta(days=1)  # for a message whose incident is over
# For a message that is another host's supervisor's to send: if that one is gone, this one owns the alerts within this time.
ELSEWHERE = timedelta(minutes=3)
RECHECK = 2.0  # seconds until it is asked again whose they are
LONGEST_WAIT = 30.0  # seconds between two reads of the outbox
log = structlog.get_logger()


class Outbox:
    """Reads and marks the deliveries of one channel, on a connection of its own."""

    def __init__(self, path: Path, channel: str) -> None:
        self._database = open_database(path)
        self._channel = channel

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def next(self) -> tuple[datetime, Delivery] | None:
        """Return the delivery that is due first, and when; None if nothing waits."""
        row = self._database.execute(
            "SELECT d.next_at, d.id, d.attempts, m.at, m.sort, m.severity, m.title, m.body, m.incident, "
            "EXISTS (SELECT 1 FROM incidents i WHERE i.id = m.incident AND i.closed_at IS NULL) "
            "FROM deliveries d JOIN messages m ON m.id = d.message WHERE d.channel = ? AND d.state = 'waiting' "
            "ORDER BY d.next_at, d.id LIMIT 1",
            (self._channel,),
        ).fetchone()
        if row is None:
            return None
        next_at, number, attempts, stored_at, sort, severity, title, body, incident, is_open = row
        message = Message(sort, severity, title, body, incident)
        return next_at, Delivery(number, message, self._channel, stored_at, attempts, bool(is_open))

    def sent(self, delivery: Delivery, handed_at: datetime, now: datetime) -> None:
        """Mark a delivery as done."""
        with transaction(self._database):
            self._database.execute(
                "UPDATE deliveries SET state = 'sent', attempts = attempts + 1, handed_at = ?, ended_at = ?, error = '' WHERE id = ?",
                (milliseconds(handed_at), milliseconds(now), delivery.id),
            )
            self._database.execute(
                "UPDATE channels SET last_sent_at = ?, failing_since = NULL, failures = 0, error = '', sent = sent + 1 WHERE name = ?",
                (milliseconds(now), self._channel),
            )

    def told_elsewhere(self, delivery: Delivery, now: datetime) -> None:
        """Mark a delivery as one that the supervisor of another host has sent."""
        with transaction(self._database):
            self._database.execute(
                "UPDATE deliveries SET state = 'superseded', ended_at = ? WHERE id = ? AND state = 'waiting'",
                (milliseconds(now), delivery.id),
            )

    def failing(self) -> tuple[int, datetime | None]:
        """Return how often in a row the channel has failed, and since when."""
        row = self._database.execute(
            "SELECT failures, failing_since FROM channels WHERE name = ?", (self._channel,)
        ).fetchone()
        return (0, None) if row is None else row

    def failed(
        self, delivery: Delivery, error: str, now: datetime, next_at: datetime | None, fallbacks: Iterable[str]
    ) -> None:
        """Store a failure: the delivery waits until `next_at`, or is given up; the fallbacks get the message too."""
        with transaction(self._database):
            self._database.execute(
                "UPDATE deliveries SET attempts = attempts + 1, error = ?, next_at = ?, state = iif(state = 'superseded', state, ?), "
                "ended_at = ? WHERE id = ?",
                (
                    error,
                    milliseconds(next_at or now),
                    "waiting" if next_at else "given_up",
                    None if next_at else milliseconds(now),
                    delivery.id,
                ),
            )
            self._database.execute(
                "UPDATE channels SET last_failed_at = ?, failing_since = coalesce(failing_since, ?), error = ?, failures = failures + 1, "
                "failed = failed + 1 WHERE name = ?",
                (milliseconds(now), milliseconds(now), error, self._channel),
            )
            self._database.executemany(
                "INSERT OR IGNORE INTO deliveries (message, channel, state, attempts, next_at) "
                "SELECT message, ?, 'waiting', 0, ? FROM deliveries WHERE id = ?",
                [(fallback, milliseconds(now), delivery.id) for fallback in fallbacks],
            )


class Sender(Protocol):
    """What sends a message to a channel."""

    def send(self, channel: Channel, message: Message) -> SendResult:
        """Send a message and return what became of it."""


@dataclass(frozen=True)
class NextAttempt:
    """What follows a failure: the time of the next attempt (None: given up), and whether the fallback gets the message too."""

    at: datetime | None
    to_fallback: bool


def after_failure(
    delivery: Delivery, failures: int, failing_since: datetime | None, settings: AlertSettings, now: datetime
) -> NextAttempt:
    """Return what follows when a delivery has failed once more; `failures` are the channel's in a row, this one included. Pure."""
    dead = failures >= settings.fallback_failures or (
        failing_since is not None and now - failing_since >= settings.fallback_time
    )
    if not delivery.incident_open and now - delivery.stored_at >= GIVE_UP:
        return NextAttempt(None, to_fallback=False)
    return NextAttempt(now + min(FIRST_RETRY * 3 ** min(delivery.attempts, 10), LONGEST_RETRY), to_fallback=dead)


class Worker:
    """Sends the messages that wait for one channel, one with each `step`."""

    def __init__(
        self,
        channel: Channel,
        settings: AlertSettings,
        path: Path,
        sender: Sender,
        clock: Callable[[], datetime],
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        """may_send: tells whether alerts are this supervisor's to send, where hosts share their strategies."""
        self._may_send = may_send
        self.channel = channel
        self._settings = settings
        self._outbox = Outbox(path, channel.name)
        self._sender = sender
        self._clock = clock
        self._fallbacks = [] if channel.fallback else [one.name for one in settings.channels if one.fallback]

    def close(self) -> None:
        """Close the file."""
        self._outbox.close()

    def step(self) -> float:
        """Send the message that is due first, if it is due; return the seconds until the next step."""
        found = self._outbox.next()
        if found is None:
            return LONGEST_WAIT
        at, delivery = found
        now = self._clock()
        if at > now:
            return min(LONGEST_WAIT, (at - now).total_seconds())
        if not self._may_send():
            if now - delivery.stored_at < ELSEWHERE:
                return RECHECK
            self._outbox.told_elsewhere(delivery, now)
            return 0.0
        self._store_result(delivery, self._sender.send(self.channel, delivery.message))
        return 0.0

    def _store_result(self, delivery: Delivery, sent: SendResult) -> None:
        now = self._clock()
        about = {"channel": self.channel.name, "delivery": delivery.id, "attempt": delivery.attempts + 1}
        if not sent.error:
            self._outbox.sent(delivery, sent.handed_at or now, now)
            seconds = round((now - delivery.stored_at).total_seconds(), 3)
            log.info("delivery.sent", sort=delivery.message.sort, seconds=seconds, **about)
            return
        failures, since = self._outbox.failing()
        following = after_failure(delivery, failures + 1, since, self._settings, now)
        fallbacks = self._fallbacks if following.to_fallback else []
        self._outbox.failed(delivery, sent.error, now, following.at, fallbacks)
        log.warning(
            "delivery.failed" if following.at else "delivery.given_up",
            error=sent.error,
            retry_s=round((following.at - now).total_seconds()) if following.at else None,
            fallback=fallbacks,
            **about,
        )


class Workers:
    """The workers' threads."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._stop = threading.Event()
        self.damage: sqlite3.Error | None = None  # a worker has found that the outbox is damaged
        self._workers = workers
        self._wake_events = [threading.Event() for _ in workers]
        self._threads = [
            # A send has its own time limit, but a stop does not wait for it: what is not marked as sent is sent again.
            threading.Thread(
                target=self._run, args=(worker, wake_event), name=f"channel {worker.channel.name}", daemon=True
            )
            for worker, wake_event in zip(workers, self._wake_events, strict=True)
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Let all workers read their outbox now."""
        for wake_event in self._wake_events:
            wake_event.set()

    def stop(self, seconds: float) -> None:
        """Ask the threads to end, and wait for them, so many seconds in all."""
        self._stop.set()
        self.wake()
        for worker, thread in zip(self._workers, self._threads, strict=True):
            if thread.ident is None:
                worker.close()  # it was never started
            else:
                thread.join(seconds / len(self._threads))

    def _run(self, worker: Worker, wake_event: threading.Event) -> None:
        try:
            while not self._stop.is_set():
                wake_event.clear()
                wait = self._step(worker)
                if wait:
                    wake_event.wait(wait)
                else:
                    self.wake()  # a fallback channel may have got a message
        finally:
            worker.close()

    def _step(self, worker: Worker) -> float:
        try:
            return worker.step()
        except sqlite3.Error as error:
            if is_damage(error):
                self.damage = error
            log.error("outbox.failed", channel=worker.channel.name, error=str(error))  # noqa: TRY400 - the disk, not the code
        except Exception:
            # Whatever fails in one channel is tried again and must not stop the others.
            log.exception("worker.failed", channel=worker.channel.name)
        self._stop.wait(FIRST_RETRY.total_seconds())
        return FIRST_RETRY.total_seconds()
