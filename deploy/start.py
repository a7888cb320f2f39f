"""What `make up` and `make down` do: everything on this machine, in containers, or as plain processes where none can run."""

import os
import time
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from deploy import engine_choice, preflight, processes, secrets, stop_grace
from deploy.cli import operate
from deploy.docker import compose, configuration, engine, images, profiles
from deploy.docker.engine import Listed, Service
from deploy.docker.installed import EarlyCheck, Found
from deploy.engine_choice import Engine
from deploy.errors import CommandError
from deploy.local import background
from deploy.local.process_target import OPENBELL, ProcessTarget
from deploy.local.processes import LocalPaths, asked_for, stamped, supported
from deploy.local.processes import processes as wanted_processes
from deploy.local.run import data_folder, install_packages
from deploy.log import Log, log_to_stdout
from deploy.settings import Settings, strategies_folder, values
from deploy.strategy_folders.check import must_pass
from deploy.strategy_folders.names import taken_names
from deploy.supervisor_client import BotStatus
from deploy.target import LocalTarget, Target
from openbell.calendars.own_days import TOML
from openbell.manifest import load_all, strategy_folders

READY_WITHIN = 180.0  # seconds until a start that is not ready counts as failed
CHECK_EVERY, SIGN_EVERY = 0.1, 5.0  # seconds between two queries, and between two lines that say what is still awaited
TOO_OFTEN = 3  # restarts after which a service counts as failed
RENAMED = "nothing was started: a strategy has another name, see above"
EXAMPLE = "pulse"  # the strategy of the kit that needs neither keys nor a market's hours
PATIENCE = 10.0  # seconds for the supervisor's first answer


def everything(
    settings: Settings,
    options: Namespace,
    requested: Engine | None,
    ahead: EarlyCheck | None,
    checked: Future[processes.Output],
) -> int:
    """Check, build and start everything, then show it.

    requested: what ENGINE asks for. ahead, checked: a look at what containers need here, and the check of the manifests, which
    may still be under way.
    """
    log, given = log_to_stdout(settings.log), values(Path(".env"), os.environ)
    places = LocalPaths(strategies_folder().absolute(), data_folder(settings.project, given))
    plain = ProcessTarget(settings, places.data)
    log.info("checking the strategies")
    must_pass(settings, options, "started", checked)
    found = ahead.answer() if ahead and not plain.runs else None
    if engine_choice.choose(requested, processes_run=plain.runs, is_ready=lambda: found is not None) == "none":
        _start_processes(plain, places, settings, log)
        return _show(plain, settings, log)
    containers = LocalTarget(settings)
    _start_containers(containers, settings, log, found)
    return _show(containers, settings, log)


def restart(settings: Settings, without: str = "") -> None:
    """Let the processes in the background, if they run, be those of the strategies as they are now, but for one."""
    given = values(Path(".env"), os.environ)
    places = LocalPaths(strategies_folder().absolute(), data_folder(settings.project, given))
    plain = ProcessTarget(settings, places.data)
    if plain.runs:
        _start_processes(plain, places, settings, log_to_stdout(settings.log), without)
        wait_until_ready(plain, log_to_stdout(settings.log))


def setup(_settings: Settings, _options: Namespace) -> int:
    """Install and start an engine, or say that this machine has none."""
    engine_choice.choose(engine_choice.requested(values(Path(".env"), os.environ)), processes_run=False)
    return 0


def down(settings: Settings, _options: Namespace) -> int:
    """Stop everything that runs here, containers or processes; what they wrote stays."""
    given = values(Path(".env"), os.environ)
    plain = ProcessTarget(settings, data_folder(settings.project, given))
    if plain.runs:
        grace = settings.stop_grace
        background.stop(LocalPaths(Path(), data_folder(settings.project, given)), grace, log_to_stdout(settings.log))
        return 0
    if given.get("ENGINE") == "none" or engine.client_is_missing():
        print("Nothing runs here.")
        return 0
    return processes.run(compose.down())


def _show(where: Target, settings: Settings, log: Log) -> int:
    is_well = wait_until_ready(where, log)
    if is_well and (strategies_folder() / TOML).exists():
        operate.apply_own_days(where)
    found = where.services()
    known = where.bots(PATIENCE) if found else None
    operate.show(where, settings, found, known)
    if not is_well:
        msg = "not everything is well: see above; `make logs STRATEGY=...` shows a service's output"
        raise CommandError(msg)
    _first_run(where, known or (), log)
    return 0


def _first_run(where: Target, known: Sequence[BotStatus], log: Log) -> None:
    """Where no bot has had a slot yet, show a newcomer what a run decides, instead of leaving that to the next minute."""
    if any(bot.strategy == EXAMPLE for bot in known) and not any(bot.last_slot for bot in known):
        log.info("no slot has been due yet: running a strategy once, on historical prices", strategy=EXAMPLE)
        where.run(compose.run(EXAMPLE, None, compose.SUPERVISOR))


