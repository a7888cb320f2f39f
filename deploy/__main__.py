"""The host's command line: `python -m deploy COMMAND`, which the Makefile calls."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy import bots, compose, engine, environment, execute, grace, new, services, table
from deploy.environment import Settings
from deploy.problem import Problem
from deploy.progress import log_to_stdout
from openbell.manifest import load_all, strategy_folders

PATIENCE = 10.0  # seconds for the supervisor's first answer
STRATEGIES = Path("strategies")
SERVICES = Path("compose/strategies.yaml")


def up(settings: Settings, options: argparse.Namespace) -> int:
    """Check, build and start everything, then show it."""
    log = log_to_stdout(settings.log)
    log.info("checking the strategies")
    if code := check(settings, options):
        msg = "nothing was started: mend what the lines above name, and try again"
        raise Problem(msg, code)
    log.info("building the images")
    if code := execute.long(compose.build(), log):
        msg = "an image could not be built: the step that failed is above"
        raise Problem(msg, code)
    log.info("starting the containers and waiting until they are healthy")
    code = execute.long(compose.up(), log)
    show(settings, PATIENCE)
    if code:
        msg = "not everything is healthy: see above, and `make logs STRATEGY=...` for the rest of a container's output"
        raise Problem(msg, code)
    return 0


def ps(settings: Settings, _options: argparse.Namespace) -> int:
    """Show services and bots; 1 if something is not well."""
    return show(settings, 0)


def show(settings: Settings, patience: float) -> int:
    """Print the overview; return 1 if a service is not well, or none is there."""
    found = engine.services(settings.project)
    known = bots.fetch(settings.page, patience) if found else None
    print("\n" + table.overview(found, known, settings.page, settings.timezone) + "\n", flush=True)
    return 0 if found and all(service.well for service in found) else 1


def down(_settings: Settings, _options: argparse.Namespace) -> int:
    """Stop and remove the containers; what they wrote stays."""
    return execute.run(compose.down())


def logs(_settings: Settings, options: argparse.Namespace) -> int:
    """Follow what a container writes."""
    return execute.run(compose.logs(options.strategy, follow=not options.no_follow))


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Run a strategy now, in its container."""
    must_run(options.strategy, engine.services(settings.project))
    return execute.run(compose.run(options.strategy, options.bot))


def pause(settings: Settings, options: argparse.Namespace) -> int:
    """Pause a bot."""
    strategy = owner(options.bot)
    must_run(strategy, engine.services(settings.project))
    return execute.run(compose.pause(strategy, options.bot, options.length, options.reason))


def resume(settings: Settings, options: argparse.Namespace) -> int:
    """Let a paused bot run again."""
    strategy = owner(options.bot)
    must_run(strategy, engine.services(settings.project))
    return execute.run(compose.resume(strategy, options.bot))


def owner(bot: str) -> str:
    """Return the strategy that has the bot; a Problem that lists the bots if none has."""
    manifests, _ = load_all(Path("strategies"))
    owners = {one.id: manifest.name for manifest in manifests for one in manifest.bots}
    if bot not in owners:
        msg = f'BOT: found "{bot}"; allowed: one of {", ".join(sorted(owners))}'
        raise Problem(msg, 2)
    return owners[bot]


def journal(settings: Settings, options: argparse.Namespace) -> int:
    """Print lines of a strategy's journal."""
    must_run(compose.SUPERVISOR, engine.services(settings.project))
    return execute.run(compose.journal(options.strategy, options.symbol, options.since))


def must_run(name: str, found: Sequence[engine.Service]) -> None:
    """Raise Problem if there is no container of that name that runs."""
    running = [service.name for service in found if service.state == "running"]
    if name not in running:
        msg = f"{name} does not run: start it with `make up`; what runs: {', '.join(running) or 'nothing'}"
        raise Problem(msg)


def check(settings: Settings, _options: argparse.Namespace) -> int:
    """Validate all strategies, and what concerns them together: their services, and how long a stop waits."""
    code = execute.run(compose.check())
    folders = [folder.name for folder in strategy_folders(STRATEGIES)]
    problems = list(services.differences(folders, services.names(SERVICES)))
    if problem := grace.too_short(load_all(STRATEGIES)[0], settings.stop_grace):
        problems.append(problem)
    for problem in problems:
        print(problem, file=sys.stderr)
    return code or (1 if problems else 0)


def coming(_settings: Settings, options: argparse.Namespace) -> int:
    """List the coming slots."""
    return execute.run(compose.coming(options.strategy))


def make(_settings: Settings, options: argparse.Namespace) -> int:
    """Write a new strategy that runs at once."""
    written = new.create(options.strategy, STRATEGIES, SERVICES)
    print("\n".join(f"wrote {path}" for path in written))
    print("`make up` starts it; it is due every minute. Its idea is yours to put into strategy.py.")
    return 0


COMMANDS: Mapping[str, Callable[[Settings, argparse.Namespace], int]] = {
    "up": up,
    "ps": ps,
    "down": down,
    "logs": logs,
    "run": run,
    "pause": pause,
    "resume": resume,
    "journal": journal,
    "check": check,
    "next": coming,
    "new": make,
}


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy", description="the host's side of openbell")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__)
        if name in {"run", "journal", "new"}:
            command.add_argument("strategy")
        if name in {"logs", "next"}:
            command.add_argument("strategy", nargs="?")
        if name == "logs":
            command.add_argument("--no-follow", action="store_true", help="print what is there, and end")
        if name == "run":
            command.add_argument("--bot", help="only this bot")
        if name in {"pause", "resume"}:
            command.add_argument("bot")
        if name == "pause":
            command.add_argument("--for", dest="length", help='how long, such as "2h"')
            command.add_argument("--reason", required=True)
        if name == "journal":
            command.add_argument("--symbol", help="only lines about this symbol")
            command.add_argument("--since", help='a duration such as "2h", or a date')
    return parser


def main() -> int:
    """Run one command; a problem is one line and its exit code."""
    options = arguments().parse_args()
    # Whatever is started finds the project's files, and shows its own in the order of time with ours.
    os.chdir(Path(__file__).parent.parent)
    try:
        settings = environment.read(Path(".env"), os.environ)
        return COMMANDS[options.command](settings, options)
    except Problem as problem:
        print(f"openbell: {problem}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
