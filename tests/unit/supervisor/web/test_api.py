"""The API: what programs are told, and how mistakes are."""

import pytest
from starlette.routing import Route

from openbell.supervisor.web.openapi import DESCRIPTION
from tests.unit.supervisor.web.client import Client


def test_the_api_says_the_same_as_the_page(client: Client) -> None:
    """The snapshot as JSON."""
    answer = client.ask("/api/status").json()
    assert (answer["ok"], answer["headline"], answer["now"]) == (False, "1 bot down: pulse", "2026-11-20T12:03:25.000Z")
    assert (answer["read_only"], answer["deployment"]) == (False, None)
    assert [(one["currency"], one["equity"]) for one in answer["totals"]] == [("USD", 100_000.0)]
    (strategy,) = answer["strategies"]
    assert (strategy["name"], strategy["timezone"], strategy["status"], strategy["release"]) == (
        "pulse",
        "UTC",
        "up",
        "abc",
    )
    (bot,) = strategy["bots"]
    assert (bot["id"], bot["symbols"], bot["status"], bot["missed_today"]) == ("pulse", ["AAPL"], "down", 1)
    assert (bot["last_slot"], bot["last_outcome"]) == ("2026-11-20T12:03:00.000Z", "missed")
    assert bot["next_slot"] == "2026-11-20T12:04:00.000Z"
    assert bot["last_decision"]["action"] == "buy"


def test_what_is_wrong(client: Client) -> None:
    """Each condition with its words, its evidence and what to do."""
    conditions = client.ask("/api/conditions").json()["conditions"]
    assert conditions == client.ask("/api/status").json()["conditions"]
    missed = next(one for one in conditions if one["kind"] == "missed")
    assert (missed["strategy"], missed["bot"], missed["critical"], missed["title"]) == (
        "pulse",
        "pulse",
        True,
        "missed a slot",
    )
    assert missed["since"] == "2026-11-20T12:03:00.000Z"
    assert "make run STRATEGY=pulse BOT=pulse" in missed["advice"]


def test_the_ledger_of_slots(client: Client) -> None:
    """Newest first, as many as asked for."""
    answer = client.ask("/api/slots?bot=pulse").json()
    assert [slot["outcome"] for slot in answer["slots"]] == ["missed", "failed", "succeeded"]
    assert answer["slots"][1]["error"] == "ValueError: <script>alert(1)</script>"
    assert len(client.ask("/api/slots?bot=pulse&limit=1").json()["slots"]) == 1


def test_a_part_of_the_bots(client: Client) -> None:
    """By strategy and status, a page at a time, with how many there are in all."""
    rows = "".join(f'[[bot]]\nid = "b{number}"\nsymbols = ["A"]\nevery = "1h"\n' for number in range(5))
    client.world.restart()
    client.world.strategy("many", f'timezone = "UTC"\n{rows}')
    client.world.see()
    answer = client.ask("/api/bots?strategy=many&limit=2&page=3").json()
    assert (answer["total"], [bot["id"] for bot in answer["bots"]]) == (5, ["b4"])
    assert [bot["id"] for bot in client.ask("/api/bots?status=down").json()["bots"]] == ["pulse"]


def test_one_bot_and_one_strategy(client: Client) -> None:
    """With what the store remembers of them."""
    bot = client.ask("/api/bots/pulse").json()
    assert [run["outcome"] for run in bot["runs"]] == ["failed", "succeeded"]
    assert bot["decisions"][0]["about"]["source"] == "sample"
    assert bot["signals"][0]["values"] == {"short": 1.25}
    assert [one["kind"] for one in bot["conditions"]] == ["failed", "missed"]
    strategy = client.ask("/api/strategies/pulse").json()
    assert strategy["accounts"][0]["positions"]["AAPL"]["value"] == 30.0
    assert strategy["errors"][0]["traceback"] == "Traceback\n  line"
    assert strategy["notes"][0]["text"] == "<i>looked</i> at AAPL"
    assert strategy["events"][0]["event"] == "service_start"
    assert len(client.ask("/api/bots/pulse?limit=1").json()["runs"]) == 1


