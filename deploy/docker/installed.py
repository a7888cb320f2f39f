"""Checks whether all that containers need is installed, while something else is done, and without starting a program.

scripts/docker-ready installs what is missing. Where nothing is missing, it would start Docker's command line four times to say so.
"""

import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.docker import configuration, engine
from deploy.docker.engine import platform_of

DOCKERFILE = Path("images/Dockerfile")
# Where Docker's command line looks for its plugins, after the user's own folder.
PLUGINS = tuple(
    Path(folder) / "docker" / "cli-plugins"
    for folder in ("/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec")
)


@dataclass(frozen=True)
class Found:
    """An engine that answers, with what images are built from, and what its Compose says."""

    folder: Path  # where the engine keeps its files
    platform: str  # that it builds for, as linux/amd64
    configuration: Mapping[str, Any]


class EarlyCheck:
    """The checks, which begin when this is made; `answer` waits for their result.

    An old Compose cannot read the configuration, which includes files: one that reads it is new enough.
    """

    def __init__(self) -> None:
        pool = ThreadPoolExecutor(2)
        self._engine = pool.submit(engine_with_base_image)
        self._configuration = pool.submit(configuration.read)
        pool.shutdown(wait=False)

    def answer(self) -> Found | None:
        """Return what is here, or None if something is missing."""
        try:
            info, read = self._engine.result(), self._configuration.result()
        except Exception:  # noqa: BLE001 - docker-ready repairs or reports what is wrong
            return None
        if info is None:
            return None
        platform = platform_of(str(info.get("OSType", "")), str(info.get("Architecture", "")))
        return Found(Path(str(info.get("DockerRootDir", ""))), platform, read)


def engine_with_base_image() -> Mapping[str, Any] | None:
    """Return what the engine says of itself if it has the base image and its command line builds; CommandError if none answers."""
    from docker.errors import ImageNotFound  # noqa: PLC0415 - see engine.py

    if not any((folder / "docker-buildx").exists() for folder in (_own_plugins(), *PLUGINS)):
        return None
    with engine.client(engine.address()) as asked:
        try:
            asked.images.get(base_image(DOCKERFILE.read_text(encoding="utf-8")))
        except ImageNotFound:
            return None
        info: Mapping[str, Any] = asked.info()
        return info


def base_image(dockerfile: str) -> str:
    """Return the image that all others begin with."""
    found = re.search(r"^FROM (python:\S+)", dockerfile, re.MULTILINE)
    return found[1] if found else ""


def _own_plugins() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
