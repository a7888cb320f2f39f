"""What the routes need to answer."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from starlette.exceptions import HTTPException

from openbell.manifest import Bot, Manifest
from openbell.supervisor.alerts.links import IncidentLinks
from openbell.supervisor.health.snapshot import WELL, BotView, Snapshot, StrategyView
from openbell.supervisor.store.store import Store
from openbell.supervisor.web.read_access import Readers

READING = "Reading the journals"
ALIVE = 10.0  # seconds since the watch's last progress after which it counts as stalled


@dataclass(frozen=True)
class Dependencies:
    """The snapshot, the files and the settings.

    snapshot: the newest, None before the first judgement. idle: seconds since the watch's last progress.
    store, alerts: the files to read histories from. hosts: names beside this machine's own under which the page answers.
    token: what a change must carry; without one nothing can be changed. readers: who may read; links: in messages, each of which opens an incident without a token. bot_key: of the Telegram bot. passed_over: unreadable lines of the journals.
    has_channel: whether alerts have anywhere to go. manifests: of the strategies that are watched.
    """

    snapshot: Callable[[], Snapshot | None]
    idle: Callable[[], float]
    now: Callable[[], datetime]
    store: Path
    journal: Path
    control: Path
    alerts: Path
    hosts: Collection[str] = ()
    token: str = ""
    readers: Readers = field(default_factory=Readers)
    bot_key: str = ""
    links: IncidentLinks = field(default_factory=lambda: IncidentLinks(Path()))
    passed_over: Callable[[], int] = lambda: 0
    has_channel: bool = True
    manifests: Sequence[Manifest] = ()

    @cached_property
    def bots(self) -> dict[str, Bot]:
        """The bots of the manifests by their ids."""
        return {bot.id: bot for manifest in self.manifests for bot in manifest.bots}

    def ready(self) -> Snapshot:
        """Return the snapshot; 503 before there is one."""
        snapshot = self.snapshot()
        if snapshot is None:
            raise HTTPException(503, READING)
        return snapshot

    def headline(self, snapshot: Snapshot) -> str:
        """Return the headline: all is not well where no one would learn that it is not."""
        if self.has_channel or not snapshot.ok:
            return snapshot.headline
        no_channel = "no channel is set for alerts"
        if snapshot.headline.startswith(WELL):
            return snapshot.headline.replace(WELL, f"No bot is down, but {no_channel}", 1)
        return f"{snapshot.headline}; {no_channel}"

    @property
    def alive(self) -> bool:
        """Whether the watch makes progress."""
        return self.idle() < ALIVE

    @contextmanager
    def records(self) -> Iterator[Store]:
        """Open the store for one request."""
        store = Store(self.store, read_only=True)
        try:
            yield store
        finally:
            store.close()


def find_bot(snapshot: Snapshot, bot_id: str) -> tuple[StrategyView, BotView]:
    """Return a bot and its strategy; 404 if there is none of that id."""
    for strategy in snapshot.strategies:
        for bot in strategy.bots:
            if bot.id == bot_id:
                return strategy, bot
    raise HTTPException(404, f"there is no bot {bot_id[:100]}")
