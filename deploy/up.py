"""`make up`, whose first part is quick to load: it looks at what is installed, and checks the strategies, while the rest is loaded.

Each takes a third of a second, and Compose and the check are processes of their own.
"""

import os
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy import engine_choice, processes
from deploy.docker import compose
from deploy.docker.installed import EarlyCheck
from deploy.settings import Settings, values


def up(settings: Settings, options: Namespace) -> int:
    """Check, build and start everything, then show it."""
    requested = engine_choice.requested(values(Path(".env"), os.environ))
    ahead = None if requested == "none" else EarlyCheck()
    with ThreadPoolExecutor(1) as pool:
        checked = pool.submit(processes.piped, processes.Command(compose.check()), None)
        from deploy import start  # noqa: PLC0415 - see above

        return start.everything(settings, options, requested, ahead, checked)
