"""The JSON Schema of strategy.toml, for editors: made by letting the reader say which keys it takes, and how it reads each.

It knows keys and values. What holds between keys of different tables (an interval that meets its calendar, keys that a broker
needs, ids that differ) only the reader knows.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytz

from openbell import calendars
from openbell.calendars import periods
from openbell.manifest import grammar, trading, windows
from openbell.manifest.grammar import Between, ListOf, Matching, OneOf, WholeNumber
from openbell.manifest.problems import ManifestError
from openbell.manifest.reading import ManifestReader
from openbell.manifest.schedules import TIMES

FILE = "strategy.schema.json"  # in the folder of the strategies' folders
LINE = (
    f"#:schema ../{FILE}"  # names it in the first line of a strategy.toml, for editors that have a TOML language server
)
T = TypeVar("T")
Schema = Mapping[str, object]
Parse = Callable[[object], object]

_TEXT: Schema = {"type": "string"}
_AMOUNT: Schema = {"type": "number", "exclusiveMinimum": 0}
_DAYS = "|".join(grammar.DAY_NAMES)
_UNITS = {"ms": 86_400_000, "s": 86_400, "m": 1_440, "h": 24, "d": 1}  # how many make a day
_MOST_UNITS = {unit: number * grammar.LONGEST.days for unit, number in _UNITS.items()}


def strategy_schema() -> Schema:
    """Return the schema of a strategy.toml."""
    asked = _SchemaReader("strategy.toml", "name")
    with suppress(ManifestError):  # it has nothing of what it asks for
        asked.manifest({"bot": [{}], "prepare": {}})
    properties: dict[str, object] = dict(asked.nodes[""])
    for path, values in asked.nodes.items():
        if path not in {"", "bot[0]."}:
            properties[path.removesuffix(".")] = _table(values)
    times = [{"required": ["every"]}, {"required": ["at"]}]
    beside = {"dependentRequired": {"offset": ["every"], "from": ["every"]}}
    of_bot = asked.nodes["bot[0]."]
    of_bot["symbols"] = {**of_bot["symbols"], "minItems": 1}
    bots = _table(of_bot, required=["symbols"], **beside)
    is_stream = {"properties": {"kind": {"const": "stream"}}, "required": ["kind"]}
    no_times = {"not": {"anyOf": [{"required": [name]} for name in TIMES]}}
    bots = {**bots, "if": is_stream, "then": no_times, "else": {"oneOf": times}}
    properties["bot"] = {"type": "array", "minItems": 1, "items": bots}
    several = {"properties": {"bot": {"minItems": 2}}}
    with_ids = {"properties": {"bot": {"items": {"required": ["id"]}}}}
    properties["prepare"] = {**_table(asked.nodes["prepare."], **beside), "oneOf": times}
    properties["capital"] = {**_table(asked.nodes["capital."]), "minProperties": 1, "maxProperties": 1}
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "openbell strategy.toml"}
    return {**about, **_table(properties, required=["timezone", "bot"]), "if": several, "then": with_ids}


def _table(properties: Mapping[str, object], **more: object) -> dict[str, object]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False, **more}


class _SchemaReader(ManifestReader):
    """A reader that remembers what it is asked for: the tables' keys, each with the schema of its values."""

    def __init__(self, file: str, name: str) -> None:
        super().__init__(file, name)
        self.nodes: dict[str, dict[str, Schema]] = {"": {}}

    def read(self, table: dict[str, object], name: str, default: T, parse: Parse, allowed: str, key: str = "") -> T:  # noqa: ARG002 - what the table has is nothing
        """Remember a key and how it is read."""
        self.nodes.setdefault(key, {})[name] = {**_schema(parse), "description": allowed}
        return default

    def read_present(
        self, table: dict[str, object], readers: Mapping[str, tuple[Parse, str]], key: str
    ) -> dict[str, object]:
        """Remember all of these keys."""
        for name, (parse, allowed) in readers.items():
            self.read(table, name, None, parse, allowed, key)
        return {}

    def table(self, table: dict[str, object], name: str, key: str = "") -> dict[str, object]:
        """Remember a table below a key, whose values are whatever is not asked for further."""
        self.nodes.setdefault(key, {})[name] = {"type": "object"}
        return super().table(table, name, key)


