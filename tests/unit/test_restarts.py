"""When what has ended is started again."""

import pytest

from openbell.restarts import FIRST_PAUSE, LONGEST_PAUSE, Restart

RAN_WELL = 60.0


def test_what_has_not_run_yet_may_start_at_once() -> None:
    """Whatever the clock says."""
    assert Restart().at <= 0.0


def test_what_keeps_ending_waits_longer_each_time() -> None:
    """From a second to a minute, counted from its end."""
    one, now, pauses = Restart(), 0.0, []
    for _ in range(8):
        one = one.started(now).ended(now + 3, RAN_WELL)
        pauses.append(one.at - (now + 3))
        now = one.at
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]


@pytest.mark.parametrize("ran,pause", [(RAN_WELL, FIRST_PAUSE), (RAN_WELL - 0.001, 16)])
def test_what_ran_well_is_started_again_soon(ran: float, pause: float) -> None:
    """Its end has nothing to do with the ones before."""
    one = Restart(at=0.0, pause=8.0).started(0.0)
    assert one.ended(ran, RAN_WELL) == Restart(ran + pause, pause)