def _start_processes(plain: ProcessTarget, places: LocalPaths, settings: Settings, log: Log, without: str = "") -> None:
    supported()
    given = values(Path(".env"), os.environ)
    preflight.folder(places.data)
    if owner := plain.root:
        _must_be_here(owner, settings)
    wanted = asked_for(load_all(strategies_folder())[0], given.get("COMPOSE_PROFILES", ""))
    wanted = [one for one in wanted if one.name != without]
    if not without:
        _bots_must_stay({**os.environ, **places.environment(), "OPENBELL_STRATEGIES": str(places.strategies)})
    install_packages((manifest.name for manifest in wanted), places, log)
    found = stamped(wanted_processes(wanted, places, settings, secrets.filled(wanted, given)), places)
    listen = next(one.environment["OPENBELL_LISTEN"] for one in found if one.name == compose.SUPERVISOR)
    if plain.listens_on != listen:
        preflight.port(settings)
    if not plain.runs:
        background.start(places)
    log.info("starting the processes and waiting for their first sign of life")
    background.converge(places, found, max(settings.stop_grace, stop_grace.needed(wanted)))


def _start_containers(where: LocalTarget, settings: Settings, log: Log, known: Found | None) -> None:
    there = engine.listed(where.project)
    for folder in {one.folder for one in there if one.folder}:
        _must_be_here(folder, settings)
    if not any(one.service == compose.SUPERVISOR and one.state == "running" for one in there):
        preflight.port(settings)
    preflight.engine_disk(known.folder if known else Path(processes.output(compose.engine_folder()).strip()))
    wanted = known.configuration if known else configuration.read()
    images.build(wanted, log)
    _renamed_must_stay(there)
    if gives_way := _other_form([one.service for one in there if not one.ends_by_itself]):
        log.info("stopping the strategies' other form", services=", ".join(gives_way))
        processes.run(compose.remove(gives_way))
    log.info("starting the containers and waiting for their first sign of life")
    environment = _with_secrets()
    if _all_run(there, wanted) and processes.long(compose.replace_containers(), log, environment) == 0:
        there = engine.listed(where.project)
        if all(one.has_succeeded for one in there if one.ends_by_itself):
            engine.start_created(where.project, wanted["services"].keys())
            return
    if code := processes.long(compose.up(), log, environment):
        msg = "not everything could be started: see above"
        raise CommandError(msg, code)


def _all_run(there: Iterable[Listed], wanted: Mapping[str, Any]) -> bool:
    """Tell whether all services run, but for those that have done their work and ended.

    Compose starts those again each time, and asks twice a second whether they are done. Where all others run and these are
    not made anew, their work would be the same once more.
    """
    found = {one.service for one in there if (one.has_succeeded if one.ends_by_itself else one.state == "running")}
    return found.issuperset(wanted["services"])


def _renamed_must_stay(there: Iterable[Listed]) -> None:
    """Raise CommandError, before anything is stopped, if a strategy's container is there under another name."""
    known = {*(folder.name for folder in strategy_folders(strategies_folder())), *taken_names(Path("compose"))}
    orphans = [one for one in there if not one.ends_by_itself and not known.issuperset(one.strategies)]
    if orphans and processes.run(compose.check_bots()):
        raise CommandError(RENAMED)


def _bots_must_stay(environment: Mapping[str, str]) -> None:
    if processes.run((OPENBELL, "rename", "--check"), environment):
        raise CommandError(RENAMED)


def _with_secrets() -> dict[str, str]:
    """Return this process's environment with the secrets of what is enabled: Compose hands on those that a service names."""
    given = values(Path(".env"), os.environ)
    enabled = asked_for(load_all(strategies_folder())[0], given.get("COMPOSE_PROFILES", ""))
    named = {name for one in enabled for name in one.secrets}
    found = secrets.filled(enabled, given)
    return {**os.environ, **{name: found[name] for name in named if name in found}}


def _must_be_here(folder: str, settings: Settings) -> None:
    if Path(folder) != Path.cwd():
        msg = (
            f'another installation runs as "{settings.project}", from {folder}: set COMPOSE_PROJECT_NAME and OPENBELL_PORT '
            "in .env to have two, or stop that one with `make down`"
        )
        raise CommandError(msg)


def _other_form(there: Sequence[str]) -> tuple[str, ...]:
    """Return the services whose strategies will run in another form: those that are there."""
    asked = [name for name in values(Path(".env"), os.environ).get("COMPOSE_PROFILES", "").split(",") if name]
    if not asked or not there:
        return ()
    replaced = profiles.replaced(profiles.profiles_of(configuration.read_all()), asked)
    return tuple(name for name in replaced if name in there)


def wait_until_ready(where: Target, log: Log) -> bool:
    """Return whether every service is ready."""
    until, sign = time.monotonic() + READY_WITHIN, time.monotonic() + SIGN_EVERY
    while True:
        found = where.services()
        waiting = [one.name for one in found if not one.ready]
        if not waiting:
            return True
        now = time.monotonic()
        if has_failed(found) or now >= until:
            return False
        if now >= sign:
            log.info("waiting for the first sign of life", services=", ".join(waiting))
            sign = now + SIGN_EVERY
        time.sleep(CHECK_EVERY)


def has_failed(services: Iterable[Service]) -> bool:
    """Tell whether one of them will not become ready by itself."""
    return any(one.state in {"exited", "dead"} or (not one.ready and one.restarts >= TOO_OFTEN) for one in services)
