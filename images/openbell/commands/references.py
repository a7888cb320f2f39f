"""What a manifest refers to and only its surroundings can tell: classes of the strategy's own, symbols, its splits."""

import ast
from collections.abc import Collection
from pathlib import Path

from openbell.commands.definitions import definitions
from openbell.manifest import Manifest, suggestion
from openbell.trading import actions_file
from openbell.trading.markets.history import symbols


def reference_problems(folder: Path, manifest: Manifest) -> list[str]:
    """Return one line for each class that cannot be found, each symbol that the shipped prices lack, and splits misspelt."""
    named = (("market", manifest.market), ("broker", manifest.broker))
    found = [line for key, value in named for line in _class_problems(folder, key, value)]
    if manifest.broker == "paper":
        found += _action_problems(folder)
    return found + (_symbol_problems(manifest, symbols()) if manifest.market == "sample" else [])


def _action_problems(folder: Path) -> list[str]:
    try:
        actions_file.read(folder)
    except actions_file.ActionsFileError as error:
        return [f"{folder.name}/{error}"]
    return []


def _class_problems(folder: Path, key: str, value: str) -> list[str]:
    module, separator, name = value.partition(":")
    if not separator or module == "ccxt":
        return []
    path = folder.joinpath(*module.split(".")).with_suffix(".py")
    shown = f'{folder.name}/strategy.toml: {key}: found "{value}"'
    if not path.is_file():
        if (folder / "requirements.txt").is_file():
            return []  # a package may bring the module, which only its import would tell
        return [f"{shown}; allowed: a class in a file that exists: {path.relative_to(folder.parent)} does not"]
    try:
        known = definitions(ast.parse(path.read_bytes()).body)
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
        return [f"{path.relative_to(folder.parent)}: file: found {error}; allowed: a Python module that compiles"]
    if name in known or "*" in known:
        return []
    return [f"{shown}; allowed: a class that {path.relative_to(folder.parent)} has: {suggestion(name, known)}"]


def _symbol_problems(manifest: Manifest, known: Collection[str]) -> list[str]:
    return [
        f'{manifest.name}/strategy.toml: bot {bot.id}: symbols: found "{symbol}"; allowed: a symbol of the market '
        f"sample: {', '.join(known)}"
        for bot in manifest.bots
        for symbol in bot.symbols
        if symbol not in known
    ]
