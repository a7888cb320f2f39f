"""Builds the images of the checkout's services: on a terminal Docker draws its progress, elsewhere each image is a line."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from deploy import processes
from deploy.docker import compose, generated, services
from deploy.errors import CommandError
from deploy.log import Log
from deploy.settings import strategies_folder

_NAMED = re.compile(r"naming to (?:docker\.io/)?(\S+)")


def build_images(command: Sequence[str], log: Log) -> int:
    """Build the images and return the exit code. Of a failed build the end of its output is shown."""
    if sys.stdout.isatty():
        return processes.long(command, log)
    built: list[str] = []

    def heard(line: str) -> None:
        if (image := built_image(line)) and image not in built:
            built.append(image)
            log.info("built", image=image)

    code, end = processes.quiet(command, log, heard)
    if code:
        print("\n".join(f"    | {line}" for line in end), file=sys.stderr, flush=True)
    return code


def built_image(line: str) -> str | None:
    """Return the image that a line of BuildKit's output names as done, or None."""
    found = _NAMED.search(line)
    return found[1] if found else None


def build(configuration: Mapping[str, Any], log: Log) -> None:
    """Build the images of a configuration of Compose; CommandError if one cannot be built."""
    log.info("building the images")
    generated.stage(strategies_folder())
    if code := build_images(compose.build(services.builders(configuration)), log):
        msg = "an image could not be built: the step that failed is above"
        raise CommandError(msg, code)
