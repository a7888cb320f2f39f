"""The rooms that are mutated, and the changes that may survive in them."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Room:
    """Modules below images/openbell, the tests that must notice a change in them, and the least part that they must notice."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    goal: int  # per cent


@dataclass(frozen=True, order=True)
class Change:
    """What mutmut has changed: in which function, from which line to which."""

    function: str  # trading.limits.refusal, supervisor.model.crashes.CrashLoop.begins
    before: str
    after: str

    @property
    def is_text(self) -> bool:
        """Tell whether only the wording of a message was changed, which decides nothing."""
        return self.after != self.before and _wordless(self.before) == _wordless(self.after)


def _wordless(line: str) -> str:
    """Return a line of code without its texts: strings of more than one word."""
    parts = line.split('"')
    return '"'.join("" if place % 2 and " " in part else part for place, part in enumerate(parts))


def rooms() -> tuple[Room, ...]:
    """Return all rooms."""
    told = tomllib.loads((FOLDER / "rooms.toml").read_text())
    return tuple(Room(name, tuple(one["modules"]), tuple(one["tests"]), int(one["goal"])) for name, one in told.items())


def explained() -> dict[Change, str]:
    """Return the changes that are known to survive, and why each does no harm."""
    told = tomllib.loads((FOLDER / "survivors.toml").read_text())
    return {
        Change(one["function"], one["before"], one["after"]): str(one["because"]) for one in told.get("survivor", ())
    }
