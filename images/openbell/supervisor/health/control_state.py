"""Desired state from the control folder: the pauses of bots and the deployment under way."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from openbell import answers, control
from openbell.control import Control, Deployment, Pause

_FRESH = 2.0  # seconds; two changes within one tick of the file system's clock look like one


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
