"""The part of the API's description about what is only read, and the building blocks of all parts."""

from collections.abc import Mapping

from openbell.supervisor.web.answer import DATE_PATTERN, INSTANT_PATTERN, STATUS, TEXT, Schema, reference
from openbell.supervisor.web.bot_list import SORTS
from openbell.supervisor.web.money_page import RANGES
from openbell.supervisor.web.timeline_page import LENGTHS

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


_OF_MONEY = [
    query_parameter("range", {"enum": list(RANGES)}, "how far back, a month if not said"),
    query_parameter("strategy", TEXT, "only this one"),
]
_OF_BOTS = [
    query_parameter("strategy", TEXT, "only those of this strategy"),
    query_parameter("status", {"type": "string", **STATUS}, "only those of this status"),
    query_parameter("tag", TEXT, "only those of strategies with this tag"),
    query_parameter("host", TEXT, "only those that this host runs, where hosts share a database"),
    query_parameter("q", TEXT, "only those whose name, strategy, symbols or tags contain each of these words"),
    query_parameter("sort", {"enum": [*SORTS, *(f"-{one}" for one in SORTS)]}, '"-" is for the largest first'),
    query_parameter("page", {"type": "integer", "minimum": 1, "maximum": 1_000_000}, "which part, from 1 on"),
]
_STATUS = reading("Everything that is known now", "Status")

READING_PATHS: Mapping[str, Schema] = {
    "/api/status": {
        "get": {
            **_STATUS,
            "responses": {
                **answers_of({"200": answer_of("Everything that is known now", reference("Status"))}),
                "503": answer_of("The journals have not been read yet", reference("Unknown")),
            },
        }
    },
    "/api/conditions": {"get": reading("All that is wrong now", "Conditions")},
    "/api/bots": {
        "get": reading(
            "Bots, a part at a time",
            "Bots",
            parameters=[
                *_OF_BOTS[:-1],
                limit_parameter(1000),
                _OF_BOTS[-1],
            ],
        )
    },
    "/api/incidents": {"get": reading("What is wrong, by its cause", "Incidents")},
    "/api/incidents/{id}": {
        "parameters": [path_parameter("id")],
        "get": reading("One incident with the messages about it", "IncidentDetail", "404"),
    },
    "/api/audit": {
        "get": reading("What was changed through the page and the API", "Audit", parameters=[limit_parameter(500)])
    },
    "/api/slots": {
        "get": reading(
            "A bot's newest slots, each with its outcome",
            "Slots",
            "404",
            parameters=[query_parameter("bot", TEXT, "whose", required=True), limit_parameter(1000)],
        )
    },
    "/api/equity": {
        "get": reading("Equity and drawdown, of one strategy or of all", "Equity", "404", parameters=_OF_MONEY)
    },
    "/api/orders": {
        "get": reading(
            "Orders that wait or whose fate is unknown",
            "Orders",
            "404",
            parameters=[query_parameter("strategy", TEXT, "only this one")],
        )
    },
    "/api/trades": {
        "get": reading(
            "Trades that were closed within a range, newest first",
            "Trades",
            "404",
            parameters=[
                *_OF_MONEY,
                query_parameter("q", TEXT, "only those in which each of these words occurs"),
                limit_parameter(1000),
            ],
        )
    },
    "/api/journal": {
        "get": reading(
            "The newest lines of the journal",
            "JournalLines",
            "404",
            parameters=[
                query_parameter("strategy", TEXT, "only this one"),
                query_parameter("event", TEXT, "only these events"),
                query_parameter("bot", TEXT, "only this bot"),
                query_parameter("symbol", TEXT, "only this symbol"),
                query_parameter("q", TEXT, "only lines in which this text occurs"),
                query_parameter("at", {**TEXT, "pattern": INSTANT_PATTERN}, "only lines up to this instant"),
                limit_parameter(200),
            ],
        )
    },
    "/api/strategies/{name}/settings": {
        "parameters": [path_parameter("name")],
        "get": reading(
            "The settings of a strategy: its manifest, its packages, secrets by name", "StrategySettings", "404"
        ),
    },
    "/api/strategies/{name}": {
        "parameters": [path_parameter("name")],
        "get": reading(
            "One strategy with its bots, account, errors, notes and events",
            "StrategyDetail",
            "404",
            parameters=[limit_parameter(200)],
        ),
    },
    "/api/alerts": {"get": reading("Where alerts go, and the newest messages", "Alerts")},
    "/api/positions": {
        "get": reading(
            "What is held, by strategy and by symbol",
            "Positions",
            "404",
            parameters=[query_parameter("strategy", TEXT, "only this one")],
        )
    },
    "/api/timeline": {
        "get": reading(
            "What bots did in a day or a week, with sessions, half days, closures and blackouts",
            "Timeline",
            parameters=[
                query_parameter("span", {"enum": list(LENGTHS)}, "a day if not said"),
                query_parameter(
                    "day", {**TEXT, "pattern": f"^{DATE_PATTERN}$"}, "on which it begins; the newest if not said"
                ),
                *_OF_BOTS,
            ],
        )
    },
    "/api/bots/{id}/year": {
        "parameters": [path_parameter("id")],
        "get": reading(
            "How the slots of a bot ended on each day of a year",
            "Year",
            "404",
            parameters=[
                query_parameter("year", {"type": "integer", "minimum": 2000, "maximum": 2100}, "this one if not said")
            ],
        ),
    },
    "/api/strategies/{name}/runs/{run_id}": {
        "parameters": [path_parameter("name"), path_parameter("run_id")],
        "get": reading("All that is kept of one run", "RunDetail", "404"),
    },
}
