"""The commands for what runs, on this machine or, with HOST, on another: the same commands, and place.py knows where."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence

from deploy import audit, container_stats, processes, status_table, supervisor_client, target, tunnel
from deploy.cli.arguments import must_exist, quoted
from deploy.docker import compose, engine
from deploy.docker.compose import ServiceCommand
from deploy.errors import CommandError
from deploy.hosts import config
from deploy.local.process_target import ProcessTarget
from deploy.log import log_to_stdout
from deploy.provision.command import provision as make_ready
from deploy.release import host_state, provenance
from deploy.settings import Settings, strategies_folder
from deploy.several_hosts import overview
from deploy.ssh.connection import Connection
from deploy.supervisor_client import BotStatus
from deploy.target import RemoteTarget, Target
from openbell.calendars import own_days
from openbell.manifest import load_all, suggestion

NO_CHANNEL = "No channel is set, so no alert is sent when something goes wrong: set OPENBELL_ALERT_URLS in .env."
FEW = 8  # names that a message lists
ANSWER = 5.0  # seconds for a page at the other end of a tunnel


@overview
def ps(settings: Settings, options: Namespace) -> int:
    """Show services and bots; 1 if something is not well."""
    with target.place(options.host, settings) as where:
        found = where.services()
        return show(where, settings, found, where.bots(0) if found else None)


def show(where: Target, settings: Settings, found: Sequence[engine.Service], known: Sequence[BotStatus] | None) -> int:
    """Print the overview of services and bots; return 1 if a service is not well, or none is there."""
    page = where.page if isinstance(where, target.LocalTarget | ProcessTarget) else f"make dashboard{where.option}"
    text = status_table.overview(found, known, status_table.Hints(page, where.start, where.option), settings.timezone)
    if isinstance(where, RemoteTarget) and (release := host_state.fetch(where.connection).current):
        text = f"Release {release.id} by {release.by}, from {release.sources}\n\n{text}"
    elif known is not None and supervisor_client.has_channel(settings.page) is False:
        text = f"{text}\n\n{NO_CHANNEL}"
    print(f"\n{text}\n", flush=True)
    return 0 if found and all(service.well for service in found) else 1


def logs(settings: Settings, options: Namespace) -> int:
    """Follow what a container writes."""
    with target.place(options.host, settings) as where:
        if not where.services():
            msg = f"nothing runs: start it with `{where.start}`"
            raise CommandError(msg)
        service = options.strategy and _logged(options.strategy, where)
        return where.run(compose.logs(service, follow=options.follow))


def _logged(strategy: str, where: Target) -> str:
    """Return the service whose output holds a strategy's; CommandError if there is none."""
    found = where.services()
    known = {name for service in found for name in (service.name, *service.strategies)}
    if strategy not in known:
        msg = f"STRATEGY: no container of {quoted(strategy)} is here; {suggestion(strategy, known)}"
        raise CommandError(msg, 2)
    return _hosting(strategy, found)


def run(settings: Settings, options: Namespace) -> int:
    """Run a strategy where it runs: now, or as a slot that has passed, after showing which and asking."""
    with target.place(options.host, settings) as where:
        service_of(options.strategy, where)
        must_run(compose.SUPERVISOR, where)
        if options.slot:
            shown = compose.run(options.strategy, options.bot, compose.SUPERVISOR, slot=options.slot, dry_run=True)
            if code := where.run(shown):
                return code
            confirm("Run it?", "runs it", yes=options.yes)
        command = compose.run(options.strategy, options.bot, compose.SUPERVISOR, slot=options.slot)
        try:
            return _audited(where, command, "run", strategy=options.strategy)
        except KeyboardInterrupt:
            how = f"make journal STRATEGY={options.strategy} SINCE=1h{where.option}"
            print(f"\nopenbell: a run that has started goes on; `{how}` shows how it ends", file=sys.stderr)
            return 130


