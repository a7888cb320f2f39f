"""`make provision HOST=`: shows what a host lacks, asks, and makes it ready, step by step, as root."""

import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.errors import CommandError
from deploy.hosts import requirements
from deploy.hosts.facts import read_facts
from deploy.provision.plan import Step, described, plan
from deploy.ssh.connection import Connection, Host
from deploy.table import aligned

HEADINGS = ("PART", "NOW", "TO BE DONE")

_SCRIPTS = (Path("scripts/progress.sh"), Path("scripts/debian.sh"))
# bash reads all of it before it begins. On Ubuntu needrestart would restart services after an installation, including Docker.
_BEGIN = "set -euo pipefail\nexport LC_ALL=C NEEDRESTART_MODE=l\n"


def provision(host: Host, *, yes: bool) -> int:
    """Make a host ready for deploys; one that is ready stays as it is."""
    with Connection(host) as connection:
        facts = read_facts(connection)
        steps = plan(host, facts)
        print(plan_text(described(host, facts), steps), flush=True)
        if not any(step.script for step in steps):
            print(f"{host.name} is ready: nothing to be done.")
            return 0
        _ask(host, yes=yes)
        carry_out(steps, connection, root=facts.root)
    # Another login: only that one belongs to a group that the user was added to.
    with Connection(host) as connection:
        facts = read_facts(connection)
    left = [step.part for step in plan(host, facts) if step.script]
    if problem := requirements.unready(host, facts):
        raise CommandError(problem)
    if left:
        msg = f"{host.name}: still not as it should be: {', '.join(left)}: look there with `{host.ssh}`"
        raise CommandError(msg)
    print(f"{host.name} is ready: `make deploy HOST={host.name}` brings the strategies there.")
    return 0


def plan_text(title: str, steps: Sequence[Step]) -> str:
    """Return the plan as a person reads it before saying yes."""
    rows = [(step.part, step.now, step.then or "nothing") for step in steps]
    return f"{title}\n\n{aligned([HEADINGS, *rows])}\n"


def _ask(host: Host, *, yes: bool) -> None:
    """Return if the plan may be carried out; CommandError if not."""
    if yes:
        return
    if not sys.stdin.isatty():
        msg = f"nothing was changed: there is no terminal to ask on; `make provision HOST={host.name} YES=1` carries the plan out"
        raise CommandError(msg, 2)
    if input("Go on? [y/N] ").strip().lower() not in {"y", "yes"}:
        msg = "nothing was changed"
        raise CommandError(msg)


def carry_out(steps: Sequence[Step], connection: Connection, *, root: bool) -> None:
    """Carry out the steps; CommandError names the one that failed. A second try continues where the first has ended."""
    shell = ("bash", "-s") if root else ("sudo", "-n", "bash", "-s")
    helpers = "".join(file.read_text(encoding="utf-8") for file in _SCRIPTS)
    for step in steps:
        if not step.script:
            continue
        script = f"main() {{\n{_BEGIN}{helpers}{step.script}}}\nmain\n"
        if connection.foreground(shell, given=script.encode()):
            msg = f'{connection.host.name}: "{step.part}" failed: see above; fix its cause and run the same command again: it continues from there'
            raise CommandError(msg)
