"""What every call to a venue has in common: the shared rate, and what is tried again."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from openbell.manifest import Bot, Manifest, Schedule
from openbell.trading.brokers import OrderRefusedError
from openbell.trading.errors import NotSentError
from openbell.trading.venues import BusyError, RefusedError, UnansweredError, VenueError
from openbell.trading.venues import alpaca as alpaca_venue
from openbell.trading.venues.calls import Calls, TooLongError
from openbell.trading.venues.preload import LibraryMissingError, preload
from openbell.trading.venues.rate_limiter import HOLD_LONGEST, LONGEST_BAN, RateLimiter


@dataclass
class Seconds:
    """A clock that is set by hand."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Return the second."""
        return self.now


@pytest.fixture
def clock() -> Seconds:
    """A clock."""
    return Seconds()


def test_a_burst_goes_through_and_then_a_steady_rate(tmp_path: Path, clock: Seconds) -> None:
    """Sixty a minute, three at once: the fourth waits a second, the fifth two; a pause gives room again."""
    gate = RateLimiter(tmp_path / "rate", 60, 3, clock)
    assert [gate.reserve(10) for _ in range(5)] == [0, 0, 0, 1, 2]
    clock.now += 60
    assert [gate.reserve(10) for _ in range(4)] == [0, 0, 0, 1]


def test_processes_share_the_rate(tmp_path: Path, clock: Seconds) -> None:
    """Another gate on the same file, as another run has it, stands behind the first."""
    assert RateLimiter(tmp_path / "rate", 60, 1, clock).reserve(10) == 0
    assert RateLimiter(tmp_path / "rate", 60, 1, clock).reserve(10) == 1


def test_who_cannot_wait_takes_no_place(tmp_path: Path, clock: Seconds) -> None:
    """A refusal says how long it would take, and the next one does not wait behind it."""
    gate = RateLimiter(tmp_path / "rate", 60, 1, clock)
    gate.reserve(10)
    with pytest.raises(BusyError, match=r"the next request may be sent in 1\.0 s, and the run has 0\.5 s left"):
        gate.reserve(0.5)
    assert gate.reserve(10) == 1


def test_a_hold_is_for_everybody_and_not_for_ever(tmp_path: Path, clock: Seconds) -> None:
    """What the venue has asked for holds; a machine that restarts begins anew."""
    gate = RateLimiter(tmp_path / "rate", 60, 5, clock)
    gate.hold(30)
    assert RateLimiter(tmp_path / "rate", 60, 5, clock).reserve(60) == 30
    gate.hold(HOLD_LONGEST)
    assert gate.reserve(1e6) == pytest.approx(HOLD_LONGEST)
    clock.now = 1.0
    (tmp_path / "rate").write_bytes(b"\xff" * 3)
    assert gate.reserve(0) == 0


@pytest.mark.parametrize("seconds, held", [(259_200, 259_200), (1e9, LONGEST_BAN)])
def test_a_ban_of_days_is_obeyed_to_its_end_and_said(
    tmp_path: Path, clock: Seconds, seconds: float, held: float
) -> None:
    """Three days are three days, also for the next process and after a restart of the machine (T24)."""
    RateLimiter(tmp_path / "rate", 60, 5, clock).hold(seconds)
    clock.now = 5.0
    with pytest.raises(BusyError, match="the venue has banned these requests until 20") as caught:
        RateLimiter(tmp_path / "rate", 60, 5, clock).reserve(60)
    assert caught.value.after == pytest.approx(held, abs=10)


def test_a_ban_of_a_clock_that_was_ahead_is_as_long_from_now_on(tmp_path: Path, clock: Seconds) -> None:
    """It does not last for a year, and each process that asks sees the same end."""
    RateLimiter(tmp_path / "rate", 60, 5, clock).hold(259_200)
    file, year = tmp_path / "rate.ban", timedelta(days=365)
    file.write_text((datetime.fromisoformat(file.read_text()) + year).isoformat())
    ahead = time.time() + year.total_seconds()
    os.utime(file, (ahead, ahead))
    clock.now = 5.0
    for _ in range(2):
        with pytest.raises(BusyError) as caught:
            RateLimiter(tmp_path / "rate", 60, 5, clock).reserve(60)
        assert caught.value.after == pytest.approx(259_200, abs=60)


