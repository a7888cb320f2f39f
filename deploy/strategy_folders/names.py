"""Names that a strategy cannot have: they would collide in Compose, or hide a module from the strategy itself."""

import keyword
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

# What every strategy's process imports: a folder of that name on its import path would be found instead.
_MODULES = frozenset({"openbell", "strategy", "schedule", "pytz"})


def taken_names(compose: Path) -> dict[str, str]:
    """Return the names that the Compose files in a folder use for other things than strategies, and for what."""
    found = {"default": "the name of the project's own network in Compose"}
    for file in sorted(compose.glob("*.yaml")):
        content: Mapping[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or {}
        for kind in ("volumes", "networks", "services"):
            for name, one in (content.get(kind) or {}).items():
                if kind != "services" or not _is_strategy(name, one or {}):
                    found[name] = f"the name of a {kind.removesuffix('s')} in {compose.name}/{file.name}"
    return found


def refusal(name: str, compose: Path) -> str | None:
    """Return why a new strategy may not have this name, or None if it may."""
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "a word of the Python language"
    if name in sys.stdlib_module_names or name in _MODULES:
        return "the name of a Python module, which imports would confuse with the strategy"
    return taken_names(compose).get(name)


def _is_strategy(name: str, service: Mapping[str, Any]) -> bool:
    build = service.get("build")
    arguments = build.get("args") if isinstance(build, Mapping) else None
    return isinstance(arguments, Mapping) and arguments.get("STRATEGY") == name
