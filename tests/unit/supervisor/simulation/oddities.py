"""What else goes wrong: data, brokers, clocks, streams, runs where no slot is, and journals that are damaged."""

import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from openbell.journal import stamp
from tests.unit.supervisor.simulation.bots import SimulatedBot
from tests.unit.supervisor.simulation.loops import MS, SECOND, Loop

CLOCK_WINDOW = timedelta(hours=1)
UNEXPECTED_WINDOW = timedelta(hours=24)
STREAM_SILENT_AFTER = timedelta(seconds=10)  # past its timeout
STREAM_GRACE = timedelta(seconds=10)

Oddity = Callable[[Loop, random.Random], None]


def _any_bot(loop: Loop, rng: random.Random) -> SimulatedBot:
    return rng.choice([one for one in loop.bots.values() if not one.bot.is_stream])


# With a trouble, for loops with slots


def ran_on_old_bars(loop: Loop, rng: random.Random) -> None:
    """Succeed on stale data, until a run has fresh ones."""
    one, times = _any_bot(loop, rng), rng.choice((1, 2))

    def fate(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        run = loop.begin(one, slot, at)
        fields = {
            "symbol": "AAPL",
            "newest_bar": stamp(at - timedelta(days=3)),
            "expected": stamp(at),
            "action": "refused",
        }
        loop.write("stale_data", at + 5 * MS, {**loop.fields(one, run), **fields}, "warning")
        loop.truth.begin(at, "stale_data", loop.name, one.bot.id, loop.cause)
        loop.end(one, run, at + 100 * MS, "succeeded", 95.0)

    def fresh(one: SimulatedBot, slot: datetime, at: datetime) -> None:
        loop.run(one, slot, at, lasts=100 * MS)
        loop.truth.end(at, "stale_data", loop.name, one.bot.id)

    one.fates.extend([*[fate] * times, fresh])
    loop.fault = ""


def differed_from_its_broker(loop: Loop, rng: random.Random) -> None:
    """Find another position at the broker than in its ledger, until a person corrects it."""
    at, ends = loop.agenda.now, loop.agenda.now + rng.choice((1800, 40_000)) * SECOND
    difference = {"symbol": "AAPL", "kind": "position", "ours": 10, "theirs": 0}
    loop.write("reconciled", at, {}, "warning", broker="alpaca", differences=[difference])
    loop.truth.begin(at, "broker_differs", loop.name, "", loop.cause)

    def mended(then: datetime) -> None:
        loop.write("reconciled", then, broker="alpaca", differences=[])
        loop.truth.end(then, "broker_differs", loop.name, "")
        loop.fault = ""

    loop.agenda.at(ends, mended)


def had_its_clock_set(loop: Loop, rng: random.Random) -> None:
    """Notice that the machine's clock was set, or write lines of the future."""
    at = loop.agenda.now
    if rng.random() < 0.7:
        loop.write("clock_stepped", at, {}, "warning", by_s=rng.choice((-3.2, 1.8, 400.0, -7000.0)))
    else:
        ahead = at + rng.choice((120, 86_400, 300_000_000)) * SECOND
        loop.write("output", at, {"text": "hello"})
        loop.journal.write("output", at, {"timestamp": stamp(ahead), "text": "hello from the future"})
    loop.truth.begin(at, "clock_wrong", loop.name, "", loop.cause)

    def forgotten(then: datetime) -> None:
        loop.truth.end(then, "clock_wrong", loop.name, "")
        loop.fault = ""

    loop.agenda.at(at + CLOCK_WINDOW, forgotten)


def ran_where_no_slot_was(loop: Loop, rng: random.Random) -> None:
    """Run for an instant that is none of its slots, as a loop with another calendar would on a holiday."""
    one, at = _any_bot(loop, rng), loop.agenda.now
    slot = at.replace(second=at.second // 10 * 10 + 3, microsecond=0) - 10 * SECOND  # no schedule has such seconds
    loop.run_aside(one, slot, at)
    key = "unexpected_run", loop.name, one.bot.id
    loop.truth.begin(at, *key, loop.cause)

    def good(one: SimulatedBot, slot: datetime, then: datetime) -> None:
        loop.run(one, slot, then, lasts=100 * MS)
        loop.truth.end(then, *key)

    one.fates.append(good)
    loop.fault = ""
    loop.agenda.at(at + UNEXPECTED_WINDOW, lambda then: loop.truth.end(then, *key))


# Streams


def stream_fell_silent(loop: Loop, rng: random.Random) -> None:
    """Be connected, and hear nothing; in the end it is killed and started again."""
    one = _stream(loop)
    if one is None:
        return
    at = loop.agenda.now
    one.heard, one.silent = at, True
    loop.beat(at)
    begins = at + one.bot.timeout + STREAM_SILENT_AFTER
    ends = begins + rng.choice((30, 3000)) * SECOND
    loop.agenda.at(begins, lambda then: loop.truth.begin(then, "stream_silent", loop.name, one.bot.id, loop.cause))
    loop.agenda.at(ends, lambda then: _revive(loop, one, then, SECOND, "timed_out"))


def stream_ended(loop: Loop, rng: random.Random) -> None:
    """Break, and not be started again for a while."""
    one = _stream(loop)
    if one is not None:
        at, length = loop.agenda.now, rng.choice((60, 3000)) * SECOND
        key = "stream_ended", loop.name, one.bot.id
        loop.agenda.at(at + STREAM_GRACE, lambda then: loop.truth.begin(then, *key, loop.cause))
        _revive(loop, one, at, length, "failed")


def stream_broke_once(loop: Loop, rng: random.Random) -> None:
    """Break, and be started again at once: no trouble."""
    one = _stream(loop)
    if one is not None:
        _revive(loop, one, loop.agenda.now, rng.randint(1, 5) * SECOND, "failed")


def _stream(loop: Loop) -> SimulatedBot | None:
    """Return a stream that runs, and say that nothing is done if there is none."""
    loop.fault = "stream"
    for one in loop.bots.values():
        if one.bot.is_stream and one.open is not None:
            return one
    loop.fault = ""
    return None


def _revive(loop: Loop, one: SimulatedBot, at: datetime, pause: timedelta, outcome: str) -> None:
    if one.open is not None:
        loop.error(one, at, "ConnectionError: the feed was cut")
        loop.end(one, one.open, at, outcome, 1e6)
        loop.truth.end(at, "stream_silent", loop.name, one.bot.id)

    def again(then: datetime) -> None:
        loop.stream(one, then)
        loop.fault = ""

    loop.agenda.at(at + pause, again)


# Journals that are damaged, without a trouble: what had been read is known, and what is not a line is passed over


def journal_damaged(loop: Loop, rng: random.Random) -> None:
    """Have damaged lines, lines twice, or lines missing in its journal."""
    path = _newest_file(loop)
    if path is not None:
        damage = rng.choice((_tear, _garble, _bloat, _double, _cut, _delete))
        damage(path, rng)
        loop.cause += f" ({damage.__name__.strip('_')})"
    loop.fault = ""


def _newest_file(loop: Loop) -> Path | None:
    # What has been written within the last minute may not have been read.
    if loop.heard > loop.agenda.now - timedelta(minutes=2):
        return None
    return max(loop.folder.glob("*.jsonl"), default=None)


def _tear(path: Path, rng: random.Random) -> None:
    _append(path, b'{"timestamp": "2026-03-01T09:35:00.001Z", "event": "run_sta')


def _garble(path: Path, rng: random.Random) -> None:
    _append(
        path,
        b'\xff\xfe\x00\x80\n[1, 2]\n"x"\n{"event": 7}\n{"event": "run_start"}\n{"event": "run_end", "slot": "0000"}\n\n',
    )


def _bloat(path: Path, rng: random.Random) -> None:
    line = json.dumps({"timestamp": "2026-03-01T09:35:00.001Z", "event": "signal", "values": "x" * 10_000_000})
    _append(path, line.encode() + b"\n")


def _double(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    _append(path, b"".join(lines[-rng.randint(1, 50) :]))


def _cut(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randint(0, len(content))])


def _delete(path: Path, rng: random.Random) -> None:
    path.unlink()


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


TROUBLES: tuple[Oddity, ...] = (*(ran_on_old_bars, differed_from_its_broker, had_its_clock_set, ran_where_no_slot_was),)
OF_STREAMS: tuple[Oddity, ...] = (stream_fell_silent, stream_ended, stream_broke_once)
HARMLESS: tuple[Oddity, ...] = (journal_damaged,)
