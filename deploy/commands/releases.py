"""The commands that change which release a host runs."""

from argparse import Namespace

from deploy import engine_choice, homes
from deploy.docker.installed import EarlyCheck
from deploy.errors import CommandError
from deploy.hosts import config
from deploy.hosts.facts import EarlyFacts
from deploy.log import log_to_stdout
from deploy.release import build
from deploy.release import commands as releases
from deploy.settings import Settings, strategies_folder
from deploy.several_hosts import in_order
from deploy.strategy_folders.check import must_pass
from openbell.calendars import own_days


@homes.placed
@in_order("deploy")
def deploy(settings: Settings, options: Namespace) -> int:
    """Bring what is here to a host and put it in place, between runs; or everything back."""
    host = config.find(options.host, settings)
    idle = options.wait == "idle"
    wishes = releases.DeployOptions(options.strategy, dry_run=options.dry_run, idle=idle, yes=options.yes)
    build.use(host)
    with EarlyFacts(host) as early:
        ahead = EarlyCheck()
        must_pass(settings, options, "deployed")
        found = ahead.answer()
        if found is None and (reason := engine_choice.prepare_engine()):
            raise CommandError(reason)
        code = releases.deploy(host, log_to_stdout(settings.log), wishes, strategies_folder(), early=early, found=found)
    if code or options.dry_run or not (strategies_folder() / own_days.TOML).exists():
        return code
    from deploy import target  # noqa: PLC0415 - few need it, and a deploy connects sooner without
    from deploy.cli import operate  # noqa: PLC0415

    with target.place(options.host, settings) as where:
        return operate.apply_own_days(where)


@in_order("rollback")
def rollback(settings: Settings, options: Namespace) -> int:
    """Return a host to an earlier release."""
    wishes = releases.DeployOptions(dry_run=options.dry_run, idle=options.wait == "idle", to=options.to)
    return releases.rollback(config.find(options.host, settings), log_to_stdout(settings.log), wishes)


def list_releases(settings: Settings, options: Namespace) -> int:
    """List the releases that a host keeps."""
    return releases.releases(config.find(options.host, settings))
