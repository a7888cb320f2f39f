"""What people want of a bot: desired state and requests, as small files that survive every restart.

`<root>/<strategy>/paused/<bot>.json` is a pause, `resumed/<bot>.json` names its newest resume, and `requests/<id>.json`
asks for a run now. They are written by the command line and by the status page, and obeyed by the strategy's loop, which
can only read them: `answers.py` is how it answers. `<root>/halt.json` stops all orders, `<root>/deployment.json` tells the
supervisor of a deployment.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell import foreign_files
from openbell.foreign_files import ForeignFileError
from openbell.journal import instant, stamp
from openbell.own_days_file import OwnDaysFile
from openbell.records import dataclass, replace

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
_DEPLOYMENT = "deployment.json"
_HALT = "halt.json"
_BACKFILL_OF = "backfill_of"  # the bot of a request that is for a slot
FOLDERS = ("paused", "requests", "resumed")  # of one strategy
MOST_REQUESTS = 1_000  # that wait for one strategy
KEEP_REQUESTS = timedelta(minutes=10)  # a loop refuses those that are older than a minute
LONGEST_DEPLOYMENT = timedelta(hours=1)  # nothing is muted for longer, also if more is announced


@dataclass(frozen=True)
class Pause:
    """A bot's slots are skipped from `since` on, until `until` if that is given."""

    since: datetime
    until: datetime | None
    by: str
    reason: str

    def covers(self, slot: datetime) -> bool:
        """Tell whether a slot falls into the pause."""
        return self.since <= slot and (self.until is None or slot < self.until)

    def as_of(self, now: datetime) -> "Pause":
        """Return the pause as it is at `now`: one that was made while the clock was ahead has begun already."""
        return self if self.since <= now else replace(self, since=_ALWAYS)

    def holds(self, now: datetime) -> bool:
        """Tell whether the bot is paused now."""
        return self.as_of(now).covers(now)


@dataclass(frozen=True)
class Request:
    """A person asks for one run of a bot: now, or as a slot that has passed; or to close what the strategy holds."""

    id: str
    bot: str
    by: str
    requested_at: datetime
    slot: datetime | None = None  # None is now
    flatten: bool = False  # close all that the strategy holds, instead of a run; `bot` is empty


@dataclass(frozen=True)
class Deployment:
    """A release that is being put in place: these strategies are stopped and started, and nothing is wrong until `until`."""

    release: str
    strategies: tuple[str, ...]
    since: datetime
    until: datetime
    by: str


def announce(root: Path, deployment: Deployment) -> None:
    """Say that a deployment is under way; one that was announced before is replaced."""
    content: dict[str, object] = {
        "release": deployment.release,
        "strategies": list(deployment.strategies),
        "since": stamp(deployment.since),
        "until": stamp(deployment.until),
        "by": deployment.by,
    }
    foreign_files.write_object(root / _DEPLOYMENT, root, content)


def deployment(root: Path) -> Deployment | None:
    """Return the deployment that was announced last, over or not, or None; one that cannot be read counts as none.

    It is over after LONGEST_DEPLOYMENT at the latest, also if it names a later end.
    """
    content = _read(root / _DEPLOYMENT, root)
    since, until = instant(content.get("since")), instant(content.get("until"))
    strategies = content.get("strategies")
    if since is None or until is None or not isinstance(strategies, list):
        return None
    names = tuple(str(name) for name in strategies)
    # Written so that no addition leaves the calendar.
    until = min(until, since + LONGEST_DEPLOYMENT) if since < until - LONGEST_DEPLOYMENT else until
    return Deployment(str(content.get("release", "")), names, since, until, str(content.get("by", "unknown")))


@dataclass(frozen=True)
class Halt:
    """No strategy sends an order until a person lifts this."""

    since: datetime
    by: str
    reason: str
    exits: bool = False  # orders that reduce what is held may still be sent

    def __str__(self) -> str:
        """Say it as the reason of a decision."""
        what = "halted but for exits" if self.exits else "halted"
        return f"{what}: {self.reason} (by {self.by} since {stamp(self.since)})"


def halt(root: Path, halt: Halt) -> None:
    """Stop all orders everywhere; a halt that is there is replaced."""
    content: dict[str, object] = {"since": stamp(halt.since), "by": halt.by, "reason": halt.reason}
    foreign_files.write_object(root / _HALT, root, content | ({"exits": True} if halt.exits else {}))


def unhalt(root: Path) -> bool:
    """Let orders be sent again; tell whether they were halted."""
    return foreign_files.remove(root / _HALT, root)


def halted(root: Path) -> Halt | None:
    """Return the halt, or None if orders may be sent. A halt file that cannot be read counts as a halt."""
    try:
        content = foreign_files.read_object(root / _HALT, root)
        since = instant(content.get("since")) or _ALWAYS
        exits = content.get("exits") is True  # any other value halts everything
        return Halt(since, str(content.get("by", "unknown")), str(content.get("reason", "")), exits)
    except FileNotFoundError:
        return None
    except ForeignFileError as error:
        return Halt(_ALWAYS, "unknown", f"{error}; make unhalt removes it")
    except OSError as error:
        return Halt(_ALWAYS, "unknown", f"{_HALT} cannot be read ({error.strerror})")


