"""What a deployment or a rollback will do, decided before anything is done. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deploy.docker.compose import SUPERVISOR
from deploy.errors import CommandError
from deploy.release.host_state import HostState, Running
from deploy.release.release import Release, ServiceRecord
from deploy.remote.plan import DATABASE, IN_DOUBT

NO_RENAMES: Mapping[str, str] = {}


@dataclass(frozen=True)
class Plan:
    """Which services are recreated, with the reason for each, which stay, and which are removed."""

    release: Release
    recreate: Mapping[str, str]
    keep: tuple[str, ...]
    remove: tuple[str, ...]
    takes_over: tuple[str, ...] = ()  # of those that are recreated: they get strategies that other services had
    gives_way: Mapping[str, str] = field(default_factory=dict)  # of those that go: who takes their strategies over
    strategies: tuple[str, ...] = ()  # that are stopped and started
    renames: Mapping[str, str] = field(default_factory=dict)  # strategies that get another name: old to new
    reload: tuple[str, ...] = ()  # of those that are recreated: their containers live on and follow newer folders
    completes: bool = False  # what a deploy that was cut off has left: a stopped container, or no record of what runs

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.recreate or self.remove or self.completes)

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """What is done with which service, in order.

        A strategy's new container starts beside the old one, where its loop imports it and waits for its lock: so no
        strategy is away for longer than its old loop takes to stop. In a container for several that differs in their folders
        alone, each new loop starts beside the old one (`reload`). What takes strategies over from other services starts
        beside those, before they are stopped. A strategy's data gets its new name while neither loop has it. What is no
        strategy has ports and stores that two cannot share: its container is replaced. The supervisor is last, and
        first the database that all of them ask.
        """
        own = [name for name in self.recreate if name not in self.takes_over and self._gets_another_name(name)]
        others = [name for name in self.recreate if name not in (*self.takes_over, *own)]
        others.sort(key=lambda name: name != DATABASE)
        return (
            *((self._way(name), name) for name in others if name != SUPERVISOR),
            *(("start", name) for name in (*self.takes_over, *own)),
            *(("stop", name) for name in (*self.gives_way, *own)),
            *(("rename", old) for old in self.renames),
            *(("check", name) for name in (*self.takes_over, *own)),
            *(("replace", name) for name in others if name == SUPERVISOR),
        )

    def _gets_another_name(self, service: str) -> bool:
        """Tell whether a strategy of a service has another name there."""
        return not frozenset(self.renames.values()).isdisjoint(self.release.services[service].manifests)

    def _way(self, name: str) -> str:
        if name in self.reload:
            return "reload"
        return "switch" if self.release.services[name].manifests else "replace"

    def lines(self) -> list[str]:
        """Return the plan for a person."""
        return [
            *(f"{self._verb(name)} {name} ({why}{self._hosted(name)})" for name, why in self.recreate.items()),
            *(
                f"rename    {old} to {new} (its ledger, account, state and journal go along)"
                for old, new in self.renames.items()
            ),
            *(f"remove    {name} ({self._why_it_goes(name)})" for name in self.remove),
            *([f"untouched {', '.join(self.keep)}"] if self.keep else []),
            *(["complete  what a deploy that was cut off has left"] if self.completes else []),
        ]

    def _verb(self, name: str) -> str:
        return f"{'reload' if name in self.reload else 'start':<9}"

    def _hosted(self, name: str) -> str:
        hosted = self.release.services[name].manifests
        if name in self.reload:
            return f"; of {', '.join(hosted)} only those whose folders changed"
        return f"; for {', '.join(hosted)}" if len(hosted) > 1 else ""

    def _why_it_goes(self, name: str) -> str:
        return f"handed over to {self.gives_way[name]}" if name in self.gives_way else "it is not in this release"


def plan(release: Release, deployed: HostState, renames: Mapping[str, str] = NO_RENAMES) -> Plan:
    """Compare a release with what runs. Only what differs is touched; the supervisor is last.

    renames: strategies that run there by another name: old to new.

    CommandError if containers run that belong to no release: a gate that fails must have a release to return to.
    """
    if foreign := sorted(
        name for name, one in deployed.containers.items() if not one.fingerprint and not deployed.current
    ):
        msg = f"{', '.join(foreign)}: no deployment has started what runs there, and none could bring it back: remove it first (`make down` where it was started), or set another project in deploy/hosts.toml"
        raise CommandError(msg)
    _bots_must_stay(release, deployed.current, renames)
    recreate = {}
    for name, wanted in sorted(release.services.items(), key=lambda one: (one[0] == SUPERVISOR, one[0])):
        before = deployed.current.services.get(name) if deployed.current else None
        if why := _why(wanted, deployed.containers.get(name), before):
            recreate[name] = why
    keep = tuple(sorted(release.services.keys() - recreate.keys()))
    remove = tuple(sorted(name for name in deployed.containers if name and name not in release.services))
    owners = {one: name for name, service in release.services.items() for one in service.manifests}
    theirs = {
        name: tuple(renames.get(one, one) for one in running.strategies)
        for name, running in deployed.containers.items()
    }
    takes_over = tuple(name for name in recreate if _moves(name, release.services[name].manifests, theirs))
    gives_way = {
        name: ", ".join(takers)
        for name in remove
        if (takers := sorted({owners[one] for one in theirs[name] if one in owners}))
    }
    touched = [one for name in (*recreate, *remove) for one in theirs.get(name, ())]
    return Plan(
        release,
        recreate,
        keep,
        remove,
        takes_over=takes_over,
        gives_way=gives_way,
        strategies=tuple(
            sorted({*touched, *renames, *(one for one, name in owners.items() if name in recreate)} - {SUPERVISOR})
        ),
        renames=renames,
        reload=tuple(
            name
            for name in recreate
            if name not in takes_over and _can_reload(release.services[name], deployed.containers.get(name))
        ),
        completes=_is_incomplete(release, deployed),
    )


def renamed(release: Release, current: Release | None) -> dict[str, str]:
    """Return the strategies that a release has by another name, as their bots tell: old to new."""
    before = current.owners if current else {}
    found: dict[str, set[str]] = {}
    for bot, owner in release.owners.items():
        if bot in before:
            found.setdefault(before[bot], set()).add(owner)
    gone, new = set(before.values()) - release.strategies, release.strategies - set(before.values())
    pairs = {
        old: owners.copy().pop() for old, owners in found.items() if old in gone and len(owners) == 1 and owners <= new
    }
    return {old: name for old, name in pairs.items() if list(pairs.values()).count(name) == 1}


def _bots_must_stay(release: Release, current: Release | None, renames: Mapping[str, str]) -> None:
    """Raise CommandError if a bot would change its strategy: its ledger, account and state go by the strategy's name."""
    before = current.owners if current else {}
    for bot, owner in release.owners.items():
        was = before.get(bot, owner)
        if renames.get(was, was) != owner:
            way = f"name the folder {was} again"
            if renamed(release, current).get(was) == owner:
                way = f"`make rename STRATEGY={was} TO={owner} HOST=...` lets {owner} take them over"
            msg = (
                f"bot {bot} is one of strategy {was} there, and of {owner} here: its ledger, account and state would stay "
                f"behind, and a slot could run twice: {way}, or give the bot another id to start without them"
            )
            raise CommandError(msg)


