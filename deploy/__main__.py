"""The host's command line: `python -m deploy COMMAND [NAME=value ...]`, which the Makefile calls."""

import os
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path

from deploy import (
    backtests,
    backups,
    database,
    homes,
    journal_export,
    journal_query,
    move,
    nightly,
    own_database,
    own_folder,
    packages,
    processes,
    scaffold,
    several_hosts,
    target,
    upgrade,
)
from deploy.capacity.command import plan
from deploy.check import check, must_pass
from deploy.cli import arguments, operate
from deploy.cli.known import must_exist
from deploy.docker import compose, generated, profiles
from deploy.errors import CommandError, of_the_machine
from deploy.hosts import config
from deploy.kubernetes import command as kubernetes
from deploy.local import demo
from deploy.local import run as local
from deploy.local.process_target import ProcessTarget
from deploy.local.processes import LocalPaths, asked_for
from deploy.log import log_to_stdout
from deploy.release import commands as releases
from deploy.rename import rename
from deploy.serverless import command as serverless
from deploy.settings import STRATEGIES, Settings, read_settings, strategies_folder, values
from deploy.start import down, restart, setup, up
from deploy.target import here
from openbell import terminal
from openbell.calendars import own_days
from openbell.manifest import BLACKOUT, load_all


def coming(_settings: Settings, options: Namespace) -> int:
    """List the coming slots of what is enabled, of one strategy, or of everything."""
    if options.strategy or options.all:
        return processes.run(compose.coming((options.strategy,) if options.strategy else ()))
    profiles_named = values(Path(".env"), os.environ).get("COMPOSE_PROFILES", "")
    manifests, _ = load_all(strategies_folder())
    return processes.run(compose.coming(one.name for one in asked_for(manifests, profiles_named)))


def make(_settings: Settings, options: Namespace) -> int:
    """Write a new strategy that runs at once."""
    written = scaffold.create(options.strategy, strategies_folder(), Path("compose"))
    print("\n".join(f"wrote {path}" for path in written))
    print("`make up` starts it; it is due every minute. Edit strategy.py to make it yours.")
    return 0


def init(_settings: Settings, options: Namespace) -> int:
    """Write a folder for strategies of one's own."""
    folder = Path(options.dir).expanduser()
    written = own_folder.init(folder)
    print("\n".join(f"wrote {path}" for path in written))
    print(f"Set OPENBELL_STRATEGIES={options.dir} in .env; then `make up` starts what is in it.")
    return 0


def remove(settings: Settings, options: Namespace) -> int:
    """Stop a strategy and delete its folder; what it wrote stays unless DATA=1."""
    must_exist(options.strategy, strategies_folder())
    data = local.data_folder(settings.project, values(Path(".env"), os.environ))
    plain = isinstance(here(settings, values(Path(".env"), os.environ)), ProcessTarget)
    folder = strategies_folder() / options.strategy
    own_folder.remove(folder, data=options.data, sure=options.yes, in_containers=not plain)
    generated.write(strategies_folder())
    if plain:
        restart(settings)
        for kind in ("journal", "state", "control") if options.data else ():
            shutil.rmtree(data / kind / options.strategy, ignore_errors=True)
    return 0


def add(settings: Settings, options: Namespace) -> int:
    """Let a strategy use packages: ask for them and lock them."""
    must_exist(options.strategy, strategies_folder())
    packages.add(strategies_folder() / options.strategy, options.package, log_to_stdout(settings.log))
    return 0


def lock(settings: Settings, options: Namespace) -> int:
    """Lock a strategy's packages anew."""
    must_exist(options.strategy, strategies_folder())
    packages.lock(strategies_folder() / options.strategy, log_to_stdout(settings.log))
    return 0


def deploy(settings: Settings, options: Namespace) -> int:
    """Bring what is here to a host and put it in place, between runs; or everything back."""
    must_pass(settings, options, "deployed")
    idle = options.wait == "idle"
    wishes = releases.DeployOptions(options.strategy, dry_run=options.dry_run, idle=idle, yes=options.yes)
    code = releases.deploy(
        config.find(options.host, settings), log_to_stdout(settings.log), wishes, strategies_folder()
    )
    if code or options.dry_run or not (strategies_folder() / own_days.TOML).exists():
        return code
    with target.place(options.host, settings) as where:
        return operate.apply_own_days(where)


def move_to(settings: Settings, options: Namespace) -> int:
    """Bring what runs here or on a host to another host, with all that it knows."""
    must_pass(settings, options, "moved")
    return move.move(settings, options.host, options.source)


def rollback(settings: Settings, options: Namespace) -> int:
    """Return a host to an earlier release."""
    wishes = releases.DeployOptions(dry_run=options.dry_run, idle=options.wait == "idle", to=options.to)
    return releases.rollback(config.find(options.host, settings), log_to_stdout(settings.log), wishes)


def list_releases(settings: Settings, options: Namespace) -> int:
    """List the releases that a host keeps."""
    return releases.releases(config.find(options.host, settings))


def run_local(settings: Settings, options: Namespace) -> int:
    """Run the strategies and the supervisor as processes of this machine, without Docker, until Ctrl-C."""
    must_pass(settings, options, "started")
    given = values(Path(".env"), os.environ)
    places = LocalPaths(strategies_folder().absolute(), local.data_folder(settings.project, given))
    wanted = asked_for(load_all(strategies_folder())[0], given.get("COMPOSE_PROFILES", ""))
    return local.run(wanted, places, settings, given)


