"""A fleet for the supervisor to watch: manifests, journals of days that went well, and beats, as strategy loops write them."""

import heapq
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from openbell import heartbeat
from openbell.journal import stamp

BOTS = 1000
STRATEGIES = 25
EVERY = timedelta(minutes=15)
GRACE = timedelta(seconds=20)
STEP = timedelta(seconds=6)  # between the offsets of two groups of bots
GROUPS = EVERY // STEP
BEAT_EVERY = 5.0  # seconds
MS = timedelta(milliseconds=1)
BOOT = "5eed0001"
_DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class WatchedBot:
    """One bot: due every quarter of an hour, some seconds after it."""

    strategy: str
    id: str
    offset: timedelta

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the slots with after < slot <= until."""
        day = datetime(after.year, after.month, after.day, tzinfo=UTC)
        slot = day + self.offset + ((after - day - self.offset) // EVERY + 1) * EVERY
        while slot <= until:
            yield slot
            slot += EVERY


def bots(
    crowd: timedelta | None = None, size: int = 0, count: int = BOTS, strategies: int = STRATEGIES
) -> list[WatchedBot]:
    """Return bots whose slots are spread over the quarter of an hour; the last `size` of them share the offset `crowd`."""
    found = []
    for number in range(count):
        offset = number % GROUPS * STEP
        if crowd is not None and number >= count - size:
            offset = crowd
        found.append(WatchedBot(f"fleet_{number % strategies:02}", f"bot-{number:04}", offset))
    return found


def write_manifests(root: Path, fleet: Iterable[WatchedBot]) -> None:
    """Write the manifests of a fleet."""
    for bot in fleet:
        folder = root / bot.strategy
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "strategy.toml"
        if not path.exists():
            path.write_text('description = "A fleet"\ntimezone = "UTC"\n[defaults]\ngrace = "20s"\ntimeout = "1m"\n')
        with path.open("a") as file:
            offset = f'offset = "{bot.offset // timedelta(seconds=1)}s"\n' if bot.offset else ""
            file.write(f'[[bot]]\nid = "{bot.id}"\nsymbols = ["AAPL"]\nevery = "15m"\n{offset}')


def write_quiet_manifests(root: Path, now: datetime) -> None:
    """Write the manifests of 1,000 bots that are not due for half a day."""
    due = now + timedelta(hours=12)
    for number in range(BOTS):
        folder = root / f"fleet_{number % STRATEGIES:02}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "strategy.toml"
        with path.open("a") as file:
            if file.tell() == 0:
                file.write('description = "A fleet"\ntimezone = "UTC"\n')
            file.write(f'[[bot]]\nid = "bot-{number:04}"\nsymbols = ["AAPL"]\nat = "{due:%H:%M}"\n')


class Journals:
    """Writes what the fleet's loops would write. The lines are those of the real journal, made faster."""

    def __init__(self, root: Path, fleet: Sequence[WatchedBot], heartbeats: Path | None = None) -> None:
        """Keep in `heartbeats`, if given, a file a bot that is touched whenever it has run in time: what a peer looks at."""
        self.root = root
        self.fleet = fleet
        self._heartbeats = heartbeats
        self._runs = 0

    def start(self, at: datetime) -> None:
        """Let all loops start."""
        for strategy, names in self._by_strategy().items():
            line = _line(
                at, "service_start", strategy, {}, release="r1", timezone="UTC", bots=names, previous_stop="clean"
            )
            self._append(strategy, at, line)

    def beat(self, at: datetime) -> None:
        """Let all loops beat."""
        for strategy in self._by_strategy():
            heartbeat.write(self.root / strategy, heartbeat.Heartbeat(at, BOOT, ()))

    def history(self, after: datetime, until: datetime) -> int:
        """Write the runs of all slots with after < slot <= until; return how many bytes that are."""
        written = 0
        for strategy in self._by_strategy():
            due = sorted(
                (slot, bot.id) for bot in self.fleet if bot.strategy == strategy for slot in bot.slots(after, until)
            )
            days: dict[datetime, list[str]] = {}
            for slot, bot in due:
                days.setdefault(slot.replace(hour=0, minute=0, second=0), []).append(
                    self._run(strategy, bot, slot, slot)
                )
            for day, texts in days.items():
                text = "".join(texts)
                written += len(text)
                self._append(strategy, day, text)
        return written

    def run(self, bot: WatchedBot, slot: datetime, at: datetime) -> None:
        """Let one bot run well for a slot, now."""
        self._append(bot.strategy, at, self._run(bot.strategy, bot.id, slot, at))
        if self._heartbeats is not None and at <= slot + GRACE:
            (self._heartbeats / bot.id).touch()

    def touch_all(self) -> None:
        """Let the peer find a heartbeat of each bot that is as old as its newest slot."""
        if self._heartbeats is None:
            return
        now = datetime.now(UTC)
        for bot in self.fleet:
            path = self._heartbeats / bot.id
            path.touch()
            newest = max(bot.slots(now - EVERY, now)).timestamp()
            os.utime(path, (newest, newest))

    def _by_strategy(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for bot in self.fleet:
            found.setdefault(bot.strategy, []).append(bot.id)
        return found

    def _run(self, strategy: str, bot: str, slot: datetime, at: datetime) -> str:
        self._runs += 1
        run_id, due = f"{self._runs:012x}", stamp(slot)
        late = round((at - slot) / MS + 2, 3)
        first, last = stamp(at + 2 * MS), stamp(at + 40 * MS)
        return (
            _RUN.replace("@strategy", strategy)
            .replace("@bot", bot)
            .replace("@slot", due)
            .replace("@run", run_id)
            .replace("@first", first)
            .replace("@last", last)
            .replace("@late", str(late))
        )

    def _append(self, strategy: str, at: datetime, text: str) -> None:
        folder = self.root / strategy
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{at:%Y-%m-%d}.jsonl").open("a") as file:
            file.write(text)


def _line(at: datetime | str, event: str, strategy: str, run: dict[str, object], **fields: object) -> str:
    when = at if isinstance(at, str) else stamp(at)
    head = {"timestamp": when, "event": event, "level": "info", "strategy": strategy, "boot_id": BOOT}
    return json.dumps({**head, **run, **fields}) + "\n"


def _template() -> str:
    run = {"bot": "@bot", "slot": "@slot", "run_id": "@run", "attempt": 1}
    signal = {
        "symbol": "AAPL",
        "signal": 0.0134,
        "source": "sample",
        "historical_day": "2007-03-19",
        "short": 141.48,
        "long": 136.41,
    }
    decision = {"symbol": "AAPL", "action": "hold", "reason": "nothing to do", "signal": 0.0134, "qty": 0.0}
    start = {
        "symbols": ["AAPL"],
        "lateness_ms": "@late",
        "queue_wait_ms": 0.02,
        "trigger": "loop",
        "market": "sample",
        "broker": "paper",
    }
    end = {"outcome": "succeeded", "tick_duration_ms": 36.2, "signal_generated": False, "orders": 0, "trigger": "loop"}
    lines = (
        ("@first", "run_start", start),
        ("@first", "signal", signal),
        ("@last", "decision", decision),
        ("@last", "run_end", end),
    )
    return "".join(_line(at, event, "@strategy", run, **fields) for at, event, fields in lines).replace(
        '"@late"', "@late"
    )


_RUN = _template()


class Live:
    """The fleet's loops from now on, in a thread: all beat, and all run in time, but for those that are told to miss their slots."""

    def __init__(self, journals: Journals, since: datetime, *, runs: bool = True) -> None:
        """Run what is due after `since`; without `runs` nothing ever is."""
        self.journals = journals
        self._due = [(next(bot.slots(since, since + EVERY)), bot) for bot in journals.fleet if runs]
        heapq.heapify(self._due)
        self.missing: set[tuple[str, datetime]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._turn, daemon=True)
        self._late: list[tuple[datetime, WatchedBot, datetime]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def miss(self, bot: WatchedBot, slot: datetime, run_at: datetime | None) -> None:
        """Let a slot to come pass by without a run; at `run_at`, if given, it runs after all."""
        self.missing.add((bot.id, slot))
        if run_at is not None:
            self._late.append((run_at, bot, slot))

    def _turn(self) -> None:
        beaten = 0.0
        while not self._stop.wait(0.05):
            now = datetime.now(UTC)
            while self._due and self._due[0][0] <= now:
                slot, bot = self._due[0]
                heapq.heapreplace(self._due, (slot + EVERY, bot))
                if (bot.id, slot) not in self.missing:
                    self.journals.run(bot, slot, now)
            for entry in [entry for entry in self._late if entry[0] <= now]:
                self._late.remove(entry)
                self.journals.run(entry[1], entry[2], now)
            if time.monotonic() - beaten >= BEAT_EVERY:
                beaten = time.monotonic()
                self.journals.beat(now)