def write_schema(strategies: Path) -> Path:
    """Write the schema into the folder of the strategies' folders, where their first lines name it."""
    path, text = strategies / FILE, schema_text()
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def schema_text() -> str:
    """Return the schema as its file has it."""
    return json.dumps(strategy_schema(), indent=1) + "\n"


def _schema(parse: Parse) -> Schema:
    """Return the schema of what a reader of values accepts."""
    match parse:
        case OneOf(allowed):
            return {"enum": list(allowed)}
        case Matching(pattern):
            return _matching(pattern.pattern)
        case ListOf(pattern):
            return {"type": "array", "uniqueItems": True, "items": _matching(pattern.pattern)}
        case WholeNumber(low, high):
            return {"type": "integer", "minimum": low, "maximum": high}
        case Between(low, high):
            return {"type": "number", "minimum": low, "maximum": high}
    return _BY_READER[parse]


def _matching(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _up_to(most: int) -> str:
    """Return a pattern of the whole numbers from 0 to `most`."""
    digits = str(most)
    shorter = [f"[0-9]{{1,{len(digits) - 1}}}"] if len(digits) > 1 else []
    smaller = [
        f"{digits[:index]}[0-{int(digit) - 1}][0-9]{{{len(digits) - index - 1}}}"
        for index, digit in enumerate(digits)
        if digit != "0"
    ]
    return f"0*(?:{'|'.join([*shorter, *smaller, digits])})"


def _durations(most: Mapping[str, int]) -> str:
    return "|".join(f"{_up_to(number)}{unit}" for unit, number in most.items())


def _one_or_more(one: Schema) -> Schema:
    return {"anyOf": [one, {"type": "array", "minItems": 1, "uniqueItems": True, "items": one}]}


def _numbered(most: Iterable[tuple[str, int]]) -> str:
    return "|".join(f"session -?(?!0){_up_to(number)} of {period}" for period, number in most)


_ABOVE_ZERO = "(?!0+[a-z])"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?"
_HALF_A_DAY = _durations({unit: number // 2 - 1 if number > 1 else 0 for unit, number in _UNITS.items()})
_RULE = (
    rf"(?:{'|'.join(periods.PERIODS)})-(?:start|end)|(?:1st|2nd|3rd|4th|5th|last) (?:{_DAYS})|"
    f"{_numbered((('week', 7), ('month', 31), ('quarter', 92)))}|(?:{_DAYS})(?:-(?:{_DAYS}))?"
)
_ZONE = "|".join(sorted(pytz.all_timezones_set))
# Between its words a window may have any blanks.
_WINDOW_TEXT = windows.TEXT.pattern.replace(" ?", r"\s*").replace(" ", r"\s+").replace(r"(\S+)", f"(?:{_ZONE})")
_WINDOW = _matching(rf"\s*{_WINDOW_TEXT}\s*")
_NAMED = (_matching(trading.EXCHANGE.pattern), _matching(trading.IMPORT_PATH.pattern))
_BY_READER: Mapping[Parse, Schema] = {
    grammar.text: _TEXT,
    grammar.flag: {"type": "boolean"},
    grammar.zone: {"enum": sorted(pytz.all_timezones_set)},
    grammar.calendar: {"enum": [*calendars.names(), *sorted(calendars.aliases())]},
    grammar.amount: _AMOUNT,
    grammar.part: {**_AMOUNT, "maximum": 1},
    grammar.parse_duration: _matching(_durations(_MOST_UNITS)),
    grammar.positive: _matching(f"{_ABOVE_ZERO}(?:{_durations(_MOST_UNITS)})"),
    grammar.interval: _matching(f"{_ABOVE_ZERO}(?!0*[0-9]{{1,3}}ms)(?:{_durations(_UNITS)})"),
    grammar.days: _matching(rf"daily|\s*(?:{_RULE})\s*(?:,\s*(?:{_RULE})\s*)*"),
    grammar.anchors: _one_or_more(_matching(f"{_CLOCK}|(?:open|close)(?:[+-](?:{_HALF_A_DAY}))?")),
    grammar.count_from: _matching(rf"open(?:\+(?:{_HALF_A_DAY}))?|open-0+(?:ms|s|m|h|d)"),
    windows.windows: {"anyOf": [_WINDOW, {"type": "array", "items": _WINDOW}]},
    trading.market: {"anyOf": [{"enum": list(trading.MARKETS)}, *_NAMED]},
    trading.broker: {"anyOf": [{"enum": list(trading.BROKERS)}, *_NAMED]},
}
