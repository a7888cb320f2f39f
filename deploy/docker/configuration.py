"""What Compose makes of the checkout and the settings."""

import json
from typing import Any

from deploy import processes
from deploy.docker import compose
from deploy.docker.compose import Command


def read() -> dict[str, Any]:
    """Return the services that are asked for and what they need; CommandError if Compose cannot say."""
    return _read(compose.configuration())


def read_all() -> dict[str, Any]:
    """Return the same with the services of all profiles."""
    return _read(compose.all_configuration())


def _read(command: Command) -> dict[str, Any]:
    content = json.loads(processes.output(command))
    return content if isinstance(content, dict) else {}
