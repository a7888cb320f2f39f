"""Which images are there already, built of just what they would be built of now.

BuildKit finds out as well, but needs a third of a second for each image. So a digest of what an image was built of is kept after its
build, together with the id of the image. While both are the same, the image is not built again.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.docker import engine
from deploy.docker.installed import DOCKERFILE, base_image

FILE = Path(".venv/images.json")  # where what was noted is kept: it goes with what else is set up here
IGNORED = Path(".dockerignore")
# What COPY in the Dockerfile takes for images of strategies and the supervisor, without the strategies themselves.
SHARED = (
    Path("images/openbell"),
    *(Path(f"images/requirements-{name}.txt") for name in ("runtime", "serverless", "supervisor")),
)
_KNOWN = frozenset({"context", "dockerfile", "target", "args"})  # what a build has that is known here
_TARGETS = frozenset({"strategy", "together", "supervisor"})


class BuiltImages:
    """What was noted, and what is in the checkout and in the engine now."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        """Look at what the images of a configuration of Compose are built of."""
        self._services: Mapping[str, Any] = configuration["services"]
        self._noted = _read()
        self._inputs, self._ids = self._look()

    def outdated(self, services: Iterable[str]) -> tuple[str, ...]:
        """Return those of the services whose images are to be built."""
        return tuple(name for name in services if not self._is_current(name))

    def knows(self, services: Iterable[str]) -> bool:
        """Tell whether all that the images of these services are built of is known here."""
        return all(self._inputs[name] for name in services)

    def note(self, services: Iterable[str]) -> None:
        """Keep what images of these services, which have just been built, were built of."""
        now, ids = self._look()  # a file may have been changed meanwhile
        images = {name: self._image(name) for name in services if now[name] and now[name] == self._inputs[name]}
        known = set(map(self._image, self._services))  # others have gone
        self._noted = {image: one for image, one in self._noted.items() if image in known}
        self._noted |= {image: [now[name], ids.get(image, "")] for name, image in images.items()}
        with suppress(OSError):  # then the next command builds again
            FILE.write_text(json.dumps(self._noted), encoding="utf-8")

    def _is_current(self, name: str) -> bool:
        image = self._image(name)
        return image in self._ids and self._noted.get(image) == [self._inputs[name], self._ids[image]]

    def _image(self, name: str) -> str:
        return str(self._services[name].get("image", ""))

    def _look(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return by service a digest of all that its image is built of, and by name the ids of the images.

        The digest is empty if the build is not one of the kit's.
        """
        builds = {name: one["build"] for name, one in self._services.items() if "build" in one}
        base = base_image(DOCKERFILE.read_text(encoding="utf-8"))
        ids = engine.image_ids({base, *filter(None, map(self._image, builds))})
        inputs = dict.fromkeys(builds, "")
        if base in ids:
            with suppress(OSError):  # a file that cannot be read: the builder says which
                shared = " ".join(
                    (ids[base], os.environ.get(engine.BUILD_PLATFORM, ""), _digest([DOCKERFILE, IGNORED, *SHARED]))
                )
                inputs = {name: _inputs_of(build, shared) for name, build in builds.items()}
        return inputs, ids


def _inputs_of(build: Mapping[str, Any], shared: str) -> str:
    target, arguments = build.get("target"), build.get("args") or {}
    is_ours = build.keys() <= _KNOWN and target in _TARGETS and build.get("dockerfile") == str(DOCKERFILE)
    if not is_ours or Path(build["context"]) != Path.cwd():
        return ""
    own = _digest(
        _strategies(str(target), Path(arguments.get("SOURCE") or "strategies"), arguments.get("STRATEGY") or "")
    )
    words = json.dumps([target, arguments], sort_keys=True)
    return hashlib.sha256(f"{words} {shared} {own}".encode()).hexdigest()


def _strategies(target: str, source: Path, strategy: str) -> Iterator[Path]:
    """Give what of the strategies is copied into an image: the supervisor's has only what describes them."""
    match target:
        case "strategy":
            yield from (source / strategy, source / "_shared")
        case "supervisor":
            yield from (one for one in source.iterdir() if one.is_symlink() or not one.is_dir())
            yield from (one for name in ("strategy.toml", "requirements.txt") for one in source.rglob(name))
        case _:
            yield source


def _digest(places: Iterable[Path]) -> str:
    """Return a digest of files, and of all files below folders: their names and contents."""
    found = hashlib.sha256()
    for path in sorted({file for place in places for file in _files(place)}):
        found.update(f"{path} {_content(path)}\n".encode())
    return found.hexdigest()


def _content(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    if not path.is_file():  # a pipe or a socket
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(place: Path) -> Iterator[Path]:
    if place.is_symlink():  # the builder follows a link that it is told to copy, and copies others as links
        yield place
        yield from _files(place.resolve())
    elif place.is_dir():
        for folder, names, files in os.walk(place):
            yield from (Path(folder, name) for name in files if not name.endswith(".pyc"))
            yield from (link for name in names if (link := Path(folder, name)).is_symlink())
            names[:] = [name for name in names if name != "__pycache__"]
    elif place.exists():
        yield place


def _read() -> dict[str, Any]:
    """Return what was noted: by image, a digest of what went into it, and its id."""
    try:
        found = json.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
