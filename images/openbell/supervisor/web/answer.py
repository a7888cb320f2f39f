"""An answer of the API: its JSON and its OpenAPI schema, made from one list of fields.

A field is named after the attribute of the record that it shows, or written as `name=path.of.attributes`; where an
attribute on the path is None, so is the field. The types come from the records' annotations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from operator import attrgetter
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from openbell.journal import stamp

Schema = Mapping[str, object]

TEXT: Schema = {"type": "string"}
INSTANT: Schema = {"type": "string", "format": "date-time", "description": "UTC, to the millisecond"}
DATE: Schema = {"type": "string", "format": "date"}
DATE_PATTERN = "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
# An instant in UTC, to the second; others that ISO 8601 knows are understood, too.
INSTANT_PATTERN = f"^{DATE_PATTERN}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"
STATUS: Schema = {"enum": ["new", "up", "running", "late", "down", "paused"]}

Record = TypeVar("Record")
Json = dict[str, object]
_BY_RECORD: dict[type, "Answer[Any]"] = {}
_OUTCOME: Schema = {
    "enum": ["succeeded", "failed", "timed_out", "interrupted", "skipped", "missed", None],
    "description": "null while its run is in progress",
}
# Fields of which the type does not say all.
_KNOWN: Mapping[str, Schema] = {
    "outcome": _OUTCOME,
    "last_outcome": _OUTCOME,
    "status": STATUS,
    "money": {**TEXT, "description": "live or paper"},
}
_SCALARS = frozenset({bool, int, float, str})
_TYPES: Mapping[type, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number"},
    str: TEXT,
    datetime: INSTANT,
    date: DATE,
}


def schema_object(properties: Mapping[str, Schema], **more: object) -> Schema:
    """Return the schema of an object that has all of the properties."""
    return {"type": "object", "properties": properties, "required": list(properties), **more}


def reference(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(item: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def or_null(schema: Schema) -> Schema:
    """Return a schema that also allows null."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**{key: value for key, value in schema.items() if key != "description"}, "type": [schema["type"], "null"]}


@dataclass(frozen=True)
class Answer(Generic[Record]):
    """An answer about one record. `computed` are fields that a function returns, `lists` are lists of other answers."""

    name: str
    record: type[Record]
    fields: str
    computed: Mapping[str, Callable[[Record], object]] = field(default_factory=dict)
    lists: Mapping[str, "Answer[Any]"] = field(default_factory=dict)
    description: str = ""

    def __post_init__(self) -> None:
        """Let other answers show such records."""
        if not self.lists:
            _BY_RECORD.setdefault(self.record, self)

    def json(self, record: Record, **lists: Sequence[object]) -> Json:
        """Return the answer as a JSON object. lists: those that the record does not have itself."""
        found: Json = {name: read(record) for name, read in self._readers}
        found |= {name: function(record) for name, function in self.computed.items()}
        parts = {name: lists[name] if name in lists else getattr(record, name) for name in self.lists}
        return found | {name: [answer.json(one) for one in parts[name]] for name, answer in self.lists.items()}

    def schema(self) -> Schema:
        """Return the OpenAPI schema of the answer."""
        found = {name: _KNOWN.get(name) or _schema(_type_at(self.record, path)) for name, path in _paths(self.fields)}
        found |= {name: _schema(get_type_hints(function)["return"]) for name, function in self.computed.items()}
        found |= {name: list_of(reference(answer.name)) for name, answer in self.lists.items()}
        return schema_object(found, **({"description": self.description} if self.description else {}))

    @cached_property
    def _readers(self) -> list[tuple[str, Callable[[object], object]]]:
        return [(name, _reader(self.record, path)) for name, path in _paths(self.fields)]

    def extended(self, name: str, **lists: "Answer[Any]") -> "Answer[Record]":
        """Return the answer with lists of others."""
        return replace(self, name=name, lists=lists)


def _paths(fields: str) -> list[tuple[str, tuple[str, ...]]]:
    pairs = [(name, path or name) for name, _, path in (one.partition("=") for one in fields.split())]
    return [(name, tuple(path.split("."))) for name, path in pairs]


def _reader(record: type, path: tuple[str, ...]) -> Callable[[object], object]:
    """Return a function that reads a field of a record as JSON; quick, for a thousand bots have 17 fields each."""
    if not _without_none(_type_at(record, path[:-1]))[1]:
        get = attrgetter(".".join(path))
        return get if _without_none(_type_at(record, path))[0] in _SCALARS else lambda one: json_value(get(one))
    outer, inner = attrgetter(".".join(path[:-1])), attrgetter(path[-1])
    return lambda one: None if (found := outer(one)) is None else json_value(inner(found))


def json_value(value: object) -> object:
    """Return a value of a record as JSON."""
    if value is None or type(value) in _SCALARS:
        return value
    if (answer := _BY_RECORD.get(type(value))) is not None:
        return answer.json(value)  # before its kind: a record may be a tuple
    match value:
        case datetime():
            return stamp(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {key: json_value(one) for key, one in value.items()}
        case tuple() | list():
            return [json_value(one) for one in value]
        case _:
            return value


def _type_at(record: object, path: tuple[str, ...]) -> object:
    """Return the type at the end of a path of attributes, with None if one on the way may be None."""
    found, may_be_none = record, False
    for name in path:
        found, none_here = _without_none(found)
        may_be_none = may_be_none or none_here
        member = getattr(found, name, None)
        found = get_type_hints(member.fget)["return"] if isinstance(member, property) else get_type_hints(found)[name]
    return found | None if may_be_none else found  # type: ignore[operator]


def _without_none(found: object) -> tuple[object, bool]:
    options = [one for one in get_args(found) if one is not NoneType] if NoneType in get_args(found) else [found]
    return options[0], NoneType in get_args(found)


def _schema(found: object) -> Schema:
    found, may_be_none = _without_none(found)
    if may_be_none:
        return or_null(_schema(found))
    if get_origin(found) is tuple:
        return list_of(_schema(get_args(found)[0]))
    if isinstance(found, type) and found in _BY_RECORD:
        return reference(_BY_RECORD[found].name)
    return _TYPES.get(found, {"type": "object"})  # type: ignore[call-overload, no-any-return]
