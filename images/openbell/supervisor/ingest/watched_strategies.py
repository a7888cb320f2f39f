"""Which strategies are watched: all without a profile, those of the named profiles, and those that run.

A strategy of another profile is watched from its start (`docker compose --profile portfolio up -d` tells only Docker of the
profile) until its orderly stop: as long as its heartbeat file exists.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from openbell import heartbeat
from openbell.manifest import Manifest

CHECK_EVERY = 10.0  # seconds; shorter than the time after which a stopped loop counts as down


def is_named(profile: str, profiles: Iterable[str]) -> bool:
    """Return whether a manifest's profile is among those of Compose; "portfolio-together" also names "portfolio"."""
    return not profile or any(one == profile or one.startswith(f"{profile}-") for one in profiles)


@dataclass
class WatchedStrategies:
    """The watched strategies, decided once; `has_changed` says when that must be done again."""

    manifests: tuple[Manifest, ...]
    profiles: tuple[str, ...]
    journal: Path
    watched: tuple[Manifest, ...] = ()
    checked_at: float = float("-inf")  # on the monotonic clock

    def __post_init__(self) -> None:
        self.watched = self._current()

    def has_changed(self, monotonic: float) -> bool:
        """Return whether a strategy of another profile has been started, or stopped in order, since the beginning."""
        if monotonic - self.checked_at < CHECK_EVERY:
            return False
        self.checked_at = monotonic
        return self._current() != self.watched

    def _current(self) -> tuple[Manifest, ...]:
        return tuple(
            manifest
            for manifest in self.manifests
            if is_named(manifest.profile, self.profiles) or heartbeat.is_there(self.journal / manifest.name)
        )
