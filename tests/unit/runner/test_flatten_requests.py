"""A person asks a loop to close what its strategy holds."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from openbell.control import Request
from openbell.runner.flattening import LONGEST, Flattening
from openbell.runner.processes import RunProcess
from openbell.runner.request_refusals import FRESH
from tests.unit.runner.fakes import NewRig

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)


class Process:
    """A process that goes on until a test ends it."""

    def __init__(self) -> None:
        self.ended: int | None = None

    def poll(self) -> int | None:
        """Return how it ended."""
        return self.ended

    def kill(self) -> None:
        """End it."""
        self.ended = -9


class Closing:
    """What asks, and the processes that were started for it."""

    def __init__(self) -> None:
        self.started: list[Process] = []
        self.flattening = Flattening(self._start)

    def _start(self) -> RunProcess:
        self.started.append(Process())
        return cast("RunProcess", self.started[-1])

    def ask(self, after: timedelta = timedelta(0), age: timedelta = timedelta(0)) -> str:
        """Return why a request is refused that is so old, so long after NOW."""
        now = NOW + after
        return self.flattening.begin(Request("r", "", "page", now - age, flatten=True), now)


def test_it_is_one_process_at_a_time() -> None:
    """A second request is refused until the first has ended, which the loop's next step notices."""
    closing = Closing()
    assert closing.ask() == ""
    assert closing.ask(timedelta(seconds=10)) == "positions are being closed already"
    closing.started[0].ended = 0
    closing.flattening.tend(20)
    assert not closing.flattening.is_busy
    assert closing.ask(timedelta(seconds=20)) == ""
    assert [one.ended for one in closing.started] == [0, None]


def test_a_process_that_its_broker_holds_up_is_ended() -> None:
    """It has minutes, counted from the loop's next step."""
    closing = Closing()
    closing.ask()
    busy = []
    for steady in (10, 9.5 + LONGEST, 10 + LONGEST):
        closing.flattening.tend(steady)
        busy.append(closing.flattening.is_busy)
    assert busy == [True, True, False]
    assert [one.ended for one in closing.started] == [-9]


def test_a_loop_that_stops_waits_for_it(rig: NewRig) -> None:
    """What closes positions is no more cut short by a stop than a run is."""
    closing = Closing()
    one = rig()
    one.close()
    one.flattening = closing.flattening
    one.boot()
    one.run_until("09:02")
    one.control.request_flatten("page", one.clock.now())
    one.run_for(11)
    one.loop.draining = True
    one.run_for(1)
    before = one.loop.is_drained
    closing.started[0].ended = 0
    one.loop.step()
    assert [before, one.loop.is_drained] == [False, True]


@pytest.mark.parametrize("age, said", [(2 * FRESH, "older than a minute"), (-2 * FRESH, "clock was ahead")])
def test_an_old_request_closes_nothing(age: timedelta, said: str) -> None:
    """Who has asked hours ago, before a loop was started again, no longer waits for it."""
    closing = Closing()
    assert said in closing.ask(age=age)
    assert not closing.started


def test_a_loop_takes_it_once_and_answers(rig: NewRig) -> None:
    """It is no request for a run; a loop that cannot do it says so in the journal."""
    one = rig()
    one.run_until("09:02")
    request = one.control.request_flatten("page", one.clock.now())
    assert [(found.flatten, found.bot) for found in one.control.requests()] == [(True, "")]
    one.run_for(6)
    (line,) = one.events("request_refused")
    assert (line["request"], line["reason"]) == (request.id, "this loop closes no positions")
    assert one.loop_control.requests() == []
    assert one.events("run_start") == []
