"""The control folder: the pauses of bots, the deployment under way, and what strategies on one account hold.

Each strategy learns what the others on its account hold, so that the broker's positions can be reconciled with all shares.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from openbell import account_shares, answers, control
from openbell.account_shares import Shares
from openbell.control import Control, Deployment, Pause
from openbell.manifest import Manifest

_FRESH = 2.0  # seconds; two changes within one tick of the file system's clock look like one

AGAIN = timedelta(minutes=1)  # what has not changed is written again, so that it is known to be current


class _ReadOnlyControl(Control):
    """Desired state for one who only watches: what cannot be known now is an error, and no pause."""

    def paused(self, bot: str) -> Pause | None:
        return self.known_pause(bot)


class Pauses:
    """The pauses of one strategy's bots, read again only when something about them has changed."""

    def __init__(self, root: Path, strategy: str, bots: Iterable[str], journal: Path) -> None:
        """journal: the strategy's folder, where its loop says what it has paused by itself."""
        self._places = (root / strategy / "paused", root / strategy / "resumed", journal / answers.FILE)
        self._journal = journal
        self._control = _ReadOnlyControl(root, strategy)
        self._bots = tuple(bots)
        self._versions = (0, 0, 0)
        self._found: dict[str, Pause | None] = {}

    def get(self, bot: str) -> Pause | None:
        """Return the bot's pause, expired or not, or None if it has none."""
        return self._found.get(bot)

    def refresh(self, now: datetime) -> bool:
        """Read the pauses if they may have changed; return whether they have.

        OSError if this process is out of descriptors or memory: what was known holds until they can be read.
        """
        paused, resumed, answered = map(_version, self._places)
        versions = paused, resumed, answered
        if versions == self._versions and not any(_is_recent(version, now) for version in versions):
            return False
        known = answers.read(self._journal) if answered else answers.Answers()
        # There is no pause where there is no folder, and the loop has paused nothing.
        found = {bot: answers.pause_of(bot, self._control, known) for bot in self._bots if paused or known.paused}
        before, self._found, self._versions = self._found, found, versions
        return found != before


class Deployments:
    """The newest deployment in the control folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._version = -1
        self._found: Deployment | None = None

    def current(self, now: datetime) -> Deployment | None:
        """Return the deployment under way now, or None."""
        version = _version(self._root)
        if version != self._version or _is_recent(version, now):
            with suppress(OSError):  # out of descriptors or memory: what was known holds
                self._found, self._version = control.deployment(self._root), version
        found = self._found
        return found if found is not None and found.since <= now < found.until else None


def _version(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _is_recent(version: int, now: datetime) -> bool:
    return abs(now.timestamp() - version / 1e9) < _FRESH


class SharedAccounts:
    """Writes what each strategy holds for the others on its account."""

    def __init__(self, manifests: Iterable[Manifest], journal: Path, control: Path) -> None:
        self._journal = journal
        self._control = control
        by_account: dict[tuple[str, bool], list[str]] = {}
        for manifest in manifests:
            if manifest.capital.is_set:
                by_account.setdefault((manifest.broker, manifest.live), []).append(manifest.name)
        self._sharing = [names for names in by_account.values() if len(names) > 1]
        self._told: dict[str, tuple[list[Shares] | None, datetime]] = {}

    def step(self, now: datetime) -> None:
        """Write what has changed; OSError if it cannot be written."""
        for names in self._sharing:
            held = {name: account_shares.published(self._journal / name) for name in names}
            for name in names:
                beside = [one for other, one in held.items() if other != name]
                known = [one for one in beside if one is not None]
                others = known if len(known) == len(beside) else None
                before, at = self._told.get(name, (None, datetime.min.replace(tzinfo=now.tzinfo)))
                if others != before or not timedelta(0) <= now - at < AGAIN:
                    account_shares.write(self._control, name, others, now)
                    self._told[name] = others, now
