"""`openbell prune-shared`: a step of a strategy image's build. Of the code that strategies share, it keeps what this one may use.

So a change of shared code makes a new release only of the strategies that may use it; the others' images stay the same bytes.
"""

import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from openbell.command_parser import command_parser
from openbell.strategy.loader import SHARED

_WORD = re.compile(r"\w+")
# Code with one of these words may import modules, or read files, whose names stand nowhere: it keeps everything.
_UNKNOWABLE = frozenset(
    {"__import__", "import_module", "importlib", "runpy", "pkgutil", "exec", "eval", SHARED}
    | {"pickle", "read_pickle", "cloudpickle", "dill", "joblib", "shelve"}
)


def main(arguments: Sequence[str]) -> int:
    """Remove the modules that the strategy in a folder does not use from the `_shared` within it, and that if nothing is left."""
    parser = command_parser("prune-shared")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    for path in unused(folder):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not any((folder / SHARED).iterdir()):
        (folder / SHARED).rmdir()
    return 0


def unused(folder: Path) -> list[Path]:
    """Return the shared modules and packages whose names are no word of the strategy's files, nor of a shared module in use.

    Words are compared, not imports: a module that is named in strategy.toml or in a string counts as used, and a word that
    only looks like a module's name costs no more than a new release. Other files than modules stay.
    """
    left = {path for path in (folder / SHARED).glob("*") if path.is_dir() or path.suffix == ".py"}
    waiting = [path for path in folder.glob("*") if path.name != SHARED]
    while waiting:
        words = _words(waiting.pop())
        if words & _UNKNOWABLE:
            return []
        used = {path for path in left if path.stem in words}
        left -= used
        waiting.extend(used)
    return sorted(left)


def _words(path: Path) -> set[str]:
    files: Iterable[Path] = path.rglob("*") if path.is_dir() else [path]
    texts = (file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file())
    return {word for text in texts for word in _WORD.findall(text)}
