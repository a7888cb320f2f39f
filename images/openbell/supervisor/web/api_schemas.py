"""The named schemas of the API's description: its answers, and the bodies of its requests."""

from collections.abc import Mapping

from openbell.supervisor.web.actions import LENGTH, LONGEST_REASON
from openbell.supervisor.web.answer import (
    DATE,
    INSTANT,
    INSTANT_PATTERN,
    TEXT,
    Schema,
    list_of,
    or_null,
    reference,
    schema_object,
)
from openbell.supervisor.web.answers import ANSWERS
from openbell.supervisor.web.timeline_page import LENGTHS

_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_LENGTH: Schema = {"type": "string", "pattern": LENGTH, "description": 'how long, such as "2h"'}

SCHEMAS: Mapping[str, Schema] = {
    **{answer.name: answer.schema() for answer in ANSWERS},
    "Error": schema_object({"error": TEXT}, description="One line: what, where, and what would be allowed"),
    "Unknown": schema_object({"now": INSTANT, "ok": _FLAG, "headline": TEXT}),
    "Conditions": schema_object({"conditions": list_of(reference("Condition"))}),
    "Bots": schema_object({"total": _COUNT, "bots": list_of(reference("Bot"))}),
    "Equity": schema_object(
        {"curves": list_of(schema_object({"currency": TEXT, "points": list_of(reference("EquityPoint"))}))}
    ),
    "JournalLines": schema_object(
        {
            "lines": list_of({"type": "object", "description": "as the journal has it, newest first"}),
            "has_more": _FLAG,
            "searched_to": {**or_null(INSTANT), "description": "how far back it went, if not through all there is"},
        }
    ),
    "Trades": schema_object({"total": _COUNT, "trades": list_of(reference("Trade"))}),
    "Slots": schema_object({"strategy": TEXT, "bot": TEXT, "slots": list_of(reference("Slot"))}),
    "Status": schema_object(
        {
            "now": INSTANT,
            "judged_at": INSTANT,
            "ok": {**_FLAG, "description": "whether nothing is down; the headline says what else needs attention"},
            "headline": TEXT,
            "read_only": {**_FLAG, "description": "no token is set: nothing can be changed"},
            "deployment": or_null(reference("Deployment")),
            "totals": list_of(reference("Total")),
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
                    "for": _LENGTH,
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
    "Stop": {
        "type": "object",
        "properties": {"reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON}},
        "required": ["reason"],
        "additionalProperties": False,
    },
    "HaltWish": {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON},
            "exits": {**_FLAG, "description": "orders that reduce what is held may still be sent"},
        },
        "required": ["reason"],
        "additionalProperties": False,
    },
    "Halt": schema_object(
        {
            "changed": _FLAG,
            "halt": {"anyOf": [schema_object({"by": TEXT, "reason": TEXT, "exits": _FLAG}), {"type": "null"}]},
        }
    ),
    "Positions": schema_object(
        {"positions": list_of(reference("Position")), "exposure": list_of(reference("Exposure"))}
    ),
    "Timeline": schema_object(
        {
            "span": {"enum": list(LENGTHS)},
            "day": DATE,
            "timezone": {**TEXT, "description": "in which the days begin"},
            "start": INSTANT,
            "end": INSTANT,
            "total": {**_COUNT, "description": "bots on all pages"},
            "bots": list_of(reference("Lane")),
        }
    ),
    "Year": schema_object(
        {
            "strategy": TEXT,
            "bot": TEXT,
            "year": _COUNT,
            "slots": {"type": "object", "description": "outcome → slots of the year"},
            "days": list_of(reference("YearDay")),
        }
    ),
    "Alerts": schema_object(
        {
            "channels": list_of(reference("Channel")),
            "messages": list_of(reference("AlertMessage")),
            "deadman": or_null(reference("Deadman")),
        }
    ),
    "Orders": schema_object({"orders": list_of(reference("OpenOrder"))}),
    "Incidents": schema_object({"incidents": list_of(reference("Incident"))}),
    "SnoozeWish": {
        "oneOf": [
            {**schema_object({"for": _LENGTH}), "additionalProperties": False},
            {**schema_object({"until": {**TEXT, "pattern": INSTANT_PATTERN}}), "additionalProperties": False},
        ]
    },
    "Answered": schema_object({"incident": _COUNT, "snoozed_until": or_null(INSTANT)}),
    "Revoked": schema_object({"revoked": _FLAG}),
    "Session": schema_object({"until": or_null(INSTANT)}),
    "Audit": schema_object({"entries": list_of(reference("AuditEntry"))}),
    "FlattenWish": {
        **schema_object({"confirm": {**TEXT, "description": "the strategy's name"}}),
        "additionalProperties": False,
    },
    "FlattenAsked": schema_object({"strategy": TEXT, "request": TEXT}),
    "Asked": schema_object({"id": TEXT, "strategy": TEXT, "request": TEXT}),
}
