"""HOST=a,b: the same command for several hosts, one after the other, each in a process of its own with its own settings."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import suppress

from deploy import processes, target
from deploy.docker import compose
from deploy.errors import CommandError
from deploy.release.provenance import RELEASE, new_id
from deploy.settings import Settings

Command = Callable[[Settings, Namespace], int]


def names(host: str | None) -> list[str]:
    """Return the hosts that HOST= names; CommandError if one is named twice."""
    found = [one.strip() for one in (host or "").split(",") if one.strip()]
    if len(set(found)) < len(found):
        msg = f"HOST=: found {host}; allowed: each host once, with commas between them"
        raise CommandError(msg, 2)
    return found


def in_order(command: str) -> Callable[[Command], Command]:
    """Let a command act on one host after the other; it ends at the first that fails, and says which hosts are left."""

    def of(one: Command) -> Command:
        def run(settings: Settings, options: Namespace) -> int:
            hosts = names(options.host)
            if len(hosts) < 2:
                return one(settings, options)
            release = {RELEASE: new_id()}  # the same on all of them
            for number, host in enumerate(hosts):
                print(f"openbell: {command} {host} ({number + 1} of {len(hosts)})", flush=True)
                if code := _alone(command, host, release):
                    left = hosts[number + 1 :]
                    after = f"; {', '.join(left)} stayed as before" if left else ""
                    msg = f"{command} {host} failed: see above{after}"
                    raise CommandError(msg, code)
            return 0

        run.__doc__ = one.__doc__
        return run

    return of


def overview(one: Command) -> Command:
    """Let `ps` show one host after the other, and which of them runs each strategy."""

    def run(settings: Settings, options: Namespace) -> int:
        hosts = names(options.host)
        if len(hosts) < 2:
            return one(settings, options)
        codes = {}
        for host in hosts:
            print(f"== {host}", flush=True)
            codes[host] = _alone("ps", host, {})
        for host in sorted(hosts, key=lambda one: codes[one] != 0):  # one that is not well may know it, too
            with suppress(CommandError), target.place(host, settings) as where:
                if where.run(compose.owners()) == 0:
                    break
        return max(codes.values())

    run.__doc__ = one.__doc__
    return run


def _alone(command: str, host: str, environment: Mapping[str, str]) -> int:
    others = [word for word in sys.argv[2:] if not word.startswith("HOST=")]
    words = (sys.executable, "-m", "deploy", command, f"HOST={host}", *others)
    return processes.run(words, {**os.environ, **environment, "HOST": host})
