"""Where strategies live, if hosts share a database: `make move`, and the homes that a deploy to several hosts gives them."""

import json
import os
from argparse import Namespace
from pathlib import Path

from deploy.capacity.memory_needs import needs
from deploy.docker import compose, configuration
from deploy.docker.services import strategies
from deploy.errors import CommandError
from deploy.hosts import config
from deploy.settings import DATABASE, Settings, strategies_folder, values
from deploy.several_hosts import Command, names
from openbell.manifest import load_all


def move(settings: Settings, options: Namespace) -> int:
    """Let a strategy run on another of the hosts that share a database, from its next quiet moment on."""
    from deploy import target  # noqa: PLC0415 - a deploy to one host needs none of it, and connects sooner without

    with target.place(options.host, settings) as where:
        return where.run(compose.move(options.strategy, options.host))


def placed(deploy: Command) -> Command:
    """Let a deploy to several hosts that share a database give each strategy a home and a standby."""

    def run(settings: Settings, options: Namespace) -> int:
        hosts = names(options.host)
        fixed = _fixed()
        code = deploy(settings, options)
        is_shared = len(hosts) > 1 and values(Path(".env"), os.environ).get(DATABASE)
        if code or options.dry_run or options.strategy or not is_shared:
            return code
        from deploy import target  # noqa: PLC0415 - see above

        with target.place(hosts[0], settings) as where:
            return where.run(compose.place(json.dumps(_wanted(hosts, fixed))))

    run.__doc__ = deploy.__doc__
    return run


def _fixed() -> dict[str, tuple[str, str]]:
    """Return the places that hosts.toml names; CommandError for a strategy that is not there, before anything is deployed."""
    found = config.places()
    for strategy in found:
        if not (strategies_folder() / strategy).is_dir():
            msg = f"{config.default_file()}: home or standby: there is no strategy {strategy} in {strategies_folder()}"
            raise CommandError(msg)
    return found


def _wanted(hosts: list[str], places: dict[str, tuple[str, str]]) -> dict[str, object]:
    configured = configuration.read()
    manifests = load_all(strategies_folder())[0]
    known = {one.name for one in manifests}
    sizes: dict[str, int] = {}
    for one in needs(configured, manifests, {}):
        own = strategies(one.service, configured["services"][one.service].get("labels"))
        sizes |= {name: one.bytes // len(own) for name in own if name in known}
    fixed = {strategy: place for strategy, place in places.items() if strategy in sizes}
    return {"hosts": hosts, "needs": sizes, "fixed": fixed}