def test_a_number_of_another_boot_does_not_count(tmp_path: Path, clock: Seconds) -> None:
    """The monotonic clock begins anew with the machine: what lies hours ahead was written before."""
    clock.now = 90_000.0
    RateLimiter(tmp_path / "rate", 60, 1, clock).reserve(0)
    clock.now = 5.0
    assert RateLimiter(tmp_path / "rate", 60, 1, clock).reserve(0) == 0


@dataclass
class Script:
    """Answers in order; an exception is raised."""

    answers: list[object]
    asked: int = 0
    halt: str = ""
    left: float = 60.0

    def __call__(self) -> object:
        """Give the next answer."""
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def calls(self, folder: Path) -> Calls:
        """Return calls that go through a wide gate."""
        gate = RateLimiter(folder / "rate", 1e6, 1000)
        return Calls(
            gate,
            lambda: self.left,
            lambda *, is_exit=False: self.halt,
            lambda error: error if isinstance(error, VenueError) else VenueError(str(error)),
        )


@pytest.mark.parametrize("answers, expected, asked", [
    (["yes"], "yes", 1),
    ([UnansweredError("?"), "yes"], "yes", 2),
    ([UnansweredError("?"), UnansweredError("?"), "yes"], "yes", 3),
    ([UnansweredError("?")] * 3, UnansweredError, 3),
    ([RefusedError("no")], RefusedError, 1),
    ([KeyError("odd")], VenueError, 1),
])  # fmt: skip
def test_a_question(tmp_path: Path, answers: list[object], expected: object, asked: int) -> None:
    """It is asked three times at most, and again only if there was no answer."""
    script = Script(list(answers))
    if isinstance(expected, type):
        with pytest.raises(expected):
            script.calls(tmp_path).ask(script)
    else:
        assert script.calls(tmp_path).ask(script) == expected
    assert script.asked == asked


@pytest.mark.parametrize("error", [UnansweredError("?"), RefusedError("no")])
def test_an_order_without_an_answer_is_not_sent_again(tmp_path: Path, error: VenueError) -> None:
    """Only the one who looks it up may know."""
    script = Script([error, "sent"])
    with pytest.raises(type(error)):
        script.calls(tmp_path).send(script)
    assert script.asked == 1


def test_an_order_is_not_sent_in_a_halt(tmp_path: Path) -> None:
    """The halt is looked at after the wait for the gate; questions go on."""
    script = Script(["answer"], halt="halted: stop")
    with pytest.raises(OrderRefusedError, match="halted: stop"):
        script.calls(tmp_path).send(script)
    assert script.asked == 0
    assert script.calls(tmp_path).ask(script) == "answer"


@pytest.mark.parametrize("way,kind", [("ask", TooLongError), ("send", NotSentError)])
def test_what_would_take_longer_than_the_run_is_an_error_at_once(
    tmp_path: Path, way: str, kind: type[Exception]
) -> None:
    """A venue that is busy for longer than there is time is not waited for, and an order is known not to be sent."""
    script = Script([BusyError("later", 300)], left=5.0)
    call: Callable[[Callable[[], object]], object] = getattr(script.calls(tmp_path), way)
    with pytest.raises(kind, match=r"the run has 3\.0 s left"):
        call(script)


@dataclass
class Loaded:
    """Notes what is loaded."""

    names: list[str] = field(default_factory=list)


def bots(count: int, kind: str = "schedule") -> tuple[Bot, ...]:
    """Return so many bots."""
    return tuple(Bot("demo", f"b{number}", ("AAPL",), Schedule("UTC"), kind=kind) for number in range(count))


@pytest.mark.parametrize("wanted, loaded", [(bots(1), []), (bots(2), ["alpaca"]), (bots(2, "stream"), [])])
def test_the_library_is_loaded_before_the_fork_if_several_bots_share_it(
    wanted: tuple[Bot, ...], loaded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bot's loop stays small between its runs; several bots' loop has it once for all."""
    noted = Loaded()
    monkeypatch.setattr(alpaca_venue, "load", lambda: noted.names.append("alpaca"))
    preload(Manifest("demo", "", "UTC", None, "alpaca", "alpaca", (), "warm", 8, wanted))
    assert noted.names == loaded


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that was built without it says so before any run, and what to do."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(LibraryMissingError, match='"ccxt:kraken" needs ccxt, which is not in this image: lock it into'):
        preload(Manifest("demo", "", "UTC", None, "ccxt:kraken", "paper", (), "warm", 8, bots(1)))
