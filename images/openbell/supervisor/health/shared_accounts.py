"""Accounts that several strategies trade on: each of them learns what the others hold, so that all shares can be added up."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from openbell import account_shares
from openbell.account_shares import Shares
from openbell.manifest import Manifest

AGAIN = timedelta(minutes=1)  # what has not changed is told again, so that it is known to be current


class SharedAccounts:
    """Passes on what strategies say of their holdings, within each account."""

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
        """Tell what is new; OSError if it cannot be written."""
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
