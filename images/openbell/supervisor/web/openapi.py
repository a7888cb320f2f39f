"""The API's description, OpenAPI 3.1: what can be asked for, what is answered, and which mistakes are told how."""

from collections.abc import Mapping

import openbell
from openbell.supervisor.web.actions import LENGTH, LONGEST_REASON
from openbell.supervisor.web.answers import (
    ANSWERS,
    INSTANT,
    STATUS,
    TEXT,
    Schema,
    list_of,
    or_null,
    reference,
    schema_object,
)

_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}

_SCHEMAS: Mapping[str, Schema] = {
    **{answer.name: answer.schema() for answer in ANSWERS},
    "Error": schema_object({"error": TEXT}, description="One line: what, where, and what would be allowed"),
    "Unknown": schema_object({"now": INSTANT, "ok": _FLAG, "headline": TEXT}),
    "Conditions": schema_object({"conditions": list_of(reference("Condition"))}),
    "Bots": schema_object({"total": _COUNT, "bots": list_of(reference("Bot"))}),
    "Slots": schema_object({"strategy": TEXT, "bot": TEXT, "slots": list_of(reference("Slot"))}),
    "Status": schema_object(
        {
            "now": INSTANT,
            "judged_at": INSTANT,
            "ok": {**_FLAG, "description": "whether all is well"},
            "headline": TEXT,
            "read_only": {**_FLAG, "description": "no token is set: nothing can be changed"},
            "deployment": or_null(reference("Deployment")),
            "conditions": list_of(reference("Condition")),
            "strategies": list_of(reference("Strategy")),
        }
    ),
    "Wish": {
        "oneOf": [
            {
                "type": "object",
                "properties": {
                    "paused": {"const": True},
                    "reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON},
                    "for": {"type": "string", "pattern": LENGTH, "description": 'how long, such as "2h"'},
                },
                "required": ["paused", "reason"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"paused": {"const": False}},
                "required": ["paused"],
                "additionalProperties": False,
            },
        ]
    },
    "Wanted": schema_object(
        {
            "id": TEXT,
            "strategy": TEXT,
            "changed": _FLAG,
            "paused": {
                "anyOf": [schema_object({"by": TEXT, "reason": TEXT, "until": or_null(INSTANT)}), {"type": "null"}]
            },
        }
    ),
    "Asked": schema_object({"id": TEXT, "strategy": TEXT, "request": TEXT}),
}

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


def _answer(text: str, schema: Schema) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _answers(good: Mapping[str, Schema], *mistakes: str) -> Schema:
    told = {code: _answer(_MISTAKES[code], reference("Error")) for code in ("400", *mistakes, "500", "503")}
    told["421"] = {"description": _MISTAKES["421"], "content": {"text/plain": {"schema": TEXT}}}
    return {**told, **good}


def _query(name: str, schema: Schema, text: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": text, "required": required}


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _limit(most: int) -> Schema:
    return _query("limit", {"type": "integer", "minimum": 1, "maximum": most}, "at most so many of each, newest first")


def _get(text: str, answer: str, *mistakes: str, parameters: list[Schema] | None = None) -> Schema:
    return {
        "summary": text,
        "parameters": parameters or [],
        "responses": _answers({"200": _answer(text, reference(answer))}, *mistakes),
    }


_STATUS = _get("Everything that is known now", "Status")

DESCRIPTION: Schema = {
    "openapi": "3.1.0",
    "info": {
        "title": "openbell",
        "version": openbell.__version__,
        "description": "Whether all is well, what is next, what went wrong; pause, resume and run bots.",
    },
    "paths": {
        "/api/status": {
            "get": {
                **_STATUS,
                "responses": {
                    **_answers({"200": _answer("Everything that is known now", reference("Status"))}),
                    "503": _answer("The journals have not been read yet", reference("Unknown")),
                },
            }
        },
        "/api/conditions": {"get": _get("All that is wrong now", "Conditions")},
        "/api/bots": {
            "get": _get(
                "Bots, a part at a time",
                "Bots",
                parameters=[
                    _query("strategy", TEXT, "only those of this strategy"),
                    _query("status", {"type": "string", **STATUS}, "only those of this status"),
                    _limit(1000),
                    _query("page", {"type": "integer", "minimum": 1, "maximum": 1_000_000}, "which part, from 1 on"),
                ],
            )
        },
        "/api/bots/{id}": {
            "parameters": [_in_path("id")],
            "get": _get(
                "One bot with its newest runs, decisions and signals", "BotDetail", "404", parameters=[_limit(200)]
            ),
            "patch": {
                "summary": "Pause a bot: its slots are skipped, with the reason; or let it run again",
                "security": [{"token": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": reference("Wish")}}},
                "responses": _answers(
                    {"200": _answer("What is wanted of it now; its loop obeys within a second", reference("Wanted"))},
                    *("401", "403", "404", "413", "415", "422"),
                ),
            },
        },
        "/api/bots/{id}/run": {
            "parameters": [_in_path("id")],
            "post": {
                "summary": "Run a bot now, once",
                "security": [{"token": []}],
                "responses": _answers(
                    {"202": _answer("Its loop takes the request within a second", reference("Asked"))},
                    *("401", "403", "404", "409", "413", "422"),
                ),
            },
        },
        "/api/slots": {
            "get": _get(
                "A bot's newest slots, each with its outcome",
                "Slots",
                "404",
                parameters=[_query("bot", TEXT, "whose", required=True), _limit(1000)],
            )
        },
        "/api/strategies/{name}": {
            "parameters": [_in_path("name")],
            "get": _get(
                "One strategy with its bots, account, errors, notes and events",
                "StrategyDetail",
                "404",
                parameters=[_limit(200)],
            ),
        },
    },
    "components": {
        "schemas": _SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "OPENBELL_TOKEN"}},
    },
}