def pause(settings: Settings, options: Namespace) -> int:
    """Pause a bot."""
    with target.place(options.host, settings) as where:
        strategy = _owner(options.bot, where)
        must_run(compose.SUPERVISOR, where)
        command = compose.pause(strategy, options.bot, options.length, options.reason, compose.SUPERVISOR)
        return _audited(where, command, "pause", bot=options.bot, reason=options.reason)


def resume(settings: Settings, options: Namespace) -> int:
    """Let a paused bot run again."""
    with target.place(options.host, settings) as where:
        strategy = _owner(options.bot, where)
        must_run(compose.SUPERVISOR, where)
        command = compose.resume(strategy, options.bot, compose.SUPERVISOR)
        return _audited(where, command, "resume", bot=options.bot)


def halt(settings: Settings, options: Namespace) -> int:
    """Stop all orders of all strategies, at once."""
    with target.place(options.host, settings) as where:
        words = compose.halt(options.reason, exits=options.exits)
        return _audited(where, _operator(where, words), "halt", reason=options.reason)


def unhalt(settings: Settings, options: Namespace) -> int:
    """Let strategies send orders again."""
    with target.place(options.host, settings) as where:
        return _audited(where, _operator(where, ("unhalt",)), "unhalt")


def calendar(settings: Settings, options: Namespace) -> int:
    """Show the coming sessions of calendars; APPLY: let what runs obey strategies/calendar.toml from now on."""
    if code := processes.run(compose.calendar(options.calendar)):
        return code
    if not options.apply:
        return 0
    with target.place(options.host, settings) as where:
        return apply_own_days(where)


def apply_own_days(where: Target) -> int:
    """Let what runs obey the own days of this folder; no file is no days."""
    days = json.dumps(own_days.as_json(own_days.read(strategies_folder() / own_days.TOML)))
    return _audited(where, _operator(where, ("own-days", days)), "calendar")


def flatten(settings: Settings, options: Namespace) -> int:
    """Cancel what waits and close what strategies hold, after showing it and asking."""
    with target.place(options.host, settings) as where:
        running = [one for one in where.services() if one.state == "running"]
        names = [options.strategy] if options.strategy else sorted({name for one in running for name in one.strategies})
        if not names:
            msg = "no strategy runs here, so nothing can be closed: start them, or close it at the broker"
            raise CommandError(msg)
        services = {name: service_of(name, where) for name in names}
        for name, service in services.items():
            if code := where.run(compose.flatten(name, dry_run=True, service=service)):
                return code
        confirm("Cancel and close all of this?", "cancels and closes all of this", yes=options.yes)
        return max(
            _audited(where, compose.flatten(name, dry_run=False, service=service), "flatten", strategy=name)
            for name, service in services.items()
        )


def confirm(question: str, what: str, *, yes: bool) -> None:
    """Ask a person, unless YES=1 has answered; CommandError unless the answer is yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        msg = f"nothing was changed: no terminal is there to ask for your consent; YES=1 {what}"
        raise CommandError(msg, 2)
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        msg = "nothing was changed"
        raise CommandError(msg)


def reconcile(settings: Settings, options: Namespace) -> int:
    """Compare what a strategy's broker holds with what its orders say."""
    with target.place(options.host, settings) as where:
        service = service_of(options.strategy, where)
        command = compose.reconcile(options.strategy, adopt=options.adopt, service=service)
        return _audited(where, command, "reconcile", strategy=options.strategy) if options.adopt else where.run(command)


def _operator(where: Target, words: compose.Command) -> ServiceCommand:
    """Return a command of openbell with the right to write what strategies obey: the supervisor's, or one of its own."""
    running = [service for service in where.services() if service.state == "running"]
    if not running:
        msg = "nothing runs here, so no order can be sent"
        raise CommandError(msg)
    if any(service.name == compose.SUPERVISOR for service in running):
        return compose.operator(words)
    return compose.beside(where.project, running[0].name, running[0].image, words)


def journal(settings: Settings, options: Namespace) -> int:
    """Print lines of a strategy's journal."""
    return _ask_supervisor(settings, options, compose.journal(options.strategy, options.symbol, options.since))


