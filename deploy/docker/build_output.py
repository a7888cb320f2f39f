"""The output of an image build: Docker's own drawing on a terminal, elsewhere a line for each image."""

import re
import sys
from collections.abc import Sequence

from deploy import processes
from deploy.log import Log

_NAMED = re.compile(r"naming to (?:docker\.io/)?(\S+)")


def build(command: Sequence[str], log: Log) -> int:
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
