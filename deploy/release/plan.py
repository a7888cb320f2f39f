"""What a deployment or a rollback will do, decided before anything is done. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.problem import Problem
from deploy.release.deployed import Deployed, Running
from deploy.release.record import Release, ServiceRecord

SUPERVISOR = "supervisor"


@dataclass(frozen=True)
class Plan:
    """Which services are made anew, with the reason for each, which stay, and which go."""

    release: Release
    recreate: Mapping[str, str]
    keep: tuple[str, ...]
    remove: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.recreate or self.remove)

    def lines(self) -> list[str]:
        """Return the plan for a person."""
        return [
            *(f"start     {name} ({why})" for name, why in self.recreate.items()),
            *(f"remove    {name} (it is not in this release)" for name in self.remove),
            *([f"untouched {', '.join(self.keep)}"] if self.keep else []),
        ]


def plan(release: Release, deployed: Deployed) -> Plan:
    """Compare a release with what runs. Only what differs is touched; the supervisor is last.

    Problem if there are containers that are nobody's release: a gate that fails must have something to return to.
    """
    if foreign := sorted(
        name for name, one in deployed.containers.items() if not one.fingerprint and not deployed.current
    ):
        msg = f"{', '.join(foreign)}: no deployment has started what runs there, and none could bring it back: remove it first (`make down` where it was started), or set another project in deploy/hosts.toml"
        raise Problem(msg)
    recreate = {}
    for name, wanted in sorted(release.services.items(), key=lambda one: (one[0] == SUPERVISOR, one[0])):
        before = deployed.current.services.get(name) if deployed.current else None
        if why := _why(wanted, deployed.containers.get(name), before):
            recreate[name] = why
    keep = tuple(sorted(release.services.keys() - recreate.keys()))
    remove = tuple(sorted(name for name in deployed.containers if name and name not in release.services))
    return Plan(release, recreate, keep, remove)


def _why(wanted: ServiceRecord, running: Running | None, before: ServiceRecord | None) -> str:
    """Return why a container has to be made anew, or an empty text."""
    if running is None:
        return "new"
    if running.fingerprint == wanted.fingerprint:
        return "" if running.state == "running" else f"it is {running.state}"
    if before is None or running.fingerprint != before.fingerprint:
        return "it is not what the last deployment started"
    changed = [
        word
        for word, old, new in (
            ("image", before.image_id, wanted.image_id),
            ("configuration", before.configuration, wanted.configuration),
            ("secrets", before.secrets, wanted.secrets),
        )
        if old != new
    ]
    return f"changed: {', '.join(changed)}"


def back(deployed: Deployed, to: str | None) -> Release:
    """Return the release to go back to: the one that is asked for, or the newest before the one that runs."""
    choices = [one.id for one in deployed.releases]
    if deployed.current is None:
        msg = "nothing was deployed there: there is no release to go back to"
        raise Problem(msg)
    if to:
        if release := deployed.release(to):
            return release
        msg = f'TO: found "{to}"; allowed: one of {", ".join(choices)}'
        raise Problem(msg, 2)
    before = [one for one in deployed.releases if one.id < deployed.current.id]
    if not before:
        msg = f"there is no release before {deployed.current.id}; `make releases` lists them, TO= names one"
        raise Problem(msg)
    return before[-1]


def taken(strategy: str, manifests: Mapping[str, str], current: Release | None) -> frozenset[str]:
    """Return which services are made from this checkout if only one strategy is wanted; the others stay as they run.

    manifests: versions of strategy.toml here, by strategy. The supervisor reads all of them, so it may only change with
    this one's; Problem if the two cannot be told apart.
    """
    if strategy not in manifests:
        msg = f'STRATEGY: found "{strategy}"; allowed: one of {", ".join(sorted(manifests))}'
        raise Problem(msg, 2)
    if current is None:
        msg = "nothing was deployed there: deploy everything first, without STRATEGY="
        raise Problem(msg)
    theirs = {name: service.manifest for name, service in current.services.items() if name != SUPERVISOR}
    if theirs.get(strategy) == manifests[strategy]:
        return frozenset({strategy})
    others = {
        name for name in (manifests.keys() | theirs.keys()) - {strategy} if manifests.get(name) != theirs.get(name)
    }
    if others:
        msg = f"the supervisor must learn of {strategy}'s new manifest, and would learn of {', '.join(sorted(others))} too: deploy without STRATEGY="
        raise Problem(msg)
    return frozenset({strategy, SUPERVISOR})
