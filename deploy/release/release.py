"""The record of a release, as it lies on the host."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class ServiceRecord:
    """One service of a release. Equal fingerprints are containers that need not be touched."""

    image: str  # openbell/pulse:0123456789ab
    image_id: str  # where it was built
    fingerprint: str  # of all three below
    configuration: str  # version of what Compose is told, without the environment
    secrets: str  # version of the environment's values
    names: tuple[str, ...] = ()  # of the variables in the environment; their values are never in a record
    manifests: Mapping[str, str] = field(default_factory=dict)  # versions of strategy.toml, by strategy
    bots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # ids, by strategy
    content: str = ""  # of the image: the same for the same sources on every machine


@dataclass(frozen=True)
class Release:
    """What was deployed: when, by whom, and from which sources."""

    id: str  # 20261121-091500-3f2a: they sort as they were made
    at: str  # ISO 8601, UTC
    by: str  # alice@laptop
    commit: str  # of git; empty if there is none
    dirty: bool  # whether the sources differed from the commit
    services: Mapping[str, ServiceRecord]
    layers: Mapping[str, str] = field(default_factory=dict)  # of its images: what each holds, whenever it was built

    @property
    def sources(self) -> str:
        """The commit as people write it."""
        return f"{self.commit[:10] or 'no commit'}{', changed since' if self.dirty else ''}"

    @property
    def owners(self) -> dict[str, str]:
        """The strategy of each bot, as far as the record knows the bots."""
        return {bot: strategy for one in self.services.values() for strategy, ids in one.bots.items() for bot in ids}

    @property
    def strategies(self) -> frozenset[str]:
        """The strategies that it runs."""
        return frozenset(strategy for one in self.services.values() for strategy in one.manifests)

    def to_json(self) -> str:
        """Return one line."""
        return json.dumps(asdict(self), sort_keys=True)


def from_json(text: str) -> Release | None:
    """Return the release of a record's line, or None if it is none."""
    try:
        content = json.loads(text)
        services = {str(name): _service(str(name), one) for name, one in content["services"].items()}
        return Release(
            id=str(content["id"]),
            at=str(content["at"]),
            by=str(content["by"]),
            commit=str(content["commit"]),
            dirty=bool(content["dirty"]),
            services=services,
            layers={str(layer): str(one) for layer, one in content.get("layers", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _service(name: str, content: Mapping[str, Any]) -> ServiceRecord:
    # Releases from when a service had exactly one strategy have that strategy's version.
    manifests = content.get("manifests", {name: content["manifest"]} if content.get("manifest") else {})
    return ServiceRecord(
        image=str(content["image"]),
        image_id=str(content["image_id"]),
        fingerprint=str(content["fingerprint"]),
        configuration=str(content["configuration"]),
        secrets=str(content["secrets"]),
        names=tuple(map(str, content["names"])),
        manifests={str(strategy): str(version) for strategy, version in manifests.items()},
        bots={str(strategy): tuple(map(str, ids)) for strategy, ids in content.get("bots", {}).items()},
        content=str(content.get("content", "")),
    )