@pytest.mark.parametrize(
    "path, method, status, error",
    [
        ("/api/slots", "GET", 400, "bot is missing"),
        ("/api/slots?bot=nobody", "GET", 404, "there is no bot nobody"),
        ("/api/slots?bot=pulse&limit=0", "GET", 400, "from 1 to 1000"),
        ("/api/slots?bot=pulse&limit=-1", "GET", 400, "from 1 to 1000"),
        ("/api/slots?bot=pulse&limit=٣", "GET", 400, "from 1 to 1000"),
        ("/api/slots?bot=pulse&limit=" + "9" * 5000, "GET", 400, "from 1 to 1000"),
        ("/api/slots?bot=pulse&bot=pulse", "GET", 400, "bot: given twice"),
        ("/api/slots?bot=pulse&limits=1", "GET", 400, "limits: found an unknown parameter; allowed: bot, limit"),
        ("/api/status?all=1", "GET", 400, "all: found an unknown parameter; allowed: none"),
        ("/api/bots?status=ill", "GET", 400, "allowed: down, late, running, paused, new, up"),
        ("/api/bots/nobody", "GET", 404, "there is no bot nobody"),
        ("/api/strategies/nobody", "GET", 404, "there is no strategy nobody"),
        ("/api/nothing", "GET", 404, "Not Found"),
    ],
)
def test_errors_of_the_api_are_json(client: Client, path: str, method: str, status: int, error: str) -> None:
    """One clear line."""
    answer = client.ask(path, method)
    assert answer.status_code == status
    assert error in answer.json()["error"]


@pytest.mark.parametrize(
    "path, method, allowed",
    [
        ("/api/status", "POST", {"GET", "HEAD"}),
        ("/api/status", "DELETE", {"GET", "HEAD"}),
        ("/api/bots/pulse", "PUT", {"GET", "HEAD", "PATCH"}),
        ("/api/bots/pulse/run", "GET", {"POST"}),
    ],
)
def test_methods_that_mean_nothing(client: Client, path: str, method: str, allowed: set[str]) -> None:
    """405, with those that mean something."""
    answer = client.ask(path, method)
    assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_the_description_is_valid(client: Client) -> None:
    """By the validator of the specification; and it is what is served."""
    from openapi_spec_validator import validate  # noqa: PLC0415 - a heavy import, and every worker collects this file

    answer = client.ask("/api/openapi.json").json()
    assert answer == DESCRIPTION
    validate(answer)