def alert_test(settings: Settings, options: Namespace) -> int:
    """Send one message to each channel and say which failed and why."""
    return _ask_supervisor(settings, options, compose.alert_test())


def canary(settings: Settings, options: Namespace) -> int:
    """Miss a slot on purpose and follow the alert to the channels."""
    return _ask_supervisor(settings, options, compose.canary())


def stats(settings: Settings, options: Namespace) -> int:
    """Show what the containers take: memory, CPU, disk, restarts."""
    with target.place(options.host, settings) as where:
        if not where.services():
            msg = f"nothing runs: start it with `{where.start}`"
            raise CommandError(msg)
        print(
            "\n" + container_stats.table(container_stats.read(where.engine, where.project), where.facts()) + "\n",
            flush=True,
        )
    return 0


def open_dashboard(settings: Settings, options: Namespace) -> int:
    """Lead a port of this machine to a host's status page, until Ctrl-C."""
    return tunnel.serve(config.find(options.host, settings), log_to_stdout(settings.log))


def show_audit(settings: Settings, options: Namespace) -> int:
    """Show what was done to a host, and by whom."""
    with Connection(config.find(options.host, settings)) as connection:
        text = audit.read(connection)
    print(text if options.json else audit.table(text))
    return 0


def provision(settings: Settings, options: Namespace) -> int:
    """Make a bare Debian or Ubuntu host ready for deploys."""
    return make_ready(config.find(options.host, settings), yes=options.yes)


def service_of(strategy: str, where: Target) -> str:
    """Return the service that a strategy runs in: its own, or one that hosts several; CommandError if none runs."""
    if not isinstance(where, RemoteTarget):
        must_exist(strategy, strategies_folder())
    service = _hosting(strategy, [one for one in where.services() if one.state == "running"])
    if service == strategy:
        must_run(strategy, where)
    return service


def _hosting(strategy: str, found: Sequence[engine.Service]) -> str:
    """Return which of these services hosts a strategy: its own where there is one; its name too if none does."""
    names = [one.name for one in found if strategy in one.strategies]
    return strategy if strategy in names or not names else names[0]


def must_run(name: str, where: Target) -> None:
    """Raise CommandError if there is no container of that name that runs."""
    running = _running(where.services())
    if name not in running:
        what = f"what runs: {', '.join(running) or 'nothing'}" if len(running) <= FEW else suggestion(name, running)
        msg = f"{name} does not run: start it with `{where.start}`; {what}"
        raise CommandError(msg)


def _running(found: Sequence[engine.Service]) -> list[str]:
    return [service.name for service in found if service.state == "running"]


def _ask_supervisor(settings: Settings, options: Namespace, command: ServiceCommand) -> int:
    with target.place(options.host, settings) as where:
        must_run(compose.SUPERVISOR, where)
        return where.run(command)


def _owner(bot: str, where: Target) -> str:
    """Return the strategy that has the bot; a CommandError that lists the bots if none has."""
    # What runs elsewhere need not be what is here.
    known = where.bots(ANSWER) if isinstance(where, RemoteTarget) and where.services() else None
    if known is None:
        manifests, _ = load_all(strategies_folder())
        owners = {one.id: manifest.name for manifest in manifests for one in manifest.bots}
    else:
        owners = {one.id: one.strategy for one in known}
    if bot not in owners:
        msg = f"BOT: there is no bot {quoted(bot)}; {suggestion(bot, owners)}"
        raise CommandError(msg, 2)
    return owners[bot]


def _audited(where: Target, command: ServiceCommand, action: str, **what: str) -> int:
    """Run a command that changes something; on a host that is a line of its audit."""
    code = where.run(command)
    if isinstance(where, RemoteTarget):
        outcome = "failed" if code else "succeeded"
        line = {"action": action, "by": provenance.who(), "host": where.host.name, "outcome": outcome, **what}
        audit.append(where.connection, line)
    return code
