"""What is wrong with a manifest: each problem is one line that names the file, the key, what was found, what is allowed."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from typing import TypeVar

from openbell.records import dataclass

T = TypeVar("T")
_LONGEST = 80  # characters of a value that are shown


@dataclass(frozen=True)
class Problem:
    """One configuration error; its text is one line."""

    file: str
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        text = f"{self.file}: {self.key}: found {self.found}; allowed: {self.allowed}"
        # Keys, values and folder names are the author's: a line break or an escape sequence in one stays visible.
        return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class ManifestError(ValueError):
    """A manifest that cannot be used; `problems` holds every error of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class TableReader:
    """Takes values out of parsed TOML tables: what is right becomes values, what is wrong becomes problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def read(
        self,
        table: dict[str, object],
        name: str,
        default: T,
        parse: Callable[[object], T | None],
        allowed: str,
        key: str = "",
    ) -> T:
        """Return the value of a key, or the default where it is missing or wrong."""
        if name not in table:
            return default
        value = parse(table[name])
        if value is None:
            self.wrong(key + name, toml_text(table[name]), allowed)
            return default
        return value

    def read_present(
        self, table: dict[str, object], readers: Mapping[str, tuple[Callable[[object], object], str]], key: str
    ) -> dict[str, object]:
        """Return the values of those of these keys that a table has; each has its reader and what is allowed."""
        given = {name: self.read(table, name, None, *readers[name], key) for name in readers if name in table}
        return {name: value for name, value in given.items() if value is not None}

    def table(self, table: dict[str, object], name: str, key: str = "") -> dict[str, object]:
        """Return the table below a key; an empty one where there is none."""
        value = table.get(name, {})
        if isinstance(value, dict):
            return value
        self.wrong(key + name, toml_text(value), f"a table, [{name}] or {name} = {{ ... }}")
        return {}

    def refuse_unknown(self, table: Mapping[str, object], known: Iterable[str], key: str) -> None:
        """See that a table has no other keys than these."""
        known = tuple(known)
        for name in table:
            if name not in known:
                self.wrong(key + name, "an unknown key", ", ".join(known))

    def wrong(self, key: str, found: str, allowed: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(self.file, key, found, allowed))

    def has_problem(self, key: str) -> bool:
        """Tell whether a problem was noted with a key."""
        return any(problem.key == key for problem in self.problems)


def toml_text(value: object) -> str:
    """Return a value as a TOML file has it, cut where it is long."""
    text = f'"{value}"' if isinstance(value, str) else _toml(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _toml(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case str():
            return repr(value)
        case bool():
            return "true" if value else "false"
        case datetime() | date() | time():
            return value.isoformat()
        case list():
            return f"[{', '.join(_toml(one) for one in value)}]"
        case dict():
            pairs = ", ".join(f"{_key(name)} = {_toml(one)}" for name, one in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case _:
            return repr(value)


def _key(name: object) -> str:
    text = str(name)
    return text if text.replace("-", "").replace("_", "").isalnum() and text.isascii() else json.dumps(text)
