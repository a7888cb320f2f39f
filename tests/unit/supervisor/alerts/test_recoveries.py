"""When an incident is over: what proves that a bot has recovered, and what does not."""

from dataclasses import replace

import pytest

from openbell.control import Deployment
from tests.unit.supervisor.alerts.scenes import HOUR, MINUTE, NOW, SECOND, Room, bot_view, condition, sorts


def test_a_paused_bot_is_not_said_to_be_mended(here: Room) -> None:
    """A condition that ends because the bot was paused says so, and by whom."""
    here.during(2 * SECOND, condition())
    here.see(after=SECOND, bots=[bot_view(status="paused")])
    _, title, body = here.messages()[-1]
    assert title == "OK: alpha paused"
    assert "alpha: paused: reason" in body


def test_a_deployment_mends_nothing_by_itself(here: Room) -> None:
    """While a strategy is deployed its loop is not judged; what was wrong before is over when it is seen to be."""
    stalled = condition("", "stalled")
    here.during(10 * SECOND, stalled)
    release = Deployment("r2", ("fund",), here.now, here.now + MINUTE, "somebody")
    here.during(10 * SECOND, deployment=release)
    assert sorts(here) == ["alert"]
    here.during(2 * SECOND)
    assert sorts(here) == ["alert", "recovery"]


def test_a_journal_that_is_still_being_read_mends_nothing(here: Room) -> None:
    """After the supervisor's restart nothing is known of the strategy yet: that is no recovery."""
    missed = condition("alpha")
    here.during(10 * SECOND, missed)
    here.during(10 * SECOND, reading=("fund",))
    assert sorts(here) == ["alert"]
    here.during(2 * SECOND, missed)
    assert sorts(here) == ["alert"]
    here.during(2 * SECOND)
    assert sorts(here) == ["alert", "recovery"]


def test_a_bot_that_is_removed_is_no_longer_watched(here: Room) -> None:
    """Its manifest does not name it any more, and it was not seen working."""
    here.during(2 * SECOND, condition())
    here.see(after=SECOND, bots=[bot_view("beta")])
    assert here.said()[1:] == [("recovery", "INFO: alpha no longer watched")]


def test_one_recovers_and_one_is_removed(here: Room) -> None:
    """The last message says of each what became of it."""
    here.during(2 * SECOND, condition("alpha"), condition("beta"))
    works = replace(bot_view("alpha"), last_success=here.now)
    here.see(after=SECOND, bots=[works])
    _, title, _ = here.messages()[-1]
    assert title == "OK: alpha recovered, beta no longer watched"


@pytest.mark.parametrize("kind", ["hung", "stream_silent", "stale_data"])
@pytest.mark.parametrize("status", ["late", "new", "down"])
def test_a_loop_that_is_not_up_proves_no_recovery(here: Room, kind: str, status: str) -> None:
    """A container that is stopped, dies or is made anew takes conditions of its bots with it."""
    here.during(20 * SECOND, condition(kind=kind))
    here.during(MINUTE, bots=[bot_view(status="down")], status=status)
    assert sorts(here) == ["alert"]
    here.see(after=SECOND, bots=[bot_view()])
    assert sorts(here) == ["alert", "recovery"]


def test_a_stream_has_recovered_when_it_runs(here: Room) -> None:
    """Its loop is up at once after a start; the stream itself follows."""
    here.during(20 * SECOND, condition(kind="stream_ended"))
    here.during(5 * SECOND, bots=[bot_view(status="late")])
    assert sorts(here) == ["alert"]
    here.see(after=SECOND, bots=[bot_view(status="up")])
    assert sorts(here) == ["alert", "recovery"]


def test_a_broken_stream_does_not_hold_back_the_recovery_of_others(here: Room) -> None:
    """Ten strategies and a stream go down within a second: the strategies' recovery is told while the stream is still broken."""
    dead = [condition("", "stalled", f"s{number}") for number in range(10)]
    stream = condition("feed", "stream_ended", "streams")
    here.during(MINUTE, *dead, stream, step=SECOND)
    here.during(MINUTE, stream, step=SECOND)
    assert ("recovery", "OK: 10 strategies recovered") in here.said()
    assert [sort for sort, _ in here.said()].count("alert") == 2


def test_a_missed_slot_is_mended_by_a_success_and_by_nothing_else(here: Room) -> None:
    """A store that was rebuilt does not know of the missed slot: that is no recovery."""
    here.during(2 * SECOND, condition())
    here.during(MINUTE, bots=[replace(bot_view(), last_success=NOW - HOUR)])
    assert sorts(here) == ["alert"]


def test_two_conditions_of_one_loop_follow_each_other(here: Room) -> None:
    """First it shows no sign of life, then it is said to be stopped: nothing is over, and nothing is told as over."""
    here.during(20 * SECOND, condition("", "stalled"))
    here.during(2 * MINUTE, condition("", "stopped"))
    assert not [body for _, _, body in here.messages() if "Recovered" in body or "Over" in body]
    here.during(2 * SECOND)
    assert here.said()[-1] == ("recovery", "OK: fund recovered")


def test_what_is_wrong_with_a_bot_is_not_over_for_it(here: Room) -> None:
    """Of two conditions one is over: the bot stands under what is wrong only."""
    here.during(2 * SECOND, condition("alpha"), condition("beta"))
    both = [condition("alpha", "interrupted"), condition("beta")]
    here.during(20 * SECOND, *both, condition("alpha"))
    works = replace(bot_view("alpha"), last_success=here.now)
    here.during(MINUTE, *both, condition("gamma"), bots=[works, bot_view("beta", "down", ("missed",))])
    sort, _, body = here.messages()[-1]
    assert sort == "update"
    assert "Recovered" not in body


def test_an_error_of_the_store_mends_nothing(here: Room) -> None:
    """Nothing was judged, not even after a restart: what is open stays open."""
    here.during(5 * SECOND, condition(), condition("", "clock_wrong", ""))
    here.restart(after=5 * SECOND)
    here.during(20 * SECOND, is_blind=True)
    assert here.rows("SELECT count(*) FROM members WHERE closed_at IS NULL") == [(2,)]
    assert "recovery" not in sorts(here)
