"""Which strategies are watched: all without a profile, those of the profiles that are asked for, and whatever runs.

A strategy of a profile that nobody named is none of the supervisor's business until it is started (`docker compose
--profile portfolio up -d` names it to Docker only), and from then on until it is stopped in order: its beat says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from openbell import heartbeat
from openbell.manifest import Manifest

LOOK_EVERY = 10.0  # seconds; sooner than a loop that was stopped counts as one that ought to have been started again


def is_named(profile: str, profiles: Iterable[str]) -> bool:
    """Tell whether a manifest's profile is among those of Compose: "portfolio" is, also as "portfolio-together"."""
    return not profile or any(one == profile or one.startswith(f"{profile}-") for one in profiles)


@dataclass
class WatchedStrategies:
    """Who is watched, decided once, and looked at again from time to time."""

    manifests: tuple[Manifest, ...]
    profiles: tuple[str, ...]
    journal: Path
    enrolled: tuple[Manifest, ...] = ()
    looked_at: float = float("-inf")  # steady seconds

    def __post_init__(self) -> None:
        self.enrolled = self._now()

    def has_changed(self, steady: float) -> bool:
        """Tell whether a strategy of a profile has been started, or stopped in order, since the beginning."""
        if steady - self.looked_at < LOOK_EVERY:
            return False
        self.looked_at = steady
        return self._now() != self.enrolled

    def _now(self) -> tuple[Manifest, ...]:
        return tuple(
            manifest
            for manifest in self.manifests
            if is_named(manifest.profile, self.profiles) or heartbeat.is_there(self.journal / manifest.name)
        )
