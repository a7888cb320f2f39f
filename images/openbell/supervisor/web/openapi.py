"""The API's description, OpenAPI 3.1: its requests, answers and errors."""

import openbell
from openbell.supervisor.web.answer import Schema, reference
from openbell.supervisor.web.api_schemas import SCHEMAS
from openbell.supervisor.web.openapi_reading import (
    READING_PATHS,
    answer_of,
    answers_of,
    limit_parameter,
    path_parameter,
    reading,
)

_OBEYED = {"200": answer_of("What is wanted of it now; its loop obeys within a second", reference("Wanted"))}
_START: Schema = {
    "summary": "Let a bot run again from its next slot on",
    "security": [{"token": []}],
    "responses": answers_of(_OBEYED, "401", "403", "404", "413", "422"),
}
_STOP: Schema = {
    "summary": "Pause a bot until it is started",
    "security": [{"token": []}],
    "requestBody": {"required": False, "content": {"application/json": {"schema": reference("Stop")}}},
    "responses": answers_of(_OBEYED, "401", "403", "404", "413", "415", "422"),
}
_ANSWERED = {"200": answer_of("It is stored; the watch obeys within seconds", reference("Answered"))}

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
        **READING_PATHS,
        "/api/bots/{id}": {
            "parameters": [path_parameter("id")],
            "get": reading(
                "One bot with its newest runs, decisions and signals",
                "BotDetail",
                "404",
                parameters=[limit_parameter(200)],
            ),
            "patch": {
                "summary": "Pause a bot: its slots are skipped, with the reason; or let it run again",
                "security": [{"token": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": reference("Wish")}}},
                "responses": answers_of(_OBEYED, "401", "403", "404", "413", "415", "422"),
            },
        },
        "/api/bots/{id}/start": {"parameters": [path_parameter("id")], "patch": _START},
        "/api/bots/{id}/stop": {"parameters": [path_parameter("id")], "patch": _STOP},
        "/bots/{id}/start": {"parameters": [path_parameter("id")], "patch": _START},
        "/bots/{id}/stop": {"parameters": [path_parameter("id")], "patch": _STOP},
        "/api/halt": {
            "post": {
                "summary": "Stop the orders of all strategies",
                "security": [{"token": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": reference("HaltWish")}}},
                "responses": answers_of(
                    {"200": answer_of("Each loop obeys within five seconds", reference("Halt"))},
                    *("401", "403", "409", "413", "415", "422"),
                ),
            },
            "delete": {
                "summary": "Let orders be sent again",
                "security": [{"token": []}],
                "responses": answers_of({"200": answer_of("They may be sent", reference("Halt"))}, "401", "403", "409"),
            },
        },
        "/api/incidents/{id}/acknowledge": {
            "parameters": [path_parameter("id")],
            "post": {
                "summary": "End the reminders and the escalation of an incident",
                "security": [{"token": []}],
                "responses": answers_of(_ANSWERED, *("401", "403", "404", "409", "413", "422")),
            },
        },
        "/api/incidents/{id}/snooze": {
            "parameters": [path_parameter("id")],
            "post": {
                "summary": "Send no message about an incident for a while, unless it is over",
                "security": [{"token": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": reference("SnoozeWish")}}},
                "responses": answers_of(_ANSWERED, *("401", "403", "404", "409", "413", "415", "422")),
            },
        },
        "/api/links": {
            "delete": {
                "summary": "Let none of the links in messages open anything any more",
                "security": [{"token": []}],
                "responses": answers_of({"200": answer_of("They are void", reference("Revoked"))}, "401", "403"),
            }
        },
        "/api/session": {
            "post": {
                "summary": "Open a session for a browser, with the token",
                "security": [{"token": []}],
                "responses": answers_of({"200": answer_of("A cookie has it", reference("Session"))}, "401", "403"),
            },
            "delete": {
                "summary": "End the session",
                "responses": answers_of({"200": answer_of("The cookie is gone", reference("Session"))}),
            },
        },
        "/api/bots/{id}/run": {
            "parameters": [path_parameter("id")],
            "post": {
                "summary": "Run a bot now, once",
                "security": [{"token": []}],
                "responses": answers_of(
                    {"202": answer_of("Its loop takes the request within a second", reference("Asked"))},
                    *("401", "403", "404", "409", "413", "422"),
                ),
            },
        },
        "/api/strategies/{name}/flatten": {
            "parameters": [path_parameter("name")],
            "post": {
                "summary": "Cancel what waits and close what a strategy's own orders hold",
                "security": [{"token": []}],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": reference("FlattenWish")}},
                },
                "responses": answers_of(
                    {"202": answer_of("Its loop takes the request within a second", reference("FlattenAsked"))},
                    *("401", "403", "404", "409", "413", "415", "422"),
                ),
            },
        },
    },
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "OPENBELL_TOKEN"}},
    },
}
