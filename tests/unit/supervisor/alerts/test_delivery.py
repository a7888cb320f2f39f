"""Deliveries: retries, a fallback, channels that do not delay each other, over a real file and a real web server."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.supervisor.alerts.delivery import NextAttempt, Worker, Workers, after_failure
from openbell.supervisor.alerts.model import Delivery, Incident, Message
from openbell.supervisor.alerts.sender_client import SenderClient, SendResult
from openbell.supervisor.alerts.settings import AlertSettings, Channel
from openbell.supervisor.alerts.store import AlertStore, open_database
from tests.unit.supervisor.alerts.scenes import HOUR, MINUTE, NOW, SECOND
from tests.unit.supervisor.alerts.webhook import Hook, wait_until

FIRST, SECOND_ONE, SPARE = (
    Channel("first", "json://a"),
    Channel("second", "json://b"),
    Channel("spare", "json://c", fallback=True),
)
SETTINGS = AlertSettings(channels=(FIRST, SECOND_ONE, SPARE))


def message(number: int = 1, incident: int | None = None, sort: str = "alert") -> Message:
    """Return a message."""
    return Message(sort, "critical", f"message {number}", "body", incident)


def delivery(attempts: int = 0, *, age: timedelta = timedelta(0), open_: bool = True) -> Delivery:
    """Return a delivery that has been tried so often."""
    return Delivery(1, message(), "first", NOW - age, attempts, open_)


@pytest.mark.parametrize(
    "about,failures,failing_for,expected",
    [
        (delivery(0), 1, None, NextAttempt(NOW + 5 * SECOND, to_fallback=False)),
        (delivery(1), 2, 5 * SECOND, NextAttempt(NOW + 15 * SECOND, to_fallback=False)),
        (delivery(2), 3, 20 * SECOND, NextAttempt(NOW + 45 * SECOND, to_fallback=True)),
        (delivery(0), 1, 2 * MINUTE, NextAttempt(NOW + 5 * SECOND, to_fallback=True)),
        (delivery(5), 6, HOUR, NextAttempt(NOW + 10 * MINUTE, to_fallback=True)),
        (delivery(5000), 5001, HOUR, NextAttempt(NOW + 10 * MINUTE, to_fallback=True)),
        (delivery(200, age=24 * HOUR), 201, HOUR, NextAttempt(NOW + 10 * MINUTE, to_fallback=True)),
        (delivery(200, age=24 * HOUR, open_=False), 201, HOUR, NextAttempt(None, to_fallback=False)),
        (delivery(200, age=23 * HOUR, open_=False), 201, HOUR, NextAttempt(NOW + 10 * MINUTE, to_fallback=True)),
    ],
)
def test_what_follows_a_failure(
    about: Delivery, failures: int, failing_for: timedelta | None, expected: NextAttempt
) -> None:
    """Longer and longer pauses, the fallback after some failures or some time, and no end while the thing is open."""
    since = None if failing_for is None else NOW - failing_for
    assert after_failure(about, failures, since, SETTINGS, NOW) == expected


class Scene:
    """A memory, workers that are stepped by hand, and channels that answer what a test says."""

    def __init__(self, folder: Path, settings: AlertSettings = SETTINGS) -> None:
        self.file = folder / "alerts.sqlite"
        self.now = NOW
        self.errors: dict[str, str] = {}
        self.sent: list[tuple[str, str]] = []
        self.may_send = True
        self.memory = AlertStore(open_database(self.file))
        with self.memory.transaction():
            self.memory.set_channels(settings.channels, NOW)
        self.workers = {
            one.name: Worker(one, settings, self.file, self, lambda: self.now, lambda: self.may_send)
            for one in settings.channels
        }

    def send(self, channel: Channel, message: Message) -> SendResult:
        """Answer what the test says."""
        error = self.errors.get(channel.name, "")
        if not error:
            self.sent.append((channel.name, message.title))
        return SendResult(error, self.now)

    def close(self) -> None:
        """Close everything."""
        self.memory.close()
        for worker in self.workers.values():
            worker.close()

    def store(self, about: Message, *channels: str) -> None:
        """Store a message for these channels."""
        with self.memory.transaction():
            self.memory.add_message(about, self.now, channels)

    def run(self, length: timedelta) -> None:
        """Let all workers do what comes due within a time."""
        end = self.now + length
        while True:
            waits = [worker.step() for worker in self.workers.values()]
            if min(waits):
                if self.now >= end:
                    return
                self.now = min(end, self.now + timedelta(seconds=min(waits)))

    def states(self) -> list[tuple[str, str]]:
        """Return channel and state of all deliveries."""
        return self.memory.database.execute("SELECT channel, state FROM deliveries ORDER BY id").fetchall()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A scene with a channel, another, and a fallback."""
    with closing(Scene(tmp_path)) as opened:
        yield opened


def test_a_message_goes_once_to_each_channel(scene: Scene) -> None:
    """And not to the fallback, which is not needed."""
    scene.store(message(), "first", "second")
    scene.run(HOUR)
    assert sorted(scene.sent) == [("first", "message 1"), ("second", "message 1")]


def test_what_is_another_supervisors_to_send_waits_and_is_dropped(scene: Scene) -> None:
    """If that one is gone within some minutes, the message is sent here; else it was told."""
    scene.may_send = False
    scene.store(message(1), "first")
    scene.run(MINUTE)
    assert scene.sent == []
    scene.may_send = True
    scene.run(MINUTE)
    assert scene.sent == [("first", "message 1")]
    scene.may_send = False
    scene.store(message(2), "first")
    scene.run(4 * MINUTE)
    scene.may_send = True
    scene.run(HOUR)
    assert scene.sent == [("first", "message 1")]
    assert scene.states()[-1] == ("first", "superseded")


