"""The parts of which JSON schemas are made."""

from collections.abc import Mapping

Schema = Mapping[str, object]

TEXT: Schema = {"type": "string"}
INSTANT: Schema = {"type": "string", "format": "date-time", "description": "UTC, to the millisecond"}
DATE: Schema = {"type": "string", "format": "date"}
DATE_PATTERN = "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
# An instant in UTC, to the second; others that ISO 8601 knows are understood, too.
INSTANT_PATTERN = f"^{DATE_PATTERN}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"
STATUS: Schema = {"enum": ["new", "up", "running", "late", "down", "paused"]}


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
