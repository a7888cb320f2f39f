"""Lines for cron that run a target of make each night."""

import os
import shlex
from argparse import Namespace
from pathlib import Path


def lines(options: Namespace) -> str:
    """Return the lines for what `make crontab` was told: a backup, whole days of the journals as Parquet. Pure but for the folder.

    What fails comes by mail.
    """
    wanted = {
        17: ("backup", {"HOST": options.host, "TO": options.backup, "KEEP": options.keep}),
        47: ("query", {"HOST": options.host, "TO": options.parquet, "SINCE": "90d"}),  # as long as journals are kept
    }
    found = ['CONTENT_TYPE="text/plain; charset=UTF-8"', f"PATH={os.environ.get('PATH', os.defpath)}"]
    for minute, (target, given) in wanted.items():
        if given["TO"]:
            words = shlex.join(("make", target, *(f"{key}={value}" for key, value in given.items() if value)))
            command = f"cd {shlex.quote(str(Path.cwd()))} && {words} >/dev/null".replace("%", r"\%")  # cron's line end
            found.append(f"{minute} 3 * * * {command}")
    return "\n".join(found)
