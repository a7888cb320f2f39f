"""Whether `make up` runs containers here, or plain processes because no container can run."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Literal

from deploy.errors import CommandError

Engine = Literal["docker", "none"]

SCRIPT = "scripts/docker-ready"
IMPOSSIBLE = 3  # its exit code where no engine can run; its last line says why


def requested(given: Mapping[str, str]) -> Engine | None:
    """Return what ENGINE asks for, or None where it leaves the choice; CommandError if it says something else."""
    match given.get("ENGINE", ""):
        case "docker":
            return "docker"
        case "none":
            return "none"
        case "":
            return None
        case other:
            msg = f'ENGINE: found "{other}"; allowed: docker (insist on containers) or none (run plain processes)'
            raise CommandError(msg, 2)


def choose(wanted: Engine | None, *, processes_run: bool, is_ready: Callable[[], bool] = lambda: False) -> Engine:
    """Return what is to run, and install and start an engine if that is containers; CommandError says why that is impossible.

    is_ready: tells whether all that containers need is known to be here.
    """
    if wanted == "none":
        return "none"
    if processes_run:
        if wanted is None:
            return "none"
        msg = "plain processes run here: stop them with `make down`, then `make up ENGINE=docker` starts containers"
        raise CommandError(msg)
    reason = None if is_ready() else prepare_engine()
    if reason is None:
        return "docker"
    if wanted == "docker":
        raise CommandError(reason)
    print(f"openbell: {reason}: running everything as plain processes instead (ENGINE=docker insists)", flush=True)
    return "none"


def prepare_engine() -> str | None:
    """Install and start what containers need, where it is missing; return why that is impossible, or None."""
    done = subprocess.run((SCRIPT,), stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == IMPOSSIBLE:
        return done.stderr.strip().splitlines()[-1].removeprefix("openbell: ")
    sys.stderr.write(done.stderr)
    if done.returncode:
        msg = "nothing was started: the lines above say what is missing"
        raise CommandError(msg, done.returncode)
    return None