def _can_reload(wanted: ServiceRecord, running: Running | None) -> bool:
    """Tell whether what runs differs from what is wanted in nothing but its strategies' folders."""
    return (
        running is not None and running.state == "running" and not running.others and wanted.base == running.base != ""
    )


def _is_incomplete(release: Release, deployed: HostState) -> bool:
    """Tell whether something is left to do though each service runs as it should."""
    current = deployed.current.services if deployed.current else {}
    recorded = {name: one.fingerprint for name, one in current.items()}
    running = {name: one.fingerprint for name, one in deployed.containers.items()}
    wanted = {name: one.fingerprint for name, one in release.services.items()}
    return running == wanted and (recorded != wanted or any(one.others for one in deployed.containers.values()))


def _moves(service: str, hosted: Iterable[str], theirs: Mapping[str, Iterable[str]]) -> bool:
    """Tell whether a service gets a strategy whose container is another's."""
    elsewhere = {one for name, own in theirs.items() if name != service for one in own}
    return not elsewhere.isdisjoint(hosted)


def _why(wanted: ServiceRecord, running: Running | None, before: ServiceRecord | None) -> str:
    """Return why a container has to be recreated, or an empty text."""
    if running is None:
        return "new"
    if "running" in running.others:
        return "a deploy that was cut off has left two containers of it"
    if running.fingerprint == wanted.fingerprint:
        return "" if running.state == "running" else f"it is {running.state}"
    if running.fingerprint == IN_DOUBT:
        return "a deploy that was cut off may have changed its strategies' folders"
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


def rollback_release(deployed: HostState, to: str | None) -> Release:
    """Return the release to go back to: the one that is asked for, or the newest before the one that runs."""
    choices = [one.id for one in deployed.releases]
    if deployed.current is None:
        msg = "nothing was deployed there, so there is no previous release"
        raise CommandError(msg)
    if to:
        if release := deployed.release(to):
            return release
        msg = f'TO: found "{to}"; allowed: one of {", ".join(choices)}'
        raise CommandError(msg, 2)
    before = deployed.releases[: choices.index(deployed.current.id)] if deployed.current.id in choices else ()
    if not before:
        msg = f"there is no release before {deployed.current.id}; `make releases` lists them, TO= names one"
        raise CommandError(msg)
    return before[-1]


def taken(strategy: str, here: Mapping[str, Mapping[str, str]], current: Release | None) -> frozenset[str]:
    """Return which services are made from this checkout if only one strategy is wanted; the others stay as they run.

    here: versions of strategy.toml in this checkout, by service and strategy. A service that hosts several strategies comes
    with all of them. The supervisor reads all manifests, so it may only change with those; CommandError if they cannot be told
    apart from others.
    """
    service = next((name for name, hosted in here.items() if strategy in hosted), None)
    if service is None:
        msg = f'STRATEGY: found "{strategy}"; allowed: one of {", ".join(sorted(_together(here)))}'
        raise CommandError(msg, 2)
    if current is None:
        msg = "nothing was deployed there: deploy everything first, without STRATEGY="
        raise CommandError(msg)
    there = {name: one.manifests for name, one in current.services.items()}
    if moved := [name for name, hosted in there.items() if name != service and hosted.keys() & here[service].keys()]:
        msg = f"{service} would take over from {', '.join(sorted(moved))}, which runs there: deploy without STRATEGY="
        raise CommandError(msg)
    if there.get(service) == here[service]:
        return frozenset({service})
    ours, theirs = _together(here), _together(there)
    others = {
        name for name in (ours.keys() | theirs.keys()) - here[service].keys() if ours.get(name) != theirs.get(name)
    }
    if others:
        msg = f"the supervisor must learn of {strategy}'s new manifest, and would learn of {', '.join(sorted(others))} too: deploy without STRATEGY="
        raise CommandError(msg)
    return frozenset({service, SUPERVISOR})


def _together(manifests: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the versions of all manifests by strategy."""
    return {strategy: version for hosted in manifests.values() for strategy, version in hosted.items()}
