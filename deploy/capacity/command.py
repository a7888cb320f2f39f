"""`make plan`: what is to run, against the memory of this machine or a host."""

import json
from argparse import Namespace
from collections.abc import Mapping

from deploy import container_stats, processes, settings, target
from deploy.capacity import fit
from deploy.capacity.memory_needs import needs
from deploy.docker import compose
from deploy.errors import CommandError
from deploy.settings import Settings, strategies_folder
from deploy.target import RemoteTarget, Target
from openbell.manifest import load_all

# What a host's entry in hosts.toml may change about the memory. Its other keys may be secret, and stay out of a command.
SETTINGS = ("COMPOSE_PROFILES", *(key for key in settings.KEYS if key.endswith("_MEMORY")))


def plan(settings: Settings, options: Namespace) -> int:
    """Add up limits and needs against a machine's memory; CommandError if it cannot fit."""
    with target.place(options.host, settings) as where:
        own = where.host.environment if isinstance(where, RemoteTarget) else {}
        found = needs(_configuration(own), load_all(strategies_folder())[0], running := _running(where))
        facts = where.facts()
    if not facts.memory:
        msg = f"{options.host or 'this machine'}: does not say how much memory it has: make plan needs Linux's /proc/meminfo"
        raise CommandError(msg)
    name = options.host or "this machine"
    planned = fit.plan(found, facts, sum(running.values()), len(running))
    print(f"\n{fit.table(planned, name)}\n", flush=True)
    if refused := fit.refusal(planned, name):
        raise CommandError(refused)
    return 0


def _configuration(own: Mapping[str, str]) -> Mapping[str, object]:
    given = [f"{key}={own[key]}" for key in SETTINGS if key in own]
    return dict(json.loads(processes.output(("env", *given, *compose.configuration()))))


def _running(where: Target) -> dict[str, int]:
    """Return what our running containers take; none where no engine answers, which is no reason not to plan."""
    try:
        usages = container_stats.read(where.engine, where.project).usages
    except CommandError:
        return {}
    return {usage.service: usage.memory for usage in usages if usage.memory}
