"""`openbell reload`: let the loops of a container for several strategies run the folders of a newer image.

`place`, `point` and `prune` run in a short container, which alone may write to the volume: `place` in one that is made from
the newer image. The container with the loops only reads the volume. What its next start runs is decided by one link, which
is replaced durably: after an interruption the start finds the old folders or the new ones.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from openbell import reloads
from openbell.command_parser import command_parser
from openbell.durable import sync
from openbell.manifest import strategy_folders

FINGERPRINT = "fingerprint"  # a file beside the folders
_SHORT = 12  # digits


def main(arguments: Sequence[str]) -> int:
    """Do one of the things that the parser lists; what cannot be written raises OSError."""
    parser = command_parser("reload")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("show", help="print what this container runs, and the releases of the folders")
    commands.add_parser("tell", help="let this container's loops follow what is wanted now")
    place = commands.add_parser("place", help="copy this image's folders, to be started beside a container's loops")
    place.add_argument("container")
    place.add_argument("fingerprint", help="of what the container is then as good as made from")
    point = commands.add_parser("point", help="say which folders a container's loops run")
    point.add_argument("container")
    point.add_argument("--now", default="", help=f"a tree, or {reloads.IMAGE}; default: as it is")
    point.add_argument("--beside", default="", help=f"a tree, or {reloads.IMAGE}; default: none")
    prune = commands.add_parser("prune", help="remove what no container runs")
    prune.add_argument("containers", nargs="*", help="those that are there")
    options = parser.parse_args(arguments)
    volume = Path(os.environ.get("OPENBELL_RELOADS", "/reloads"))
    match options.command:
        case "show":
            links = {
                link: reloads.named(reloads.own_folder(os.environ), link) for link in (reloads.NOW, reloads.BESIDE)
            }
            print(json.dumps({**links, "releases": _releases(reloads.current(os.environ))}))
        case "tell":
            # The engine itself would take a container that it has sent a signal to for one that was stopped by hand.
            os.kill(1, reloads.SIGNAL)
        case "place":
            root = Path(os.environ.get("OPENBELL_STRATEGIES", "/strategies"))
            tree = _place(volume / options.container, root, options.fingerprint)
            print(json.dumps({"tree": tree, "releases": _releases(root)}))
        case "point":
            own = volume / options.container
            own.mkdir(exist_ok=True)
            if options.now:
                _point(own / reloads.NOW, "" if options.now == reloads.IMAGE else options.now)
            _point(own / reloads.BESIDE, options.beside)
        case _:
            _prune(volume, options.containers)
    return 0


def _releases(root: Path) -> dict[str, str]:
    return {folder.name: reloads.release(folder) for folder in strategy_folders(root)}


def _place(own: Path, root: Path, fingerprint: str) -> str:
    """Copy the folders below `root`, if they are not there yet; return the name of the tree."""
    name = hashlib.sha256(json.dumps([_releases(root), fingerprint]).encode()).hexdigest()[:_SHORT]
    own.mkdir(exist_ok=True)
    if not (own / name).exists():
        new = own / f".{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(root, new)
        (new / FINGERPRINT).write_text(f"{fingerprint}\n")
        for path in (*new.rglob("*"), new):
            sync(path)
        new.rename(own / name)
        sync(own)
        sync(own.parent)
    return name


def _point(link: Path, name: str) -> None:
    """Let a link name a tree, or be none."""
    if name:
        new = link.with_name(f".{link.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(name)
        new.replace(link)
    else:
        link.unlink(missing_ok=True)
    sync(link.parent)


def _prune(volume: Path, containers: Sequence[str]) -> None:
    for own in _folders(volume):
        if own.name not in containers:
            shutil.rmtree(own)
            continue
        used = {reloads.named(own, link) for link in (reloads.NOW, reloads.BESIDE)}
        for tree in _folders(own):
            if tree.name not in used:
                shutil.rmtree(tree)


def _folders(folder: Path) -> Iterator[Path]:
    yield from (one for one in folder.iterdir() if one.is_dir() and not one.is_symlink())
