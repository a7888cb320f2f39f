"""Orders that a strategy's code sends and its venue cannot take, as far as can be seen without running it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from openbell import abilities
from openbell.manifest import Manifest

_CALLS = frozenset({"order", "bracket", "exits", "replace"})
_CONTEXTS = frozenset({"ctx", "context"})


def order_problems(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Yield one line for each call of the context that no symbol of the strategy can be traded with at its broker."""
    venues = {abilities.venue_of(manifest.broker, symbol) for symbol in manifest.symbols} - {""}
    if not venues:
        return
    for file in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue  # told by the check of the code
        for call in _calls(tree):
            for one in _needed(call):
                able = [venue for venue, can in abilities.VENUES.items() if one in can]
                if venues.isdisjoint(able):
                    where = f"{folder.name}/{file.relative_to(folder)}:{call.lineno}"
                    told = "; ".join(dict.fromkeys(abilities.advice(venue, one) for venue in sorted(venues)))
                    yield (
                        f"{where}: {abilities.text(one)} orders: {', '.join(sorted(venues))} takes none"
                        f"{f' ({told})' if told else ''}; "
                        f"allowed there: see docs/orders.md (they are taken by {', '.join(able)})"
                    )


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
                if name in _CONTEXTS and attr in _CALLS:
                    yield node
            case _:
                pass


def _needed(call: ast.Call) -> list[str]:
    """Return the abilities that a call asks for for certain."""
    given = {one.arg: one.value for one in call.keywords if one.arg is not None}
    names = {name for name, value in given.items() if not (isinstance(value, ast.Constant) and not value.value)}
    called = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if called == "replace":
        return ["replace"]
    found = ["pair"] if called == "exits" else []
    if called == "bracket":
        found.append("limit_bracket" if "limit" in names and "stop" not in names else "bracket")
    if "trail" in names:
        found.append("trailing_stop")
    elif "stop" in names:
        found.append("stop_limit" if "limit" in names else "stop")
    elif "limit" in names:
        found.append("limit")
    if "extended_hours" in names:
        found.append("extended_hours")
    match given.get("time_in_force"):
        case ast.Constant(value=str(waits)) if waits in abilities.TIMES:
            found.append(waits)
        case _:
            pass
    return found
