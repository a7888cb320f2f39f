"""The manifest: one strategy.toml, parsed, validated and defaulted once.

Every configuration error of openbell is raised here, all errors of a file at once, each as one line that names the
file, the key, what was found and what is allowed. What `load` returns is frozen and needs no further checks.
"""

import os
import tomllib
from pathlib import Path

from openbell import calendars
from openbell.calendars import own_days
from openbell.manifest import windows
from openbell.manifest.grammar import DAY_NAMES, LONGEST, parse_duration
from openbell.manifest.model import (
    EVERY_DAY,
    Anchor,
    Bot,
    Capital,
    DayRule,
    Limits,
    Manifest,
    Schedule,
    Settings,
    Window,
)
from openbell.manifest.problems import ManifestError, Problem
from openbell.manifest.reading import read
from openbell.manifest.suggestion import suggestion
from openbell.manifest.trading import BROKERS, MARKETS
from openbell.records import replace

__all__ = [
    "BLACKOUT",
    "BROKERS",
    "DAY_NAMES",
    "EVERY_DAY",
    "LONGEST",
    "MARKETS",
    "Anchor",
    "Bot",
    "Capital",
    "DayRule",
    "Limits",
    "Manifest",
    "ManifestError",
    "Problem",
    "Schedule",
    "Settings",
    "Window",
    "load",
    "load_all",
    "load_named",
    "parse_duration",
    "strategy_folders",
    "suggestion",
    "use_own_days",
]


BLACKOUT = "OPENBELL_BLACKOUT"  # windows without slots for all strategies, from .env


def load(folder: Path) -> Manifest:
    """Return the manifest of the strategy in `folder`; ManifestError names everything that is wrong with it.

    Calendars have the user's own days from here on, if calendar.toml beside the folder names any.
    """
    use_own_days(folder.parent)
    return _load(folder)


def _load(folder: Path) -> Manifest:
    path = folder / "strategy.toml"
    # The folder's name is the strategy's, wherever it is mounted; inside an image the folder is /strategy and the
    # name comes with it (see `load_named`).
    return load_named(path, folder.name)


def load_named(path: Path, name: str) -> Manifest:
    """Return the manifest in the file `path` of the strategy `name`; ManifestError as in `load`."""
    shown = f"{name}/{path.name}"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ManifestError(
            [Problem(shown, "file", "no such file", "a strategy.toml in the strategy's folder")]
        ) from None
    # A huge number is a plain ValueError to tomllib, and deep nesting a RecursionError.
    except (OSError, ValueError, RecursionError) as error:
        raise ManifestError([Problem(shown, "file", str(error), "a readable TOML file in UTF-8")]) from None
    return _with_blackout(read(table, shown, name), os.environ.get(BLACKOUT, ""))


def _with_blackout(manifest: Manifest, setting: str) -> Manifest:
    """Return the manifest with the windows of the whole installation added to its own."""
    everywhere = windows.from_setting(setting)
    if everywhere is None:
        allowed = f"windows with commas between them, such as {windows.ALLOWED}"
        raise ManifestError([Problem(".env", BLACKOUT, f'"{setting}"', allowed)])
    if not everywhere:
        return manifest
    bots = (
        replace(bot, schedule=replace(bot.schedule, blackout=bot.schedule.blackout + everywhere))
        for bot in manifest.bots
    )
    return replace(manifest, bots=tuple(bots))


def load_all(root: Path) -> tuple[tuple[Manifest, ...], tuple[ManifestError, ...]]:
    """Return the manifests of all strategy folders below `root`, and the errors of those that have none that is valid."""
    manifests: list[Manifest] = []
    errors: list[ManifestError] = []
    try:
        use_own_days(root)
    except ManifestError as error:
        errors.append(error)
    owners: dict[str, str] = {}
    for folder in strategy_folders(root):
        try:
            manifest = _load(folder)
        except ManifestError as error:
            errors.append(error)
            continue
        doubled = [
            Problem(
                f"{manifest.name}/strategy.toml",
                "bot.id",
                f'"{bot.id}", which {owners[bot.id]} has too',
                "an id that no other bot has",
            )
            for bot in manifest.bots
            if bot.id in owners
        ]
        if doubled:
            errors.append(ManifestError(doubled))
            continue
        owners.update({bot.id: manifest.name for bot in manifest.bots})
        manifests.append(manifest)
    return tuple(manifests), tuple(errors)


def use_own_days(strategies: Path) -> None:
    """Let calendars have the closures and early closes of the strategies' folder; ManifestError if its file is wrong."""
    path = strategies / own_days.TOML
    if not path.is_file():
        return
    try:
        calendars.use(own_days.read(path))
    except own_days.OwnDaysError as error:
        lines = (line.split(": ", 2) for line in str(error).splitlines())
        raise ManifestError(
            Problem(file, key, *rest.removeprefix("found ").split("; allowed: ", 1)) for file, key, rest in lines
        ) from None


def strategy_folders(root: Path) -> list[Path]:
    """Return the strategy folders below `root`, by name; hidden ones and plain files do not count."""
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
