"""`python -m deploy.with_secrets STRATEGY COMMAND...`: replaces itself by a command that has the strategy's secrets.

Lines of cron start a strategy so: the secrets are in no crontab, and .env is read as every other command reads it.
"""

import os
import sys
from pathlib import Path

from deploy import secrets
from deploy.errors import CommandError
from deploy.settings import strategies_folder, values
from openbell.manifest import load_all

CANNOT_START = 3


def main(strategy: str, *command: str) -> int:
    """Become the command; return an exit code only if that cannot be done."""
    try:
        given = values(Path(".env"), os.environ)
        manifests = [one for one in load_all(strategies_folder())[0] if one.name == strategy]
        named = {name for one in manifests for name in one.secrets}
        found = {name: text for name, text in secrets.filled(manifests, given).items() if name in named}
        os.execvpe(command[0], command, {**os.environ, **found})  # noqa: S606 - no shell is what is wanted
    except (CommandError, OSError) as error:
        print(f"openbell: {strategy}: {error}", file=sys.stderr)
        return CANNOT_START


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
