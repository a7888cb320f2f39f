"""Builds the images of the checkout's services: on a terminal Docker draws its progress, elsewhere each image is a line."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from deploy import processes, scratch
from deploy.docker import compose, generated, services
from deploy.docker.built_images import BuiltImages
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
    """Build the images of a configuration of Compose that are not as they should be; CommandError if one cannot be built."""
    log.info("building the images")
    generated.stage(strategies_folder())
    known = BuiltImages(configuration)
    if not (outdated := known.outdated(services.builders(configuration))):
        return
    if known.knows(outdated):
        with scratch.folder() as folder:
            file = folder / "compose.json"
            file.write_text(json.dumps(_builds(configuration, outdated)), encoding="utf-8")
            code = build_images(compose.build(outdated, file), log)
    else:  # its build may need more of the configuration than its own part
        code = build_images(compose.build(outdated), log)
    if code:
        msg = "an image could not be built: the step that failed is above"
        raise CommandError(msg, code)
    known.note(outdated)


def _builds(configuration: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """Return a configuration that has nothing but the builds of some services: Compose takes long to read all of its files again."""
    found = {name: configuration["services"][name] for name in names}
    only = {name: {"image": one["image"], "build": one["build"]} for name, one in found.items()}
    return {"name": configuration["name"], "services": only}
