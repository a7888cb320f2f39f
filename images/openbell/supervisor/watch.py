"""The watch: read the journals, keep the book, judge, publish. `step()` does all that is to be done at one instant."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from openbell import beat as beats
from openbell.manifest import Manifest, ManifestError
from openbell.supervisor.book import Book
from openbell.supervisor.intake import Intake
from openbell.supervisor.outlook import Pauses, StrategyOutlook
from openbell.supervisor.snapshot import Snapshot, StrategyView, headline
from openbell.supervisor.store import KEEP_DAYS, Store

LONGEST_WAIT = 1.0  # seconds; new lines in the journals are seen within it
BATCH = 500  # lines of one journal that are taken in one step
GAP = timedelta(seconds=10)  # a step so long after the last one means that the supervisor itself was away
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class _Desk:
    """What a watch works with; set up anew from the store when that could not be written."""

    intake: Intake
    book: Book
    outlooks: tuple[StrategyOutlook, ...]


class Watch:
    """Watches all strategies. One thread steps; any thread may read `snapshot`."""

    def __init__(
        self, manifests: Iterable[Manifest], errors: Iterable[ManifestError], journal: Path, control: Path, store: Store
    ) -> None:
        self.snapshot: Snapshot | None = None  # None until the journals have been read once
        self.passed_over = 0  # lines of the journals that could not be read or understood
        self._manifests = {manifest.name: manifest for manifest in manifests}
        self._problems = {_strategy_of(error): tuple(str(problem) for problem in error.problems) for error in errors}
        self._journal = journal
        self._control = control
        self._store = store
        self._desk: _Desk | None = None
        self._stepped_at: datetime | None = None
        self._watched_since: datetime | None = None
        self._housekeeping_at: datetime | None = None

    def step(self, now: datetime) -> float:
        """Do what is to be done now; return the seconds until the next thing, at most one.

        Raises sqlite3.Error if the store cannot be read or written; the next step reads again what was not stored.
        """
        was_there = self._stepped_at is not None and timedelta(0) <= now - self._stepped_at < GAP
        # Whoever still reads the journals of the time before does not watch yet.
        if self._watched_since is None or self.snapshot is None or not was_there:
            self._watched_since = now
        self._stepped_at = now
        try:
            desk = self._desk = self._desk or self._sit_down(now)
            with self._store.transaction():
                self._read(desk, now)
                if self.snapshot is None and desk.intake.behind:
                    return 0.0
                self._look(desk, now)
                self._keep_house(desk, now)
            self._judge(desk, now, self._watched_since)
        except sqlite3.Error as error:
            self._desk = None  # what is in memory may be ahead of what is stored
            self._publish(
                now,
                self.snapshot.strategies if self.snapshot else (),
                f"The supervisor cannot keep its records: {error}",
            )
            raise
        return 0.0 if desk.intake.behind else self._wait(desk, now)

    def _sit_down(self, now: datetime) -> _Desk:
        bots = [bot for manifest in self._manifests.values() for bot in manifest.bots]
        with self._store.transaction():
            book = Book(self._store, bots, self._problems, now)
        outlooks = []
        for name in sorted(self._manifests | self._problems):
            manifest = self._manifests.get(name)
            known = manifest.bots if manifest else ()
            expectations = [book.expectations[name, bot.id] for bot in known]
            pauses = Pauses(self._control, name, [bot.id for bot in known])
            outlooks.append(
                StrategyOutlook(name, manifest, self._problems.get(name, ()), expectations, pauses, self._store)
            )
        return _Desk(Intake(self._journal, self._store.positions(), KEEP_DAYS), book, tuple(outlooks))

    def _read(self, desk: _Desk, now: datetime) -> None:
        before, unreadable = dict(desk.intake.positions), desk.intake.unreadable
        for strategy, line in desk.intake.batch([outlook.name for outlook in desk.outlooks], now, BATCH):
            if not desk.book.take(strategy, line):
                self.passed_over += 1
        self.passed_over += desk.intake.unreadable - unreadable
        self._store.keep_positions(desk.intake.positions, before)

    def _look(self, desk: _Desk, now: datetime) -> None:
        """See what the slots demand, wherever the journal is known up to now."""
        for outlook in desk.outlooks:
            outlook.beat = beats.read(self._journal / outlook.name)
            if not desk.intake.is_up_to_date(outlook.name):
                continue
            if outlook.beat is not None:
                desk.book.settle_lost(outlook.name, outlook.beat)
            for bot in outlook.bots:
                deadline = bot.expectation.deadline
                if (
                    bot.view is None
                    or (outlook.name, bot.id) in desk.book.changed
                    or (deadline is not None and now >= deadline)
                ):
                    desk.book.advance(bot.expectation, now)

    def _judge(self, desk: _Desk, now: datetime, watched_since: datetime) -> None:
        for outlook in desk.outlooks:
            news = outlook.name in desk.book.services_changed
            outlook.renew(now, watched_since, desk.intake.trouble_of(outlook.name), desk.book.changed, news=news)
        desk.book.changed.clear()
        desk.book.services_changed.clear()
        self._publish(now, [outlook.view for outlook in desk.outlooks if outlook.view is not None], desk.intake.trouble)

    def _publish(self, now: datetime, strategies: Iterable[StrategyView], trouble: str) -> None:
        before, strategies = self.snapshot, tuple(strategies)
        ok, text = headline(strategies, trouble)
        if before is not None and (before.ok, before.headline) == (ok, text) and _same(before.strategies, strategies):
            self.snapshot = replace(before, judged_at=now)
        else:
            self.snapshot = Snapshot(now, before.version + 1 if before else 1, ok, text, strategies)

    def _keep_house(self, desk: _Desk, now: datetime) -> None:
        if self._housekeeping_at is None or not timedelta(0) <= now - self._housekeeping_at < HOUR:
            self._housekeeping_at = now
            desk.book.keep_progress()
            self._store.prune(now)

    def _wait(self, desk: _Desk, now: datetime) -> float:
        nearest = min((at for outlook in desk.outlooks for at in outlook.ends(now)), default=None)
        return LONGEST_WAIT if nearest is None else min(LONGEST_WAIT, (nearest - now).total_seconds())


def _strategy_of(error: ManifestError) -> str:
    return error.problems[0].file.split("/")[0]


def _same(before: tuple[StrategyView, ...], after: tuple[StrategyView, ...]) -> bool:
    # Views are made anew only when something has changed: identity is enough, and quick.
    return len(before) == len(after) and all(one is other for one, other in zip(before, after, strict=True))
