"""Carries out a plan on the host, step by step, as root."""

from collections.abc import Sequence
from pathlib import Path

from deploy.errors import CommandError
from deploy.provision.plan import Step
from deploy.ssh.connection import Connection

_SCRIPTS = (Path("scripts/progress.sh"), Path("scripts/debian.sh"))
# bash reads all of it before it begins. On Ubuntu needrestart would start services anew after an installation, Docker too.
_BEGIN = "set -euo pipefail\nexport LC_ALL=C NEEDRESTART_MODE=l\n"


def carry_out(steps: Sequence[Step], connection: Connection, *, root: bool) -> None:
    """Do what the steps say; Problem names the one that failed. A second try goes on where the first has ended."""
    shell = ("bash", "-s") if root else ("sudo", "-n", "bash", "-s")
    helpers = "".join(file.read_text(encoding="utf-8") for file in _SCRIPTS)
    for step in steps:
        if not step.script:
            continue
        script = f"main() {{\n{_BEGIN}{helpers}{step.script}}}\nmain\n"
        if connection.foreground(shell, given=script.encode()):
            msg = f'{connection.host.name}: "{step.part}" failed: see above; fix its cause and run the same command again: it continues from there'
            raise CommandError(msg)
