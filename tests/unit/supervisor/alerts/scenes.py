"""Values that the tests of the alerts are made of."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell.control import Deployment
from openbell.supervisor.alerts.incidents import Incidents
from openbell.supervisor.alerts.model import Incident, Member
from openbell.supervisor.alerts.settings import AlertSettings, Channel
from openbell.supervisor.alerts.store import AlertStore, open_database
from openbell.supervisor.health.snapshot import BotView, Snapshot, StrategyView
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import Fault, SlotRecord

NOW = datetime(2026, 11, 23, 14, 36, 1, tzinfo=UTC)  # a Monday, 09:36:01 in New York
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
HOOK = Channel("hook", "json://127.0.0.1:9/token-a1b2c3")


def condition(bot: str = "alpha", kind: str = "missed", strategy: str = "fund", **more: object) -> Condition:
    """Return a condition that began a minute ago."""
    about = Condition(kind, strategy, bot, NOW - MINUTE, "not started within its grace", "a run at 09:35:00 EST")
    return replace(about, **more)  # type: ignore[arg-type]


def member(bot: str = "alpha", kind: str = "missed", *, closed: timedelta | None = None, **more: object) -> Member:
    """Return a member of an incident that came at NOW; `closed` so long after it."""
    gone = {} if closed is None else {"closed_at": NOW + closed, "ended": "mended"}
    return replace(Member(1, 1, condition(bot, kind), "America/New_York", NOW), **(gone | more))  # type: ignore[arg-type]


def incident(*members: Member, **more: object) -> Incident:
    """Return an incident that was opened at NOW."""
    return replace(Incident(1, "outage", NOW, NOW, members=members), **more)  # type: ignore[arg-type]


def bot_view(bot: str = "alpha", status: str = "up", outcomes: Sequence[str] = ("succeeded",)) -> BotView:
    """Return a bot with these outcomes of its newest slots, the newest first."""
    slots = tuple(SlotRecord(NOW - n * MINUTE, NOW - n * MINUTE, 1, outcome) for n, outcome in enumerate(outcomes))
    success = next((slot.last for slot in slots if slot.outcome == "succeeded"), None)
    view = BotView(bot, ("AAPL",), "America/New_York", status, f"{status}: reason", "", slots, None, None, 0)
    return replace(view, last_success=success)


def snapshot(
    *conditions: Condition,
    bots: Sequence[BotView] = (),
    status: str = "up",
    last_fault: int = 0,
    ok: bool = True,
    deployment: Deployment | None = None,
    reading: tuple[str, ...] = (),
    is_blind: bool = False,
) -> Snapshot:
    """Return a snapshot of one strategy with these conditions."""
    strategy = StrategyView("fund", "", "America/New_York", status, "", "", "abc", (), tuple(bots))
    return Snapshot(
        NOW,
        1,
        ok,
        "All is well" if ok else "1 bot down: alpha",
        (strategy,),
        conditions,
        last_fault,
        deployment,
        reading,
        is_blind,
    )


class Room:
    """A desk over a real file, with a clock that only tests move, and a log of faults that they write."""

    def __init__(self, folder: Path, settings: AlertSettings | None = None) -> None:
        self.file = folder / "alerts.sqlite"
        self.settings = settings or AlertSettings(channels=(HOOK,))
        self.now = NOW
        self.faults: list[Fault] = []
        self._known: set[tuple[str, str]] = set()  # strategies and bots of which there ever was a condition
        self.open()

    def open(self) -> None:
        """Begin with what is stored."""
        self.memory = AlertStore(open_database(self.file))
        with self.memory.transaction():
            self.memory.set_channels(self.settings.channels, self.now)
        self.desk = Incidents(self.memory, self.settings, lambda after: [one for one in self.faults if one.id > after])

    def restart(self, after: timedelta) -> None:
        """End as kill -9 would, and begin again some time later."""
        self.memory.close()
        self.now += after
        self.open()

    def fault(self, about: Condition) -> None:
        """Log something that went wrong."""
        self.faults.append(Fault(len(self.faults) + 1, about, about.since))

    def see(self, *conditions: Condition, after: timedelta = timedelta(0), **more: object) -> float | None:
        """Look at a snapshot some time later, and again until there is nothing more to say at that instant."""
        self.now += after
        for _ in range(20):
            shown = snapshot(*conditions, last_fault=len(self.faults), **more)  # type: ignore[arg-type]
            if "bots" not in more:
                shown = replace(shown, strategies=self._strategies(shown))
            wait = self.desk.process(shown, self.now)
            if wait != 0.0:
                return wait
        msg = "it never stops saying things at one instant"
        raise AssertionError(msg)

    def _strategies(self, shown: Snapshot) -> tuple[StrategyView, ...]:
        """Return all that is known: what has no condition works."""
        wrong = {one.key[1:]: one for one in shown.conditions}
        self._known |= {("fund", ""), *((one.strategy, one.bot) for one in shown.conditions if one.strategy)}
        views = []
        for name in sorted({strategy for strategy, _ in self._known}):
            loop = wrong.get((name, ""))
            deployed = shown.deployment is not None and name in shown.deployment.strategies
            status = "down" if loop else "new" if deployed else shown.strategies[0].status
            bots = [bot for strategy, bot in sorted(self._known) if strategy == name and bot]
            seen = [
                bot_view(bot, "down", ("missed",))
                if (name, bot) in wrong
                else replace(bot_view(bot), last_success=self.now)
                for bot in bots
            ]
            kind = loop.kind if loop else ""
            views.append(StrategyView(name, "", "America/New_York", status, "", kind, "abc", (), tuple(seen)))
        return tuple(views)

    def during(self, length: timedelta, *conditions: Condition, step: timedelta = SECOND, **more: object) -> None:
        """Look again and again, with the same conditions."""
        until = self.now + length
        while self.now < until:
            self.see(*conditions, after=min(step, until - self.now), **more)

    def said(self) -> list[tuple[str, str]]:
        """Return sort and title of all messages, oldest first."""
        return [(sort, title) for sort, title, _ in self.messages()]

    def messages(self) -> list[tuple[str, str, str]]:
        """Return sort, title and body of all messages, oldest first."""
        return self.memory.database.execute("SELECT sort, title, body FROM messages ORDER BY id").fetchall()

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Return what a query finds in the file."""
        return self.memory.database.execute(query, values).fetchall()


@contextmanager
def room(folder: Path, settings: AlertSettings | None = None) -> Iterator[Room]:
    """Open a room and close it."""
    opened = Room(folder, settings)
    try:
        yield opened
    finally:
        opened.memory.close()


def environment(**more: str) -> Mapping[str, str]:
    """Return settings as the environment has them, OPENBELL_ in front."""
    return {f"OPENBELL_{name}": value for name, value in more.items()}


def sorts(here: Room) -> list[str]:
    """Return the sorts of all messages, oldest first."""
    return [sort for sort, _ in here.said()]
