"""How the value of a variable is read: each function returns the value, or raises ValueError for one that is not allowed."""

import re
from collections.abc import Callable
from datetime import date, datetime

from openbell.manifest import parse_duration

_YES, _NO = frozenset({"1", "yes", "true", "y"}), frozenset({"0", "no", "false", "n"})


def flag(text: str) -> bool:
    """Read yes or no."""
    if text.lower() not in _YES | _NO:
        raise ValueError(text)
    return text.lower() in _YES


def length(text: str) -> str:
    """Read a duration."""
    if not parse_duration(text):
        raise ValueError(text)
    return text


def since(text: str) -> str:
    """Read a duration, a date, or a date and a time."""
    if not parse_duration(text):
        datetime.fromisoformat(text)
    return text


def instant(text: str) -> str:
    """Read a date and a time."""
    if "T" not in text and " " not in text:
        raise ValueError(text)
    datetime.fromisoformat(text)
    return text


def day(text: str) -> str:
    """Read a date."""
    return date.fromisoformat(text).isoformat()


def symbols(text: str) -> list[str]:
    """Read symbols with blanks or commas between them."""
    if not (found := text.replace(",", " ").split()):
        raise ValueError(text)
    return found


def number(most: int | None = None) -> Callable[[str], int]:
    """Return what reads a whole number from 1 to `most`."""

    def read(text: str) -> int:
        if (found := int(text)) < 1 or (most is not None and found > most):
            raise ValueError(text)
        return found

    return read


def matching(pattern: str) -> Callable[[str], str]:
    """Return what reads a text that a regular expression matches as a whole."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text, re.DOTALL):
            raise ValueError(text)
        return text

    return read


def one_of(*values: str) -> Callable[[str], str]:
    """Return what reads one of these values."""
    return matching("|".join(map(re.escape, values)))
