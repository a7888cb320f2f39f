"""What is shown of the alerts: open incidents, channels with their queues, the newest messages."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from openbell.supervisor.alerts import view
from openbell.supervisor.alerts.delivery import Outbox
from openbell.supervisor.alerts.grouping import CANARY_STRATEGY
from openbell.supervisor.alerts.settings import AlertSettings, Channel
from tests.unit.supervisor.alerts.scenes import HOOK, SECOND, condition, room

SETTINGS = AlertSettings(channels=(HOOK, Channel("spare", "ntfy://topic", fallback=True)))


def test_before_the_first_start_there_is_nothing(tmp_path: Path) -> None:
    """A page that asks before the supervisor has written gets no error."""
    assert view.read(tmp_path / "alerts.sqlite") is None


def test_one_glance(tmp_path: Path) -> None:
    """What is wrong, and since when; what waits for which channel, and what it did last; no canary among the incidents."""
    with room(tmp_path, SETTINGS) as here:
        here.see()
        here.during(2 * SECOND, condition(), condition("canary", strategy=CANARY_STRATEGY))
        shown = view.read(here.file)
        assert shown is not None
        (incident,) = shown.incidents
        assert (incident.title, incident.critical, incident.reminders) == ("alpha missed a slot", True, 0)
        assert incident.told_at is not None
        assert [(member.kind, member.bot, member.count) for member in incident.members] == [("missed", "alpha", 1)]
        assert [(one.name, one.scheme, one.fallback, one.waiting) for one in shown.channels] == [
            ("hook", "json", False, 2),
            ("spare", "ntfy", True, 0),
        ]
        assert {message.sort for message in shown.recent} == {"alert", "canary"}
        assert {message.deliveries for message in shown.recent} == {(("hook", "waiting", 0, ""),)}
        assert shown.deadman is None


def test_a_failure_and_a_success_are_counted(tmp_path: Path) -> None:
    """Why a channel failed last stands there until it works again."""
    with room(tmp_path, SETTINGS) as here, closing(Outbox(here.file, "hook")) as outbox:
        here.see()
        here.during(2 * SECOND, condition())
        found = outbox.next()
        assert found is not None
        outbox.failed(found[1], "error=500", here.now, here.now, ["spare"])
        shown = view.read(here.file)
        assert shown is not None
        hook, spare = shown.channels
        assert (hook.error, hook.failures, hook.failed, hook.last_failed_at) == ("error=500", 1, 1, here.now)
        assert spare.waiting == 1
        outbox.sent(found[1], here.now, here.now)
        shown = view.read(here.file)
        assert shown is not None
        assert shown.channels[0] == replace(
            hook, error="", failures=0, sent=1, waiting=0, last_sent_at=here.now, last_failed_at=here.now
        )
