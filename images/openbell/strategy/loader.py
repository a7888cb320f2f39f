"""A strategy's folder: its manifest, its code as a function, and the release that the two are."""

import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

from openbell.error_text import error_text
from openbell.manifest import Manifest, load_named
from openbell.paths import PathError, Paths
from openbell.strategy.executable import StrategyFunction, executed, refusal

SHARED = "_shared"


class StrategyImportError(Exception):
    """strategy.py cannot be used; the message is one line, `traceback` has the rest."""

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.traceback = trace


def manifest(places: Paths) -> Manifest:
    """Return the manifest of the strategy whose process this is; ManifestError if it is not valid."""
    return load_named(places.folder / "strategy.toml", places.strategy)


def functions(manifest: Manifest) -> tuple[str, ...]:
    """Return the names of the functions that the manifest's bots need: run, prepare and stream."""
    needed = {"stream" if bot.is_stream else bot.function for bot in manifest.bots}
    return tuple(name for name in ("run", "prepare", "stream") if name in needed)


def load(folder: Path, names: Iterable[str] = ("run",)) -> Mapping[str, StrategyFunction]:
    """Import strategy.py and return these functions of it; StrategyImportError says what is missing or failed.

    The folder goes on the import path, so that a strategy may have modules of its own beside it, and so does `_shared`, the
    code that all strategies have in common.
    """
    path = folder / "strategy.py"
    if not path.is_file():
        msg = f'{path.name} is missing: write one with a function "def {", ".join(names)}(ctx)"'
        raise StrategyImportError(msg)
    spec = importlib.util.spec_from_file_location("strategy", path)
    if spec is None or spec.loader is None:
        msg = f"{path.name} cannot be imported"
        raise StrategyImportError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules["strategy"] = module
    sys.path[:0] = [str(folder), *(str(path) for path in [shared(folder)] if path is not None)]
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        line = error_text(error)
        msg = f"{path.name} cannot be imported: {line}{_place(error, folder)}"
        raise StrategyImportError(msg, traceback.format_exc()) from None
    finally:
        _reopen_standard_files()
    found: dict[str, StrategyFunction] = {}
    for name in names:
        function = getattr(module, name, None)
        if function is None:
            msg = f'{path.name} has no function {name}: write "def {name}(ctx)"'
            raise StrategyImportError(msg)
        if reason := refusal(name, function):
            msg = f"{path.name}: {name}: {reason}"
            raise StrategyImportError(msg)
        found[name] = executed(name, function)
    return found


def shared(folder: Path) -> Path | None:
    """Return where the code is that all strategies share: in an image within the strategy's own folder, else beside it."""
    return next((path for path in (folder / SHARED, folder.parent / SHARED) if path.is_dir()), None)


def _reopen_standard_files() -> None:
    """Put nothing where the import has closed standard input, output or error: no other file may get their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free


def _place(error: BaseException, folder: Path) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(folder))]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def secrets(manifest: Manifest, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of the secrets that the manifest names; PlaceError if one is not set."""
    missing = [name for name in manifest.secrets if not environment.get(name)]
    if missing:
        msg = f"the secret {missing[0]} is not set: set {missing[0]}, {missing[0]}_FILE or {missing[0]}_COMMAND in .env, then `make up`"
        raise PathError(msg)
    return tuple(environment[name] for name in manifest.secrets)


def release(folder: Path) -> str:
    """Return a short hash of everything in a strategy's folder: what exactly a container runs."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, which the loop does without; only the image build calls this

    content = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.name != "release":
            content.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            content.update(path.read_bytes())
    return content.hexdigest()[:12]
