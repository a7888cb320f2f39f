"""The API's description, OpenAPI 3.1: what can be asked for, what is answered, and which mistakes are told how."""

from collections.abc import Mapping

import openbell
from openbell.supervisor.web.api_schemas import SCHEMAS
from openbell.supervisor.web.bot_list import SORTS
from openbell.supervisor.web.money_page import RANGES
from openbell.supervisor.web.schemas import INSTANT_PATTERN, STATUS, TEXT, Schema, reference

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


_OF_MONEY = [
    _query("range", {"enum": list(RANGES)}, "how far back, a month if not said"),
    _query("strategy", TEXT, "only this one"),
]
_OBEYED = {"200": _answer("What is wanted of it now; its loop obeys within a second", reference("Wanted"))}
_START: Schema = {
    "summary": "Let a bot run again from its next slot on",
    "security": [{"token": []}],
    "responses": _answers(_OBEYED, "401", "403", "404", "413", "422"),
}
_STOP: Schema = {
    "summary": "Pause a bot until it is started",
    "security": [{"token": []}],
    "requestBody": {"required": False, "content": {"application/json": {"schema": reference("Stop")}}},
    "responses": _answers(_OBEYED, "401", "403", "404", "413", "415", "422"),
}
_ANSWERED = {"200": _answer("It is stored; the watch obeys within seconds", reference("Answered"))}
_STATUS = _get("Everything that is known now", "Status")

DESCRIPTION: Schema = {
    "openapi": "3.1.0",
    "info": {
        "title": "openbell",
        "version": openbell.__version__,
        "description": (
            "Whether all is well, what is next, what went wrong; pause, resume and run bots, answer incidents. Each path below "
            "/api is below /api/v1, too, where it stays as it is when a later version answers otherwise."
        ),
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
                    _query("tag", TEXT, "only those of strategies with this tag"),
                    _query("host", TEXT, "only those that this host runs, where hosts share a database"),
                    _query("q", TEXT, "only those whose name, strategy, symbols or tags contain each of these words"),
                    _query("sort", {"enum": [*SORTS, *(f"-{one}" for one in SORTS)]}, '"-" is for the largest first'),
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
                "responses": _answers(_OBEYED, "401", "403", "404", "413", "415", "422"),
            },
        },
        "/api/bots/{id}/start": {"parameters": [_in_path("id")], "patch": _START},
        "/api/bots/{id}/stop": {"parameters": [_in_path("id")], "patch": _STOP},
        "/bots/{id}/start": {"parameters": [_in_path("id")], "patch": _START},
        "/bots/{id}/stop": {"parameters": [_in_path("id")], "patch": _STOP},
        "/api/halt": {
            "post": {
                "summary": "Stop the orders of all strategies",
                "security": [{"token": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": reference("HaltWish")}}},
                "responses": _answers(
                    {"200": _answer("Each loop obeys within five seconds", reference("Halt"))},
                    *("401", "403", "409", "413", "415", "422"),
                ),
            },
            "delete": {
                "summary": "Let orders be sent again",
                "security": [{"token": []}],
                "responses": _answers({"200": _answer("They may be sent", reference("Halt"))}, "401", "403", "409"),
            },
        },
        "/api/incidents": {"get": _get("What is wrong, by its cause", "Incidents")},
        "/api/incidents/{id}": {
            "parameters": [_in_path("id")],
            "get": _get("One incident with the messages about it", "IncidentDetail", "404"),
        },
        "/api/incidents/{id}/acknowledge": {
            "parameters": [_in_path("id")],
            "post": {
                "summary": "End the reminders and the escalation of an incident",
                "security": [{"token": []}],
                "responses": _answers(_ANSWERED, *("401", "403", "404", "409", "413", "422")),
            },
        },
        "/api/incidents/{id}/snooze": {
            "parameters": [_in_path("id")],
            "post": {
                "summary": "Send no message about an incident for a while, unless it is over",
                "security": [{"token": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": reference("SnoozeWish")}}},
                "responses": _answers(_ANSWERED, *("401", "403", "404", "409", "413", "415", "422")),
            },
        },
        "/api/links": {
            "delete": {
                "summary": "Let none of the links in messages open anything any more",
                "security": [{"token": []}],
                "responses": _answers({"200": _answer("They are void", reference("Revoked"))}, "401", "403"),
            }
        },
        "/api/session": {
            "post": {
                "summary": "Open a session for a browser, with the token",
                "security": [{"token": []}],
                "responses": _answers({"200": _answer("A cookie has it", reference("Session"))}, "401", "403"),
            },
            "delete": {
                "summary": "End the session",
                "responses": _answers({"200": _answer("The cookie is gone", reference("Session"))}),
            },
        },
        "/api/audit": {"get": _get("What was changed through the page and the API", "Audit", parameters=[_limit(500)])},
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
        "/api/strategies/{name}/flatten": {
            "parameters": [_in_path("name")],
            "post": {
                "summary": "Cancel what waits and close what a strategy's own orders hold",
                "security": [{"token": []}],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": reference("FlattenWish")}},
                },
                "responses": _answers(
                    {"202": _answer("Its loop takes the request within a second", reference("FlattenAsked"))},
                    *("401", "403", "404", "409", "413", "415", "422"),
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
        "/api/equity": {
            "get": _get("Equity and drawdown, of one strategy or of all", "Equity", "404", parameters=_OF_MONEY)
        },
        "/api/orders": {
            "get": _get(
                "Orders that wait or whose fate is unknown",
                "Orders",
                "404",
                parameters=[_query("strategy", TEXT, "only this one")],
            )
        },
        "/api/trades": {
            "get": _get(
                "Trades that were closed within a range, newest first",
                "Trades",
                "404",
                parameters=[
                    *_OF_MONEY,
                    _query("q", TEXT, "only those in which each of these words occurs"),
                    _limit(1000),
                ],
            )
        },
        "/api/journal": {
            "get": _get(
                "The newest lines of the journal",
                "JournalLines",
                "404",
                parameters=[
                    _query("strategy", TEXT, "only this one"),
                    _query("event", TEXT, "only these events"),
                    _query("bot", TEXT, "only this bot"),
                    _query("symbol", TEXT, "only this symbol"),
                    _query("q", TEXT, "only lines in which this text occurs"),
                    _query("at", {**TEXT, "pattern": INSTANT_PATTERN}, "only lines up to this instant"),
                    _limit(200),
                ],
            )
        },
        "/api/strategies/{name}/settings": {
            "parameters": [_in_path("name")],
            "get": _get(
                "What a strategy was told: its manifest, its packages, secrets by name", "StrategySettings", "404"
            ),
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
        "schemas": SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "OPENBELL_TOKEN"}},
    },
}