def run_demo(settings: Settings, _options: Namespace) -> int:
    """Show in a minute, by a faster clock: runs, a killed strategy, the missed slot, the alert and the recovery."""
    return demo.run(STRATEGIES.absolute(), settings)  # the kit's own, which are always here


def crontab(settings: Settings, options: Namespace) -> int:
    """Print the lines for cron: those of strategies, or with BACKUP= and PARQUET= those of each night."""
    if options.backup or options.parquet:
        print(nightly.lines(options))
        return 0
    if options.strategy:
        must_exist(options.strategy, strategies_folder())
    data = local.data_folder(settings.project, values(Path(".env"), os.environ))
    wanted = (
        [options.strategy]
        if options.strategy
        else [one.name for one in asked_for(load_all(strategies_folder())[0], "")]
    )
    # What is printed may go straight into a crontab: anything else goes where it does not.
    with redirect_stdout(sys.stderr):
        local.install_packages(wanted, LocalPaths(strategies_folder().absolute(), data), log_to_stdout(settings.log))
    return processes.run(compose.crontab(options.strategy, data))


def write_function(settings: Settings, options: Namespace) -> int:
    """Write the folder that makes a strategy a function of a cloud."""
    must_exist(options.strategy, strategies_folder())
    must_pass(settings, options, "written")
    manifest = {one.name: one for one in load_all(strategies_folder())[0]}.get(options.strategy)
    if manifest is None:
        msg = f"{options.strategy}: its manifest is not valid: `make check` says why"
        raise CommandError(msg)
    return serverless.write(options.target, manifest, strategies_folder(), options.memory)


COMMANDS: Mapping[str, Callable[[Settings, Namespace], int]] = {
    "up": up,
    "setup": setup,
    "ps": several_hosts.overview(operate.ps),
    "down": down,
    "logs": operate.logs,
    "run": operate.run,
    "pause": operate.pause,
    "resume": operate.resume,
    "halt": operate.halt,
    "unhalt": operate.unhalt,
    "flatten": operate.flatten,
    "reconcile": operate.reconcile,
    "journal": operate.journal,
    "check": check,
    "alert-test": operate.alert_test,
    "canary": operate.canary,
    "next": coming,
    "calendar": operate.calendar,
    "new": make,
    "local": run_local,
    "demo": run_demo,
    "init": init,
    "remove": remove,
    "rename": rename,
    "add": add,
    "lock": lock,
    "backup": backups.backup,
    "restore": backups.restore,
    "query": journal_query.query,
    "database": own_database.database,
    "database-backup": own_database.backup,
    "database-restore": own_database.restore,
    "export": journal_export.export,
    "move-to-database": database.move_to,
    "move-from-database": database.move_from,
    "upgrade": upgrade.upgrade,
    "deploy": homes.placed(several_hosts.in_order("deploy")(deploy)),
    "move": homes.move,
    "move-to": move_to,
    "rollback": several_hosts.in_order("rollback")(rollback),
    "releases": list_releases,
    "crontab": crontab,
    "backtest": backtests.backtest,
    "compare": backtests.compare,
    "history": backtests.history,
    "serverless": write_function,
    "kubernetes": kubernetes.kubernetes,
    "provision": operate.provision,
    "stats": operate.stats,
    "plan": plan,
    "dashboard": operate.open_dashboard,
    "audit": operate.show_audit,
}


def main() -> int:
    """Run one command; a problem is one line and its exit code."""
    terminal.guard()
    name, *words = sys.argv[1:] or ["help"]
    if name not in COMMANDS:
        print(_help(), file=sys.stderr)
        return 0 if name in {"help", "--help", "-h"} else 2
    # The commands find the project's files; what they print is in the order of time with what other programs print.
    os.chdir(Path(__file__).parent.parent)
    try:
        options = arguments.options(name, words, os.environ)
        if profile := os.environ.get("PROFILE", "").strip():
            os.environ["COMPOSE_PROFILES"] = profile
            _profile_must_exist(profile)
        settings = read_settings(Path(".env"), os.environ)
        # The manifests' reader knows the environment only, also in the processes that commands start.
        if windows := values(Path(".env"), os.environ).get(BLACKOUT):
            os.environ[BLACKOUT] = windows
        if name != "init":  # which makes the folder
            own_folder.must_exist(strategies_folder())
            generated.write(strategies_folder())
        code = COMMANDS[name](settings, options)
        sys.stdout.flush()
    except CommandError as problem:
        print(f"openbell: {problem}", file=sys.stderr)
        return problem.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if not (told := of_the_machine(error)):
            raise
        print(f"openbell: {told}", file=sys.stderr)
        return 1
    return 0 if code in {-signal.SIGPIPE, 128 + signal.SIGPIPE} else code


def _profile_must_exist(profile: str) -> None:
    if problem := profiles.unknown(profile, load_all(strategies_folder())[0], Path("compose").glob("*.yaml")):
        raise CommandError(problem, 2)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {' '.join((function.__doc__ or '').split())}" for name, function in COMMANDS.items()]
    return "\n".join(("usage: python -m deploy COMMAND [NAME=value ...]", *lines))


if __name__ == "__main__":
    sys.exit(main())
