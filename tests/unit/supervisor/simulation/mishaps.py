"""What goes wrong with single runs: fates for a bot's next slots. Those with a trouble say so in the truth."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.unit.supervisor.simulation.bots import SimulatedBot
from tests.unit.supervisor.simulation.loops import MS, SECOND, WRITE_MARGIN, Loop

HUNG_AFTER = timedelta(seconds=10)  # past its timeout
LOST_AFTER = timedelta(seconds=60)  # a run that its loop no longer has, has lost its end

Mishap = Callable[[Loop, SimulatedBot, random.Random], None]


def _times(rng: random.Random) -> int:
    return rng.choice((1, 1, 2, 3))


# With a trouble


def failed(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Fail, at once or after a while."""

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        run = loop.begin(one, slot, at + 3 * MS)
        loop.error(one, at + 4 * MS, "ValueError: no bars")
        lasts = rng.choice((400 * MS, rng.uniform(0.1, 0.7) * one.bot.timeout))
        loop.agenda.at(at + lasts, lambda then: loop.end(one, run, then, "failed", lasts / MS))

    one.fates.extend([fate] * _times(rng))


def timed_out(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Run until the timeout, and be killed then."""

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        lasts = one.bot.timeout + rng.uniform(0.1, 5) * SECOND
        loop.run(one, slot, at, "timed_out", lasts)

    one.fates.extend([fate] * _times(rng))


def hung(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Run far beyond the timeout, which the loop does not enforce; the slots meanwhile are skipped."""

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        longer = rng.choice((30, 600, 7200, 90_000)) * rng.uniform(0.5, 1) * SECOND
        _hang(loop, one, slot, at, longer)

    one.fates.append(fate)


def hung_behind_good_runs(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Hang, while the slots after it run well in another process: the hung run is not forgotten."""

    def good(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        loop.run_aside(one, slot, at)

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        one.fates.extend([good] * 3)
        _hang(loop, one, slot, at, timedelta(days=rng.choice((1, 3))))

    one.fates.append(fate)


def _hang(loop: Loop, one: SimulatedBot, slot: datetime, at: datetime, longer: timedelta) -> None:
    run = loop.begin(one, slot, at + 3 * MS)
    limit = at + one.bot.timeout + HUNG_AFTER

    def begin(then: datetime) -> None:
        if one.open is run:
            run.hung = True
            loop.truth.begin(then, "hung", loop.name, one.bot.id, loop.cause)

    def end(then: datetime) -> None:
        one.fates.clear()
        loop.end(one, run, then, "timed_out", (then - at) / MS)

    loop.agenda.at(limit, begin)
    loop.agenda.at(limit + longer, end)


def lost_end(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """End without a line about it."""

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        loop.begin(one, slot, at)
        one.open = None

        def known(then: datetime) -> None:
            loop.truth.outcome(then, loop.name, one.bot.id, slot, "interrupted", loop.cause)

        loop.agenda.at(at + LOST_AFTER + 6 * SECOND, known)

    one.fates.append(fate)


def missed_in_silence(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Be forgotten by the loop: nothing in the journal."""

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        loop.watch_deadline(one, slot)

    one.fates.extend([fate] * _times(rng))


def missed_late(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Be too late, which the loop notices itself."""

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        def late(then: datetime) -> None:
            loop.skip(one, [slot], then, "missed", "late")

        loop.agenda.at(one.bot.start_by(slot) + 2 * MS, late)

    one.fates.append(fate)


def started_after_its_grace(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Be missed, and run after all (catch_up)."""

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        loop.watch_deadline(one, slot)
        begins = one.bot.start_by(slot) + WRITE_MARGIN + rng.uniform(5, 500) * SECOND
        loop.agenda.at(begins, lambda then: loop.run(one, slot, then, lasts=300 * MS))

    one.fates.append(fate)


# Without a trouble


def late_but_in_time(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Start at the end of the grace."""

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        begins = one.bot.start_by(slot) - rng.uniform(0.1, 10) * SECOND
        loop.agenda.at(begins, lambda then: loop.run(one, slot, then, lasts=300 * MS))

    one.fates.extend([fate] * _times(rng))


def slow_but_in_time(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Take nearly the whole timeout."""

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        loop.run(one, slot, at, lasts=0.95 * one.bot.timeout)

    one.fates.append(fate)


def retried(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Fail at first, and succeed at the second attempt."""

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        run = loop.begin(one, slot, at + 3 * MS)
        loop.error(one, at + 50 * MS, "ConnectionError: reset by peer", will_retry=True)

        def again(then: datetime) -> None:
            run.attempt = 2
            loop.write_start(one, run, then)
            loop.end(one, run, then + 200 * MS, "succeeded", 200.0)

        loop.agenda.at(at + SECOND, again)

    one.fates.append(fate)


def skipped(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Be passed over for a reason."""
    reason = rng.choice(("coalesced", "closed", "overlap", "draining"))
    fate = lambda one, slot, at: loop.skip(one, [slot], at, "skipped", reason)  # noqa: E731 - as the others
    one.fates.extend([fate] * _times(rng))


def paused(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Be paused by a person for a while."""
    loop.pause(one, loop.agenda.now, timedelta(hours=rng.choice((1, 10, 100))))


def run_by_hand(loop: Loop, one: SimulatedBot, rng: random.Random) -> None:
    """Be run by a person, beside its slots."""
    at = loop.agenda.now
    loop.run(one, at, at, lasts=300 * MS, trigger="manual")


TROUBLES: tuple[Mishap, ...] = (
    *(failed, timed_out, hung, hung_behind_good_runs, lost_end, missed_in_silence, missed_late),
    started_after_its_grace,
)
HARMLESS: tuple[Mishap, ...] = (late_but_in_time, slow_but_in_time, retried, skipped, paused, run_by_hand)
