"""The API's description, OpenAPI 3.1: what can be asked for, what is answered, and which mistakes are told how."""

from collections.abc import Mapping

import openbell
from openbell.supervisor.web.actions import LENGTH, LONGEST_REASON

Schema = Mapping[str, object]


def _object(properties: Mapping[str, Schema], **more: object) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), **more}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(of: Schema) -> Schema:
    return {"anyOf": [of, {"type": "null"}]}


TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": ["number", "null"]}
INSTANT: Schema = {"type": "string", "format": "date-time", "description": "UTC, to the millisecond"}
MAYBE_INSTANT: Schema = {"type": ["string", "null"], "format": "date-time"}
OUTCOME: Schema = {
    "enum": ["succeeded", "failed", "timed_out", "interrupted", "skipped", "missed", None],
    "description": "null while its run is in progress",
}
STATUS: Schema = {"enum": ["new", "up", "running", "late", "down", "paused"]}
ANYTHING: Schema = {"type": "object"}

_STRATEGY = {
    "name": TEXT,
    "description": TEXT,
    "timezone": TEXT,
    "broker": TEXT,
    "money": {**TEXT, "description": "live or paper"},
    "status": STATUS,
    "reason": TEXT,
    "condition": TEXT,
    "release": TEXT,
    "problems": _list(TEXT),
}
_BOT = {
    "id": TEXT,
    "strategy": TEXT,
    "symbols": _list(TEXT),
    "timezone": TEXT,
    "status": STATUS,
    "reason": TEXT,
    "condition": TEXT,
    "last_slot": MAYBE_INSTANT,
    "last_outcome": OUTCOME,
    "last_lateness_ms": NUMBER,
    "last_duration_ms": NUMBER,
    "median_duration_ms": NUMBER,
    "p95_duration_ms": NUMBER,
    "creep_ms_per_week": NUMBER,
    "next_slot": MAYBE_INSTANT,
    "missed_today": COUNT,
    "last_decision": _or_null(_ref("Decision")),
}

SCHEMAS: Mapping[str, Schema] = {
    "Error": _object({"error": TEXT}, description="One line: what, where, and what would be allowed"),
    "Unknown": _object({"now": INSTANT, "ok": FLAG, "headline": TEXT}),
    "Condition": _object(
        {
            "kind": TEXT,
            "strategy": TEXT,
            "bot": TEXT,
            "since": INSTANT,
            "title": TEXT,
            "reason": TEXT,
            "expected": TEXT,
            "count": COUNT,
            "critical": FLAG,
            "advice": TEXT,
        },
        description="Something that is wrong now. bot is empty if it concerns the strategy's loop, both if the machine",
    ),
    "Deployment": _object({"release": TEXT, "strategies": _list(TEXT), "since": INSTANT, "until": INSTANT, "by": TEXT}),
    "Decision": _object(
        {
            "timestamp": INSTANT,
            "slot": MAYBE_INSTANT,
            "symbol": TEXT,
            "action": TEXT,
            "quantity": NUMBER,
            "reason": TEXT,
            "about": ANYTHING,
        }
    ),
    "Signal": _object(
        {"timestamp": INSTANT, "slot": MAYBE_INSTANT, "symbol": TEXT, "signal": TEXT, "values": ANYTHING}
    ),
    "Run": _object(
        {
            "run_id": TEXT,
            "slot": INSTANT,
            "trigger": TEXT,
            "attempt": COUNT,
            "started_at": MAYBE_INSTANT,
            "ended_at": MAYBE_INSTANT,
            "outcome": OUTCOME,
            "lateness_ms": NUMBER,
            "duration_ms": NUMBER,
            "orders": COUNT,
            "error": TEXT,
        }
    ),
    "Slot": _object(
        {
            "slot": INSTANT,
            "first": INSTANT,
            "count": COUNT,
            "outcome": OUTCOME,
            "reason": TEXT,
            "late": FLAG,
            "run_id": {"type": ["string", "null"]},
            "lateness_ms": NUMBER,
            "duration_ms": NUMBER,
            "error": TEXT,
        },
        description="A slot, or a range of slots with one fate: first is the range's first then, slot its last",
    ),
    "Account": _object(
        {
            "timestamp": INSTANT,
            "broker": TEXT,
            "cash": NUMBER,
            "equity": NUMBER,
            "currency": TEXT,
            "day_profit_loss": NUMBER,
            "positions": ANYTHING,
        }
    ),
    "RunError": _object(
        {
            "timestamp": INSTANT,
            "bot": TEXT,
            "slot": MAYBE_INSTANT,
            "error": TEXT,
            "traceback": TEXT,
            "will_retry": FLAG,
        }
    ),
    "Note": _object({"timestamp": INSTANT, "bot": TEXT, "kind": TEXT, "level": TEXT, "text": TEXT, "values": ANYTHING}),
    "Event": _object({"timestamp": INSTANT, "event": TEXT, "detail": TEXT, "unclean": FLAG}),
    "Bot": _object(_BOT),
    "BotDetail": _object(
        {
            **_BOT,
            "conditions": _list(_ref("Condition")),
            "runs": _list(_ref("Run")),
            "decisions": _list(_ref("Decision")),
            "signals": _list(_ref("Signal")),
        }
    ),
    "Strategy": _object({**_STRATEGY, "bots": _list(_ref("Bot"))}),
    "StrategyDetail": _object(
        {
            **_STRATEGY,
            "conditions": _list(_ref("Condition")),
            "bots": _list(_ref("Bot")),
            "accounts": _list(_ref("Account")),
            "errors": _list(_ref("RunError")),
            "notes": _list(_ref("Note")),
            "events": _list(_ref("Event")),
        }
    ),
    "Status": _object(
        {
            "now": INSTANT,
            "judged_at": INSTANT,
            "ok": {**FLAG, "description": "whether all is well"},
            "headline": TEXT,
            "read_only": {**FLAG, "description": "no token is set: nothing can be changed"},
            "deployment": _or_null(_ref("Deployment")),
            "conditions": _list(_ref("Condition")),
            "strategies": _list(_ref("Strategy")),
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
    "Wanted": _object(
        {
            "id": TEXT,
            "strategy": TEXT,
            "changed": FLAG,
            "paused": _or_null(_object({"by": TEXT, "reason": TEXT, "until": MAYBE_INSTANT})),
        }
    ),
    "Asked": _object({"id": TEXT, "strategy": TEXT, "request": TEXT}),
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
    told = {code: _answer(_MISTAKES[code], _ref("Error")) for code in ("400", *mistakes, "500", "503")}
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
        "responses": _answers({"200": _answer(text, _ref(answer))}, *mistakes),
    }


_SCHEMAS = {
    **SCHEMAS,
    "Conditions": _object({"conditions": _list(_ref("Condition"))}),
    "Bots": _object({"total": COUNT, "bots": _list(_ref("Bot"))}),
    "Slots": _object({"strategy": TEXT, "bot": TEXT, "slots": _list(_ref("Slot"))}),
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
                    **_answers({"200": _answer("Everything that is known now", _ref("Status"))}),
                    "503": _answer("The journals have not been read yet", _ref("Unknown")),
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
                "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Wish")}}},
                "responses": _answers(
                    {"200": _answer("What is wanted of it now; its loop obeys within a second", _ref("Wanted"))},
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
                    {"202": _answer("Its loop takes the request within a second", _ref("Asked"))},
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
