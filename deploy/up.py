"""`make up`, whose first part is quick to load: it looks at what is installed while the rest is loaded.

Both take a third of a second, and Compose reads its files in a process of its own.
"""

import os
from argparse import Namespace
from pathlib import Path

from deploy import engine_choice
from deploy.docker.installed import EarlyCheck
from deploy.settings import Settings, values


def up(settings: Settings, options: Namespace) -> int:
    """Check, build and start everything, then show it."""
    requested = engine_choice.requested(values(Path(".env"), os.environ))
    ahead = None if requested == "none" else EarlyCheck()
    from deploy import start  # noqa: PLC0415 - see above

    return start.everything(settings, options, requested, ahead)
