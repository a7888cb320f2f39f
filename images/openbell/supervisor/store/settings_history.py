"""The settings of each strategy as the supervisor has seen them: its manifest and its locked packages, and those before."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from openbell import foreign_files
from openbell.journal import instant, stamp

FOLDER = "settings"  # in the supervisor's folder
MOST_KEPT = 10  # of one strategy
LARGEST = 200_000  # characters of a manifest
_PACKAGE = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?==[^\s;\\]+)", re.MULTILINE)

log = structlog.get_logger()


@dataclass(frozen=True)
class Settings:
    """A strategy's manifest as it is written, and its packages as `name==version`, both first seen at an instant."""

    at: datetime
    manifest: str
    packages: tuple[str, ...]


def read(strategies: Path, name: str, now: datetime) -> Settings:
    """Return the settings that are in force; OSError if the manifest cannot be read."""
    folder = strategies / name
    try:
        lock = (folder / "requirements.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        lock = ""
    manifest = (folder / "strategy.toml").read_text(encoding="utf-8", errors="replace")
    return Settings(now, manifest[:LARGEST], tuple(_PACKAGE.findall(lock)))


def remember_all(state: Path, strategies: Path, names: Iterable[str], now: datetime) -> None:
    """Keep the settings of all strategies; what fails is logged, for only the page needs them."""
    for name in names:
        try:
            remember(state, name, read(strategies, name, now))
        except OSError as error:
            log.error("settings.not_kept", strategy=name, error=str(error))  # noqa: TRY400 - the disk


def remember(state: Path, name: str, settings: Settings) -> None:
    """Keep the settings if they differ from the newest that are kept. OSError if that cannot be done."""
    before = kept(state, name)
    if before and (before[0].manifest, before[0].packages) == (settings.manifest, settings.packages):
        return
    versions = [
        {"at": stamp(one.at), "manifest": one.manifest, "packages": list(one.packages)}
        for one in (settings, *before)[:MOST_KEPT]
    ]
    (state / FOLDER).mkdir(exist_ok=True)
    foreign_files.write_object(state / FOLDER / f"{name}.json", state, {"versions": versions})


def kept(state: Path, name: str) -> Sequence[Settings]:
    """Return the settings that are kept, newest first; none if the file cannot be read."""
    try:
        content = foreign_files.read_object(state / FOLDER / f"{name}.json", state, MOST_KEPT * LARGEST * 4)
    except OSError:
        return ()
    versions = content.get("versions")
    found = [_settings(one) for one in versions] if isinstance(versions, list) else []
    return [one for one in found if one is not None]


def difference(before: Settings, after: Settings) -> list[str]:
    """Return what has changed, as the lines of a unified diff. Pure."""
    old, new = (one.manifest.splitlines() for one in (before, after))
    manifest = difflib.unified_diff(
        old, new, "strategy.toml", "strategy.toml", stamp(before.at), stamp(after.at), lineterm=""
    )
    packages = difflib.unified_diff(before.packages, after.packages, "packages", "packages", n=0, lineterm="")
    return [*manifest, *packages]


def _settings(line: object) -> Settings | None:
    if not isinstance(line, dict) or (at := instant(line.get("at"))) is None:
        return None
    packages = line.get("packages")
    names = tuple(str(one) for one in packages) if isinstance(packages, list) else ()
    return Settings(at, str(line.get("manifest", "")), names)