def test_a_dead_channel_is_tried_on_and_its_fallback_is_used(scene: Scene) -> None:
    """The fallback gets each message once; the channel gets what is still of use when it is back."""
    scene.errors["first"] = "it is down"
    scene.store(message(1), "first", "second")
    scene.run(MINUTE)
    assert scene.sent == [("second", "message 1"), ("spare", "message 1")]
    scene.run(3 * HOUR)
    assert len(scene.sent) == 2
    scene.errors.clear()
    scene.run(10 * MINUTE)
    assert scene.sent[2:] == [("first", "message 1")]
    assert {state for _, state in scene.states()} == {"sent"}


def test_a_fallback_that_fails_too_is_tried_on(scene: Scene) -> None:
    """Nothing is forgotten when all channels are down."""
    scene.errors = {"first": "down", "second": "down", "spare": "down"}
    scene.store(message(), "first", "second")
    scene.run(HOUR)
    assert scene.sent == []
    scene.errors = {"first": "down", "second": "down"}
    scene.run(10 * MINUTE)
    assert scene.sent == [("spare", "message 1")]


def test_one_bad_message_does_not_hold_up_the_next(scene: Scene) -> None:
    """While one waits for its next attempt, those behind it are sent."""
    scene.errors["first"] = "too long"
    scene.store(message(1), "first")
    scene.run(SECOND)
    scene.errors.clear()
    scene.store(message(2), "first")
    scene.run(SECOND)
    assert scene.sent == [("first", "message 2")]


def test_what_a_newer_message_says_too_is_not_sent_late(scene: Scene) -> None:
    """A channel that was down gets the newest word on an incident, not the whole history."""
    with scene.memory.transaction():
        incident = scene.memory.add_incident(Incident(0, "outage", NOW, NOW))
    scene.errors["first"] = "down"
    scene.store(message(1, incident), "first")
    scene.run(MINUTE)
    scene.store(message(2, incident, "recovery"), "first")
    scene.errors.clear()
    scene.run(HOUR)
    assert [title for name, title in scene.sent if name == "first"] == ["message 2"]
    assert ("first", "superseded") in scene.states()


def test_news_about_nothing_that_is_open_is_given_up_after_a_day(scene: Scene) -> None:
    """Yesterday's digest is given up; what is open never is."""
    with scene.memory.transaction():
        incident = scene.memory.add_incident(Incident(0, "outage", NOW, NOW))
    scene.errors["first"] = "down"
    scene.store(message(1, None, "digest"), "first")
    scene.store(message(2, incident), "first")
    scene.run(50 * HOUR)
    states = dict(scene.memory.database.execute("SELECT message, state FROM deliveries WHERE channel = 'first'"))
    assert states == {1: "given_up", 2: "waiting"}


def test_a_channel_that_is_no_longer_set_is_not_waited_for(scene: Scene) -> None:
    """What waited for it is given up, and the memory knows only the channels that are."""
    scene.store(message(), "first", "second")
    with scene.memory.transaction():
        scene.memory.set_channels((SECOND_ONE,), NOW)
    assert scene.states() == [("first", "given_up"), ("second", "waiting")]


def test_workers_serve_real_channels_side_by_side(webhook: Hook, tmp_path: Path) -> None:
    """One hangs, one fails, one has had enough for a while: the good one gets its messages at once, the fallback gets the others'."""
    channels = (
        Channel("hangs", webhook.url("hang")),
        Channel("fails", webhook.url("fail")),
        Channel("good", webhook.url("ok")),
        Channel("spare", webhook.url("ok/spare"), fallback=True),
    )
    settings = AlertSettings(channels=channels, fallback_failures=1)
    file = tmp_path / "alerts.sqlite"
    with closing(AlertStore(open_database(file))) as memory, closing(SenderClient(now, limit=8.0)) as post:
        with memory.transaction():
            memory.set_channels(channels, now())
        workers = Workers([Worker(channel, settings, file, post, now) for channel in channels])
        workers.start()
        try:
            with memory.transaction():
                memory.add_message(message(), now(), ["hangs", "fails", "good"])
            workers.wake()
            wait_until(lambda: webhook.received["ok"], "the good channel's message", 20)
            assert memory.failing().keys() <= {"fails"}, "the one that hangs was not waited for"
            wait_until(lambda: memory.failing().keys() == {"hangs", "fails"}, "both to have failed", 60)
            wait_until(lambda: webhook.received["ok/spare"], "the fallback's message", 20)
        finally:
            workers.stop(10)
    assert webhook.titles("ok") == webhook.titles("ok/spare") == ["message 1"]


def test_a_channel_with_a_limit_gets_its_message_when_it_takes_it(webhook: Hook, tmp_path: Path) -> None:
    """429 is a failure like another: tried again until the service takes it."""
    channel = Channel("busy", webhook.url("enough"))
    settings = AlertSettings(channels=(channel,))
    clock = [NOW]
    with closing(Scene(tmp_path, settings)) as scene, closing(SenderClient(now, limit=5.0)) as post:
        worker = Worker(channel, settings, scene.file, post, lambda: clock[0])
        with closing(worker):
            scene.store(message(), "busy")
            for _ in range(2):
                worker.step()
                clock[0] += MINUTE
            webhook.answers["enough"] = 200
            worker.step()
            assert [state for _, state in scene.states()] == ["sent"]
    assert len(webhook.received["enough"]) == 3


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
