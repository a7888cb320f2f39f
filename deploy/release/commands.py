"""`make deploy`, `make rollback` and `make releases`: in the order in which things happen."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.docker import configuration as compose_configuration
from deploy.docker import profiles
from deploy.docker.compose import SUPERVISOR
from deploy.docker.installed import Found
from deploy.docker.services import ends_by_itself
from deploy.errors import CommandError
from deploy.hosts import requirements
from deploy.hosts.facts import EarlyFacts, Facts, read_facts
from deploy.log import Log
from deploy.release import build, host_state, provenance, transaction
from deploy.release import plan as plans
from deploy.release.build import ReleaseDraft
from deploy.release.host_state import HostState
from deploy.release.lock import HostLock, LockHeldError
from deploy.release.plan import Plan
from deploy.release.release import Release, Tree, images_of
from deploy.ssh import program
from deploy.ssh.connection import Connection, Host
from deploy.table import aligned
from deploy.transfer import host_images
from deploy.transfer.delivery import deliver
from deploy.transfer.host_images import HostImages
from deploy.transfer.shipment import Shipment, prepared

MEMORY_EACH = 40 * 2**20  # bytes that another container takes, with what the engine needs for it
MEMORY_SPARE = 64 * 2**20  # bytes that a preflight may need in addition
SOON = 60  # seconds; the plan lists slots that are due within them
BeforeStart = Callable[[Connection, Release], None]
HEADINGS = ("RELEASE", "", "MADE", "BY", "SOURCES", "SERVICES")


@dataclass(frozen=True)
class DeployOptions:
    """What the command line asks for."""

    strategy: str | None = None  # only this one
    dry_run: bool = False
    idle: bool = False  # wait until nothing runs or is due soon
    to: str | None = None  # the release to go back to
    yes: bool = False  # do not ask
    renames: Mapping[str, str] = field(default_factory=dict)  # strategies that run there by another name: old to new


def deploy(
    host: Host,
    log: Log,
    options: DeployOptions,
    strategies: Path,
    before_start: BeforeStart = lambda *_: None,
    early: EarlyFacts | None = None,
    found: Found | None = None,
) -> int:
    """Build what the checkout has, bring it to the host and put it in place; return the exit code.

    before_start: is called once everything is there and nothing was touched yet; what it raises ends the deployment.
    early: the facts of the host, if the caller has begun to read them. found: what is known of the engine here and its Compose.
    """
    build.use(host)
    with early or EarlyFacts(host) as at_host:
        configuration = found.configuration if found else compose_configuration.read()
        build.secret_values(
            configuration, strategies, options.strategy
        )  # what is missing is reported before a long build
        connection, facts = at_host.result()
        _must_be_ready(host, facts, 0)
        if advice := requirements.advice(host, facts):
            log.warning(advice)
        build.follow_host(host, facts, log, found.platform if found else None)
        try:
            # Checked before the long build: another person's transaction, or our own, may still be under way.
            with _lock(connection, "looking at what is there", "", options) as session:
                if session:
                    transaction.report_the_last(connection, host_state.fetch(connection, releases="current"), log)
        except LockHeldError as held:
            return transaction.attach(connection, held, log)
        build.images(configuration, log)
        name = provenance.new_id()
        try:
            with _lock(connection, f"deploying {name}", name, options) as session:
                there = host_state.fetch(connection, releases="current")
                part = _part(configuration, there, options.strategy, strategies)
                references = list(images_of(part).values())
                inventory = host_images.read(connection)
                known = there.current.layers if there.current else {}
                kept = build.contents(part, there.current, inventory)
                with ExitStack() as stack:
                    shipment = stack.enter_context(prepared(references, inventory, log, known, kept))
                    draft = build.draft(name, part, shipment, strategies, there.current, inventory)
                    if not {one.reference for one in shipment.moving} <= set(draft.ships):
                        shipment = stack.enter_context(prepared(draft.ships, inventory, log, known))
                    if options.strategy and there.current:
                        draft = build.partial_draft(there.current, _its_compose(connection), draft)
                    plan = plans.plan(draft.release, there, options.renames)
                    # Where nothing changes nothing is sent, also what a prune of the host took away.
                    ships = plan.changes or not shipment.moved
                    _show(connection, plan, there, shipment.lines(exact=options.dry_run) if ships else ())
                    _must_be_ready(host, facts, shipment.disk_bytes)
                    _must_have_memory(host, facts, plan)
                    if not plan.changes:
                        log.info("nothing to do: this is what runs there")
                    elif session:
                        _may_stop(host, plan, yes=options.yes)
                        _bring_all(connection, draft, plan, there, shipment, inventory, log, options)
                        before_start(connection, draft.release)
                        return transaction.run(connection, session, name, draft.release, there, log)
                    return 0
        except LockHeldError as held:
            return transaction.attach(connection, held, log)


def rollback(host: Host, log: Log, options: DeployOptions) -> int:
    """Return to an earlier release, through the same gate; return the exit code."""
    with Connection(host) as connection:
        _must_be_ready(host, read_facts(connection), 0)
        name = provenance.new_id()
        try:
            with _lock(
                connection, f"rolling back{f' to {options.to}' if options.to else ''}", name, options
            ) as session:
                there = host_state.fetch(connection)
                transaction.report_the_last(connection, there, log)
                release = plans.rollback_release(there, options.to)
                plan = plans.plan(release, there, plans.renamed(release, there.current))
                _show(connection, plan, there, ())
                if not plan.changes and release == there.current:
                    log.info("nothing to do: this is what runs there")
                    return 0
                if session is None:
                    return 0
                files = _transaction(plan, there, host, "rollback", options)
                transaction.upload(connection, files, release.id, name, ())
                return transaction.run(connection, session, name, release, there, log)
        except LockHeldError as held:
            return transaction.attach(connection, held, log)


def releases(host: Host) -> int:
    """List the releases that the host keeps, the newest first."""
    with Connection(host) as connection:
        there = host_state.fetch(connection)
    if not there.releases:
        print(f"Nothing was deployed to {host.name}: `make deploy HOST={host.name}` does.")
        return 0
    rows = [
        (one.id, "runs" if one == there.current else "", one.at, one.by, one.sources, ", ".join(sorted(one.services)))
        for one in reversed(there.releases)
    ]
    print(aligned([HEADINGS, *rows]))
    return 0


@contextmanager
def _lock(connection: Connection, purpose: str, name: str, options: DeployOptions) -> Iterator[HostLock | None]:
    """Hold the lock; a dry run changes nothing, and needs none."""
    if options.dry_run:
        yield None
        return
    with HostLock(connection, provenance.who(), purpose, name) as session:
        yield session


def _part(configuration: Tree, there: HostState, strategy: str | None, strategies: Path) -> Tree:
    """Return the configuration of what is made from this checkout: everything, or the service of one strategy."""
    if strategy is None:
        return configuration
    taken = plans.taken(strategy, build.manifests(configuration, strategies), there.current)
    services = {
        name: service
        for name, service in configuration["services"].items()
        if name in taken or ends_by_itself(service.get("labels"))
    }
    return {**configuration, "services": services}


def _its_compose(connection: Connection) -> Tree:
    """Return the Compose file of the release that runs."""
    folder = host_state.folder(connection.host)
    content = json.loads(program.ask(connection, "current", folder, "compose.yaml", doing="reading what runs there"))
    return content if isinstance(content, dict) else {}


def _show(connection: Connection, plan: Plan, there: HostState, shipment: Sequence[str]) -> None:
    """Print what will be done, before it is."""
    current = there.current.id if there.current else "nothing"
    print(f"\n{connection.host.name}: {current} -> {plan.release.id} ({plan.release.sources})")
    lines = [*plan.lines(), *_under_way(connection, plan, there)]
    lines += [f"ship      {line.strip()}" for line in shipment]
    print("\n".join(f"  {line}" for line in lines) + "\n", flush=True)


def _under_way(connection: Connection, plan: Plan, there: HostState) -> list[str]:
    """Return the runs in flight and the slots due soon of what will be stopped."""
    stopped = [name for name in (*plan.recreate, *plan.remove) if name != SUPERVISOR]
    ids = [there.containers[name].id for name in stopped if name in there.containers]
    said = program.ask(connection, "under-way", str(SOON), *ids, timeout=60) if ids else ""
    return [f"due soon  {line}" for line in said.splitlines() if line]


def _bring_all(
    connection: Connection,
    draft: ReleaseDraft,
    plan: Plan,
    there: HostState,
    shipment: Shipment,
    inventory: HostImages,
    log: Log,
    options: DeployOptions,
) -> None:
    """Store the release and the transaction on the host, and bring the images; nothing that runs is touched by it."""
    release = draft.release
    files = transaction.release_files(release, draft.compose, draft.environment, draft.files)
    files |= _transaction(plan, there, connection.host, "deploy", options)
    transaction.upload(connection, files, release.id, release.id, draft.inherit)
    deliver(connection, shipment, inventory, log)


def _transaction(plan: Plan, there: HostState, host: Host, action: str, options: DeployOptions) -> dict[str, str]:
    who = provenance.who()
    return transaction.transaction_files(plan, there.current, host.name, host.project, who, action, idle=options.idle)


def _may_stop(host: Host, plan: Plan, *, yes: bool) -> None:
    """Return if what the plan removes may stop; one of a profile that was not named is asked for first."""
    candidates = [name for name in plan.remove if name not in plan.gives_way]
    if yes or not candidates:
        return
    asked = [name for name in build.values().get("COMPOSE_PROFILES", "").split(",") if name]
    stopping = profiles.not_asked_for(candidates, profiles.profiles_of(compose_configuration.read_all()), asked)
    if not stopping:
        return
    names = sorted(set(stopping.values()))
    warning = f"{host.name}: this would stop {', '.join(sorted(stopping))}, because the profile {', '.join(names)} was not named"
    if not sys.stdin.isatty():
        msg = f"{warning}; nothing was changed: add PROFILE={','.join((*asked, *names))} to keep them, or YES=1 to stop them"
        raise CommandError(msg, 2)
    if input(f"{warning}. Stop them? [y/N] ").strip().lower() not in {"y", "yes"}:
        msg = f"nothing was changed: PROFILE={','.join((*asked, *names))} keeps them"
        raise CommandError(msg)


def _must_be_ready(host: Host, facts: Facts, needed: int) -> None:
    if problem := requirements.unready(host, facts, needed):
        raise CommandError(problem)


def _must_have_memory(host: Host, facts: Facts, plan: Plan) -> None:
    new = sum(1 for why in plan.recreate.values() if why == "new")
    needed = new * MEMORY_EACH + (MEMORY_SPARE if plan.recreate else 0)
    if 0 < facts.memory_available < needed:
        msg = f"{host.name}: {requirements.megabytes(facts.memory_available)} of memory are free there, {requirements.megabytes(needed)} are needed for {new} more containers: see `make stats HOST={host.name}`"
        raise CommandError(msg)
