"""The parts of which the API's description is made: answers, mistakes and parameters."""

from collections.abc import Mapping

from openbell.supervisor.web.schemas import TEXT, Schema, reference

_MISTAKES = {
    "400": "A parameter or the body makes no sense",
    "401": "The token is missing or wrong",
    "403": "Nothing can be changed here: no token is set",
    "404": "There is no such thing",
    "409": "It cannot be done as things are",
    "413": "The body is too long",
    "415": "The body is not application/json",
    "421": "The page does not answer under that name",
    "422": "The body is JSON, and says nothing that could be done",
    "500": "This did not work; the supervisor's log says why",
    "503": "Nothing is known yet, or the records cannot be read or written",
}


def answer_of(text: str, schema: Schema) -> Schema:
    """Return one answer in JSON."""
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def answers_of(good: Mapping[str, Schema], *mistakes: str) -> Schema:
    """Return all answers to a request: the good ones, its errors by their codes, and the errors of every request."""
    told = {code: answer_of(_MISTAKES[code], reference("Error")) for code in ("400", *mistakes, "500", "503")}
    told["421"] = {"description": _MISTAKES["421"], "content": {"text/plain": {"schema": TEXT}}}
    return {**told, **good}


def query_parameter(name: str, schema: Schema, text: str, *, required: bool = False) -> Schema:
    """Return a parameter behind the question mark."""
    return {"name": name, "in": "query", "schema": schema, "description": text, "required": required}


def path_parameter(name: str) -> Schema:
    """Return a part of the path."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def limit_parameter(most: int) -> Schema:
    """Return the parameter that bounds a list."""
    return query_parameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": most}, "at most so many of each, newest first"
    )


def reading(text: str, answer: str, *mistakes: str, parameters: list[Schema] | None = None) -> Schema:
    """Return what can be read: its one good answer, named as its schema, and its mistakes."""
    return {
        "summary": text,
        "parameters": parameters or [],
        "responses": answers_of({"200": answer_of(text, reference(answer))}, *mistakes),
    }