def test_the_description_is_complete(client: Client) -> None:
    """Every route of the API is described with its methods, and nothing else is."""
    routes = {
        (route.path, method.lower())
        for route in client.page.app.routes
        if isinstance(route, Route) and route.path.startswith(("/api/", "/bots/")) and "/v1/" not in route.path
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert isinstance(DESCRIPTION["paths"], dict)
    described = {
        (path, method)
        for path, operations in DESCRIPTION["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert described == routes - {("/api/openapi.json", "get")}


# What each page of the site shows, as the API answers it.
SAME = {
    "/": "/api/status",
    "/strategies/{name}": "/api/strategies/{name}",
    "/strategies/{name}/runs/{run_id}": "/api/strategies/{name}/runs/{run_id}",
    "/strategies/{name}/bots/{id}/year": "/api/bots/{id}/year",
    "/strategies/{name}/settings": "/api/strategies/{name}/settings",
    "/alerts": "/api/alerts",
    "/incidents/{id}": "/api/incidents/{id}",
    "/timeline": "/api/timeline",
    "/money": "/api/positions",
    "/money/trades.csv": "/api/trades",
    "/journal": "/api/journal",
    "/journal/lines.jsonl": "/api/journal",
}
NO_VIEWS = {"/static/{name}", "/healthz", "/metrics"}


def test_every_view_is_in_the_api(client: Client) -> None:
    """No page shows what a program could not ask for."""
    views = {
        route.path
        for route in client.page.app.routes
        if isinstance(route, Route) and "GET" in (route.methods or ()) and not route.path.startswith("/api/")
    }
    assert views - NO_VIEWS == SAME.keys()
    assert isinstance(DESCRIPTION["paths"], dict)
    assert all("get" in DESCRIPTION["paths"][path] for path in SAME.values())


def test_a_run(client: Client) -> None:
    """Its timing, and each list of its page."""
    (run,) = [one for one in client.ask("/api/bots/pulse").json()["runs"] if one["outcome"] == "succeeded"]
    found = client.ask(f"/api/v1/strategies/pulse/runs/{run['run_id']}").json()
    assert (found["strategy"], found["bot"], found["outcome"], found["orders"]) == ("pulse", "pulse", "succeeded", 1)
    assert [one["signal"] for one in found["signals"]] == ["-0.01234567"]
    assert [one["reason"] for one in found["decisions"]] == ["<b>fell</b>"]
    assert [one["text"] for one in found["notes"]] == ["<i>looked</i> at AAPL"]
    assert (found["findings"], found["errors"]) == ([], [])
    assert client.ask("/api/strategies/pulse/runs/none").status_code == 404


def test_the_timeline(client: Client) -> None:
    """Slots of one outcome that lie close together are one entry, with how many there are; the day is the reader's."""
    found = client.ask("/api/v1/timeline").json()
    assert (found["span"], found["day"], found["timezone"], found["total"]) == ("day", "2026-11-20", "UTC", 1)
    assert (found["start"], found["end"]) == ("2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z")
    (lane,) = found["bots"]
    assert {one["outcome"]: one["count"] for one in lane["slots"]} == {"succeeded": 1, "failed": 1, "missed": 1}
    assert client.ask("/api/timeline?day=2026-11-19").json()["bots"][0]["slots"] == []
    assert client.ask("/api/timeline?day=").status_code == client.ask("/api/timeline?span=").status_code == 400
    week = client.ask("/api/timeline?span=week").json()
    assert (week["day"], week["end"]) == ("2026-11-14", "2026-11-21T00:00:00.000Z")


def test_the_year_of_a_bot(client: Client) -> None:
    """Days of which there is anything to say; none of another year."""
    client.world.at("12:04:00")
    found = client.ask("/api/v1/bots/pulse/year").json()
    assert (found["strategy"], found["bot"], found["year"]) == ("pulse", "pulse", 2026)
    (day,) = found["days"]
    assert (day["day"], day["worst"], day["slots"]["failed"]) == ("2026-11-20", "missed", 1)
    assert client.ask("/api/bots/pulse/year?year=2025").json()["days"] == []
    assert client.ask("/api/bots/nope/year").status_code == 404


def test_what_is_held(client: Client) -> None:
    """By strategy with its profit, and by symbol over all strategies."""
    found = client.ask("/api/v1/positions").json()
    (held,) = found["positions"]
    assert (held["strategy"], held["symbol"], held["quantity"], held["profit"]) == ("pulse", "AAPL", 3.0, 1.5)
    (total,) = found["exposure"]
    assert (total["symbol"], total["long"], total["short"], total["strategies"]) == ("AAPL", 30.0, 0, ["pulse"])
    assert client.ask("/api/positions?strategy=nope").status_code == 404


def test_the_api_has_a_version(client: Client) -> None:
    """Each path is there below /api/v1 too, with its methods, its mistakes and its need of a token."""
    assert client.ask("/api/v1/status").json() == client.ask("/api/status").json()
    assert client.ask("/api/v1/bots/pulse/stop", "PATCH").status_code == 401
    assert client.change("/api/v1/bots/pulse/stop").json()["changed"] is True
    assert client.ask("/api/v1/slots").json() == client.ask("/api/slots").json()
    assert client.ask("/api/v2/status").status_code == 404
