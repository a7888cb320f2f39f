"""The portfolio as a kit of its own: the project's files with its seven strategies, and no others."""

import shutil
from collections.abc import Callable
from pathlib import Path

from openbell.manifest import load_all
from tests.engine.kit import ROOT, Kit, make_kit

MANIFESTS = tuple(manifest for manifest in load_all(ROOT / "strategies")[0] if manifest.profile == "portfolio")
PROFILES = ("portfolio", "portfolio-together")


def make_portfolio(folder: Path, edit: Callable[[str], str] = str) -> Kit:
    """Copy the kit and the portfolio's strategies, each strategy.toml as `edit` returns it."""
    kit = make_kit(folder, [])
    (folder / "compose" / "strategies.yaml").write_text("services: {}\n")
    shutil.copy(ROOT / "compose" / "portfolio.yaml", folder / "compose" / "portfolio.yaml")
    for manifest in MANIFESTS:
        copy = folder / "strategies" / manifest.name
        shutil.copytree(ROOT / "strategies" / manifest.name, copy, ignore=shutil.ignore_patterns("__pycache__"))
        toml = copy / "strategy.toml"
        toml.write_text(edit(toml.read_text()))
    return kit


def choose(kit: Kit, profile: str, **settings: str) -> None:
    """Write the kit's .env for one of the portfolio's forms."""
    lines = {"COMPOSE_PROJECT_NAME": kit.project, "OPENBELL_PORT": str(kit.port), "COMPOSE_PROFILES": profile}
    (kit.folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in (lines | settings).items()))
