"""What goes wrong with whole loops: crashes, stalls, starts that fail, deployments. The truth is told what had to be seen."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from openbell.control import Deployment, announce, deployment
from tests.unit.supervisor.simulation.bots import SimulatedBot
from tests.unit.supervisor.simulation.loops import MS, SECOND, Loop

SILENT = timedelta(seconds=30)
CRASH_WINDOW = timedelta(minutes=5)
CRASHES = 3
FIRST_START = timedelta(seconds=60)

Trouble = Callable[[Loop, random.Random], None]


def _over(loop: Loop, _: datetime) -> None:
    loop.fault = ""


def _length(rng: random.Random) -> timedelta:
    """Return how long something lasts that is noticed: minutes, hours or days."""
    return rng.choice((120, 120, 3600, 20_000, 200_000)) * rng.uniform(0.5, 1) * SECOND


def _fall_silent(loop: Loop, length: timedelta) -> None:
    """Say that the loop was last heard of now, and comes back after `length`."""
    at = loop.agenda.now

    def begin(then: datetime) -> None:
        loop.truth.begin(then, "stalled", loop.name, "", loop.cause)

    if length > SILENT:
        loop.agenda.at(at + SILENT, begin)


# With a trouble


def crashed(loop: Loop, rng: random.Random) -> None:
    """Die, and be started again much later; runs in progress are interrupted."""
    length = _length(rng)
    loop.crash(loop.agenda.now)
    _fall_silent(loop, length)
    loop.agenda.at(loop.agenda.now + length, partial(_back, loop, clean=False))


def stalled(loop: Loop, rng: random.Random) -> None:
    """Hang, and turn again much later as if nothing had been."""
    length = _length(rng)
    loop.beat(loop.agenda.now)
    loop.beating = False
    _fall_silent(loop, length)

    def again(then: datetime) -> None:
        loop.thaw(then)
        _over(loop, then)

    loop.agenda.at(loop.agenda.now + length, again)


def crash_loop(loop: Loop, rng: random.Random) -> None:
    """Die again and again soon after each start."""
    at, starts = loop.agenda.now, []
    loop.crash(at)
    at += rng.uniform(1, 10) * SECOND
    for _ in range(rng.randint(CRASHES + 1, 12)):
        starts.append(at)
        loop.agenda.at(at, lambda then: loop.start(then, clean=False))
        at += rng.uniform(3, 20) * SECOND
        loop.agenda.at(at, loop.crash)
        at += rng.uniform(1, 20) * SECOND
    starts.append(at)
    loop.agenda.at(at, partial(_back, loop, clean=False))
    key = ("crash_loop", loop.name, "")
    loop.agenda.at(starts[CRASHES - 1] + MS, lambda then: loop.truth.begin(then, *key, loop.cause))
    loop.agenda.at(starts[-CRASHES] + CRASH_WINDOW, lambda then: loop.truth.end(then, *key))


def cannot_start(loop: Loop, rng: random.Random) -> None:
    """Be stopped for a deployment, and find no way to start for a while."""
    at = loop.agenda.now
    loop.stop(at)
    at += 3 * SECOND
    ends = at + _length(rng)
    pause = 1.0
    loop.agenda.at(at, lambda then: loop.truth.begin(then, "cannot_start", loop.name, "", loop.cause))
    while at < ends:
        loop.agenda.at(at, loop.fail_to_start)
        pause = min(60.0 if ends - at < timedelta(hours=2) else 3600.0, pause * 2)
        at += pause * SECOND
    loop.agenda.at(at, partial(_back, loop))


def never_started(loop: Loop, rng: random.Random) -> None:
    """Be deployed, and not be started for a while."""
    at = loop.agenda.now
    length = max(_length(rng), timedelta(minutes=2))
    loop.fault = "never_started"
    loop.agenda.at(at + FIRST_START, lambda then: loop.truth.begin(then, "never_started", loop.name, "", loop.cause))

    def start(then: datetime) -> None:
        # Slots that the first start finds within their grace count neither for the loop nor for the supervisor.
        if any(then <= one.bot.start_by(slot) + SECOND for one in loop.bots.values() for slot in one.pending):
            loop.agenda.at(then + timedelta(minutes=1), start)
        else:
            for one in loop.bots.values():
                one.pending.clear()
            _back(loop, then)

    loop.agenda.at(at + length, start)


def stopped(loop: Loop, rng: random.Random) -> None:
    """Be stopped by a person, and started again much later."""
    at, length = loop.agenda.now, _length(rng)
    loop.stop(at)
    loop.agenda.at(at + SILENT, lambda then: loop.truth.begin(then, "stopped", loop.name, "", loop.cause))
    loop.agenda.at(at + length, partial(_back, loop))


def interrupted(loop: Loop, rng: random.Random) -> None:
    """Die in the middle of a run, and be back soon."""
    one = rng.choice([one for one in loop.bots.values() if not one.bot.is_stream] or list(loop.bots.values()))
    if one.bot.is_stream:
        crashed(loop, rng)
        return

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        loop.begin(one, slot, at + 2 * MS)
        loop.agenda.at(at + 2 * SECOND, loop.crash)
        loop.agenda.at(at + rng.uniform(4, 25) * SECOND, partial(_back, loop, clean=False))

    one.fates.append(fate)


def _back(loop: Loop, at: datetime, *, clean: bool = True) -> None:
    loop.start(at, clean=clean)
    _over(loop, at)


# Without a trouble


def restarted(loop: Loop, rng: random.Random) -> None:
    """Be stopped and started again at once."""
    loop.stop(loop.agenda.now)
    loop.agenda.at(loop.agenda.now + rng.uniform(1, 25) * SECOND, partial(_back, loop))


def died_once(loop: Loop, rng: random.Random) -> None:
    """Die, and be revived within seconds."""
    if any(one.open for one in loop.bots.values()):
        restarted(loop, rng)
        return
    loop.crash(loop.agenda.now)
    loop.agenda.at(loop.agenda.now + rng.uniform(1, 20) * SECOND, partial(_back, loop, clean=False))


def deployed(loop: Loop, rng: random.Random) -> None:
    """Be stopped and started by a deployment that takes longer than a loop may be silent."""
    at, root = loop.agenda.now, loop.control_root
    other = deployment(root)
    if other is not None and at < other.until:
        restarted(loop, rng)
        return
    until = at + timedelta(minutes=5)
    announce(root, Deployment("r2", (loop.name,), at, until, "ann"))
    loop.agenda.at(at + SECOND, loop.stop)
    loop.agenda.at(at + rng.uniform(35, 50) * SECOND, partial(_back, loop))


TROUBLES: tuple[Trouble, ...] = (crashed, stalled, crash_loop, cannot_start, stopped, interrupted)
HARMLESS: tuple[Trouble, ...] = (restarted, died_once, deployed)