class Control:
    """Desired state and requests of one strategy."""

    def __init__(self, root: Path, strategy: str) -> None:
        self._root = root
        self._strategy = strategy
        self._paused = root / strategy / "paused"
        self._resumed = root / strategy / "resumed"
        self._requests = root / strategy / "requests"

    def halted(self) -> Halt | None:
        """Return the halt of all strategies, or None."""
        return halted(self._root)

    def own_days(self) -> OwnDaysFile:
        """Return the user's own closures and early closes."""
        return OwnDaysFile(self._root)

    def prepare(self) -> None:
        """Make the folders; OSError if that cannot be done."""
        for name in FOLDERS:
            (self._root / self._strategy / name).mkdir(parents=True, exist_ok=True)

    def pause(self, bot: str, pause: Pause) -> None:
        """Store a pause; one that is there is replaced."""
        self.prepare()
        until = stamp(pause.until) if pause.until else None
        content: dict[str, object] = {
            "since": stamp(pause.since),
            "until": until,
            "by": pause.by,
            "reason": pause.reason,
        }
        foreign_files.write_object(self._paused / f"{bot}.json", self._root, content)

    def resume(self, bot: str) -> bool:
        """Lift the bot's pause, also one that its loop made; tell whether a person had asked for one."""
        self.prepare()
        content: dict[str, object] = {"id": os.urandom(6).hex()}
        foreign_files.write_object(self._resumed / f"{bot}.json", self._root, content)
        return foreign_files.remove(self._paused / f"{bot}.json", self._root)

    def resumed(self, bot: str) -> str:
        """Return what tells the bot's newest resume from those before; empty if it never was."""
        return str(_read(self._resumed / f"{bot}.json", self._root).get("id", ""))

    def may_hold(self, bot: str, resumed: str) -> bool:
        """Tell whether the bot was not resumed since the resume `resumed`; True also if that cannot be read now."""
        try:
            return self.resumed(bot) == resumed
        except OSError:
            return True

    def paused(self, bot: str) -> Pause | None:
        """Return the bot's pause, expired or not, or None if it has none. One that cannot be read holds all the same."""
        try:
            return self.known_pause(bot)
        except OSError as error:
            return _unreadable(error)

    def known_pause(self, bot: str) -> Pause | None:
        """Return the same for those who only watch: OSError if this process is out of descriptors or memory."""
        try:
            content = foreign_files.read_object(self._paused / f"{bot}.json", self._root)
            # A pause written by hand without an instant holds from the beginning of time: better paused too much than too little.
            since, until = instant(content.get("since")) or _ALWAYS, instant(content.get("until"))
            return Pause(since, until, str(content.get("by", "unknown")), str(content.get("reason", "")))
        except FileNotFoundError:
            return None
        except ForeignFileError as error:
            return Pause(_ALWAYS, None, "unknown", f"{error}; resume the bot to remove it")
        except OSError as error:
            if foreign_files.is_shortage(error):
                raise
            return _unreadable(error)

    def request(self, bot: str, by: str, at: datetime, slot: datetime | None = None) -> Request:
        """Ask for a run of the bot now, or as a slot that has passed; the loop takes the request within seconds."""
        self.prepare()
        self._sweep(at)
        request = Request(os.urandom(6).hex(), bot, by, at, slot)
        content: dict[str, object] = {"bot": bot, "by": by, "requested_at": stamp(at)}
        if slot is not None:
            # An older loop knows no slots: without a "bot" it leaves the request alone, instead of running the bot now.
            content = {_BACKFILL_OF: bot, "slot": stamp(slot), "by": by, "requested_at": stamp(at)}
        foreign_files.write_object(self._requests / f"{request.id}.json", self._root, content)
        return request

    def request_flatten(self, by: str, at: datetime) -> Request:
        """Ask the loop to close all that the strategy holds; an older loop leaves such a request alone."""
        self.prepare()
        self._sweep(at)
        request = Request(os.urandom(6).hex(), "", by, at, flatten=True)
        content: dict[str, object] = {"flatten": True, "by": by, "requested_at": stamp(at)}
        foreign_files.write_object(self._requests / f"{request.id}.json", self._root, content)
        return request

    def requests(self) -> list[Request]:
        """Return the requests that lie there, taken or not, oldest first."""
        found: list[Request] = []
        try:
            names = foreign_files.names(self._requests, self._root, MOST_REQUESTS)
        except FileNotFoundError:
            return found
        for name in names:
            if not name.endswith(".json"):
                continue
            content = _read(self._requests / name, self._root)
            at = instant(content.get("requested_at"))
            slot = instant(content.get("slot"))
            is_flatten = content.get("flatten") is True
            bot = "" if is_flatten else content.get("bot") if slot is None else content.get(_BACKFILL_OF)
            if at is None or not isinstance(bot, str):
                continue  # not written by openbell: no request
            found.append(Request(Path(name).stem, bot, str(content.get("by", "unknown")), at, slot, is_flatten))
        return sorted(found, key=lambda request: request.requested_at)

    def requests_version(self) -> int:
        """Return a number that changes whenever a request comes or goes; cheap enough to ask every second."""
        try:
            return self._requests.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _sweep(self, now: datetime) -> None:
        """Remove requests that are too old to be obeyed, and files that are no request."""
        waiting = {f"{one.id}.json" for one in self.requests() if abs(now - one.requested_at) < KEEP_REQUESTS}
        for name in foreign_files.names(self._requests, self._root):
            if name not in waiting and not name.startswith("."):
                foreign_files.remove(self._requests / name, self._root)


def _unreadable(error: OSError) -> Pause:
    return Pause(_ALWAYS, None, "unknown", f"the pause cannot be read ({error.strerror})")


def _read(path: Path, root: Path) -> dict[str, object]:
    """Return what a file holds; nothing if it cannot be read. OSError if this process is out of descriptors or memory."""
    try:
        return foreign_files.read_object(path, root)
    except OSError as error:
        if foreign_files.is_shortage(error):
            raise
        return {}
