"""The host's command line: `python -m deploy COMMAND`, which the Makefile calls."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path

from deploy import compose, environment, execute, forms, grace, hosts, new, running, services
from deploy.arguments import parser
from deploy.capacity.command import plan
from deploy.environment import Settings
from deploy.local import demo
from deploy.local import main as local
from deploy.local.processes import Places, asked_for
from deploy.place import Here
from deploy.problem import Problem
from deploy.progress import log_to_stdout
from deploy.release import commands as releases
from deploy.serverless import command as serverless
from openbell.manifest import load_all, strategy_folders

PATIENCE = 10.0  # seconds for the supervisor's first answer
STRATEGIES = Path("strategies")
SERVICES = Path("compose/strategies.yaml")
OPTIONAL_SERVICES = (Path("compose/portfolio.yaml"), Path("compose/brokers.yaml"))  # those of profiles


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
    if gives_way := _other_form():
        log.info("stopping the strategies' other form", services=", ".join(gives_way))
        execute.run(compose.remove(gives_way))
    log.info("starting the containers and waiting until they are healthy")
    code = execute.long(compose.up(), log)
    running.show(Here(settings), settings, PATIENCE)
    if code:
        msg = "not everything is healthy: see above, and `make logs STRATEGY=...` for the rest of a container's output"
        raise Problem(msg, code)
    return 0


def _other_form() -> tuple[str, ...]:
    asked = [
        name for name in environment.values(Path(".env"), os.environ).get("COMPOSE_PROFILES", "").split(",") if name
    ]
    if not asked:
        return ()
    return forms.replaced(forms.profiles_of(json.loads(execute.output(compose.all_configuration()))), asked)


def down(_settings: Settings, _options: argparse.Namespace) -> int:
    """Stop and remove the containers; what they wrote stays."""
    return execute.run(compose.down())


def check(settings: Settings, _options: argparse.Namespace) -> int:
    """Validate all strategies, and what concerns them together: their services, and how long a stop waits."""
    code = execute.run(compose.check())
    folders = [folder.name for folder in strategy_folders(STRATEGIES)]
    problems = list(
        services.differences(
            folders, [name for file in (SERVICES, *OPTIONAL_SERVICES) for name in services.names(file)]
        )
    )
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


def deploy(settings: Settings, options: argparse.Namespace) -> int:
    """Bring what is here to a host and put it in place, between runs; or everything back."""
    if code := check(settings, options):
        msg = "nothing was deployed: mend what the lines above name, and try again"
        raise Problem(msg, code)
    wishes = releases.Wishes(options.strategy, dry_run=options.dry_run, idle=options.wait == "idle")
    return releases.deploy(hosts.find(options.host, settings), log_to_stdout(settings.log), wishes, STRATEGIES)


def rollback(settings: Settings, options: argparse.Namespace) -> int:
    """Put a release of before in place on a host."""
    wishes = releases.Wishes(dry_run=options.dry_run, idle=options.wait == "idle", to=options.to)
    return releases.rollback(hosts.find(options.host, settings), log_to_stdout(settings.log), wishes)


def list_releases(settings: Settings, options: argparse.Namespace) -> int:
    """List the releases that a host keeps."""
    return releases.releases(hosts.find(options.host, settings))


def run_local(settings: Settings, options: argparse.Namespace) -> int:
    """Run the strategies and the supervisor as processes of this machine, without Docker, until Ctrl-C."""
    if code := check(settings, options):
        msg = "nothing was started: mend what the lines above name, and try again"
        raise Problem(msg, code)
    given = environment.values(Path(".env"), os.environ)
    places = Places(STRATEGIES.absolute(), local.data_folder(settings.project, given))
    wanted = asked_for(load_all(STRATEGIES)[0], given.get("COMPOSE_PROFILES", ""))
    return local.run(wanted, places, settings, given)


def run_demo(settings: Settings, _options: argparse.Namespace) -> int:
    """Show in a minute, by a faster clock: runs, a killed strategy, the missed slot, the alert and the recovery."""
    return demo.run(STRATEGIES.absolute(), settings)


def crontab(settings: Settings, options: argparse.Namespace) -> int:
    """Print the lines for cron."""
    data = local.data_folder(settings.project, environment.values(Path(".env"), os.environ))
    wanted = [options.strategy] if options.strategy else [one.name for one in asked_for(load_all(STRATEGIES)[0], "")]
    # What is printed may go straight into a crontab: anything else goes where it does not.
    with redirect_stdout(sys.stderr):
        local.install_packages(wanted, Places(STRATEGIES.absolute(), data), log_to_stdout(settings.log))
    return execute.run(compose.crontab(options.strategy, data))


def backtest(settings: Settings, options: argparse.Namespace) -> int:
    """Run a strategy over every slot of the past."""
    data = local.data_folder(settings.project, environment.values(Path(".env"), os.environ))
    places = Places(STRATEGIES.absolute(), data)
    local.install_packages([options.strategy], places, log_to_stdout(settings.log))
    return execute.run(compose.backtest(options.strategy, tuple(options.options), places.packages(options.strategy)))


def write_function(settings: Settings, options: argparse.Namespace) -> int:
    """Write the folder that makes a strategy a function of a cloud."""
    if code := check(settings, options):
        msg = "nothing was written: mend what the lines above name, and try again"
        raise Problem(msg, code)
    manifest = {one.name: one for one in load_all(STRATEGIES)[0]}.get(options.strategy)
    if manifest is None:
        names = ", ".join(folder.name for folder in strategy_folders(STRATEGIES))
        msg = f'STRATEGY: found "{options.strategy}"; allowed: one of {names}'
        raise Problem(msg, 2)
    return serverless.write(options.target, manifest, STRATEGIES, options.memory)


COMMANDS: Mapping[str, Callable[[Settings, argparse.Namespace], int]] = {
    "up": up,
    "ps": running.ps,
    "down": down,
    "logs": running.logs,
    "run": running.run,
    "pause": running.pause,
    "resume": running.resume,
    "halt": running.halt,
    "unhalt": running.unhalt,
    "reconcile": running.reconcile,
    "journal": running.journal,
    "check": check,
    "alert-test": running.alert_test,
    "canary": running.canary,
    "next": coming,
    "new": make,
    "local": run_local,
    "demo": run_demo,
    "deploy": deploy,
    "rollback": rollback,
    "releases": list_releases,
    "crontab": crontab,
    "backtest": backtest,
    "serverless": write_function,
    "provision": running.provision,
    "stats": running.take,
    "plan": plan,
    "dashboard": running.open_dashboard,
    "audit": running.show_audit,
}


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return parser(COMMANDS)


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
