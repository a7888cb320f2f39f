"""What a supervisor makes of the hosts that share a database."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.supervisor.health.shared_hosts import Move, SharedHosts

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MOVE = Move("pulse", "a", "b", 18 * SECOND, NOW)


@pytest.mark.parametrize(
    "hosts,sends",
    [
        (SharedHosts("b"), False),
        (SharedHosts("b", sends=True), True),
        (SharedHosts("b", sends=True, lost_since=NOW - SECOND), True),
        (SharedHosts("b", lost_since=NOW - 60 * SECOND), False),
        (SharedHosts("b", lost_since=NOW - 120 * SECOND), True),
    ],
)
def test_one_supervisor_sends(hosts: SharedHosts, sends: bool) -> None:
    """The owner of the alerts, also when it has lost the database; another one when it has lost it for long."""
    assert hosts.may_send(NOW) is sends


def test_a_lost_database_is_one_condition() -> None:
    """After some seconds without an answer; until then, and until the journals have caught up, strategies are not judged."""
    slow = SharedHosts("b", lost_since=NOW - 5 * SECOND, error="no answer")
    assert (slow.conditions(NOW), slow.is_blind(NOW)) == ((), True)
    lost = SharedHosts("b", lost_since=NOW - 10 * SECOND, error="no answer", gone={"a": NOW - 60 * SECOND})
    (condition,) = lost.conditions(NOW)
    assert condition.key == ("database_lost", "", "")
    assert condition.reason == "b has no answer from the database (no answer): it runs nothing"
    back = SharedHosts("b", settles_until=NOW + SECOND)
    assert (back.conditions(NOW), back.is_blind(NOW), back.is_blind(NOW + SECOND)) == ((), True, False)


def test_a_host_that_is_gone_is_told_with_what_it_ran() -> None:
    """Once that runs elsewhere, or does not within half a minute."""
    gone = {"a": NOW - 5 * SECOND}
    (condition,) = SharedHosts("b", gone=gone, moves=(MOVE,)).conditions(NOW)
    assert condition.key == ("host_gone", "", "")
    assert condition.reason == "a gives no sign of life: pulse runs on b after 18 s"
    waiting = SharedHosts("b", gone=gone, homeless=("pulse",))
    assert waiting.conditions(NOW) == ()
    (late,) = waiting.conditions(NOW + 25 * SECOND)
    assert late.reason == "a gives no sign of life: it ran nothing; no host runs pulse"
