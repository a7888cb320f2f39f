"""Which folders the strategies of a container for several have now: those of its image, or newer ones on a volume.

<volume>/<container>/<tree>/<strategy> are folders that a deploy has brought. Two links beside the trees say what is wanted:
`now` is what the container's loops run, also after a restart, and `beside` what is started beside them and waits for their
locks. They are in a folder of the container's own, so one that is made anew runs what its image has.
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

NOW, BESIDE = "now", "beside"
IMAGE = "image"  # in place of a tree: the folders of the container's own image
# Lets `openbell host` follow the links. A process that does not handle it, or is just starting, ignores it.
SIGNAL = signal.SIGURG
RELEASE = "release"  # in a strategy's folder: what the image's build has written there


def own_folder(environment: Mapping[str, str]) -> Path:
    """Return where this container's trees are."""
    return Path(environment.get("OPENBELL_RELOADS", "/reloads")) / os.uname().nodename


def current(environment: Mapping[str, str]) -> Path:
    """Return the folder below which the strategies are that this container runs."""
    return wanted(environment, NOW) or _of_image(environment)


def wanted(environment: Mapping[str, str], link: str) -> Path | None:
    """Return the folder that a link of this container's names, or None if it names none that is there."""
    own = own_folder(environment)
    found = _of_image(environment) if named(own, link) == IMAGE else own / named(own, link)
    return found if found != own and found.is_dir() else None


def named(own: Path, link: str) -> str:
    """Return the name of the tree that a link names; empty if there is no such link."""
    try:
        return (own / link).readlink().name
    except OSError:
        return ""


def _of_image(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("OPENBELL_STRATEGIES", "/strategies"))


def release(folder: Path) -> str:
    """Return the release that the image's build has written into a strategy's folder."""
    try:
        return (folder / RELEASE).read_text().strip()
    except OSError:
        return "unreleased"
