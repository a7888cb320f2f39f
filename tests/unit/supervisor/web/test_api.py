"""The API: what programs are told, and how mistakes are."""

import pytest
from openapi_spec_validator import validate
from starlette.routing import Route

from openbell.supervisor.web.openapi import DESCRIPTION
from tests.unit.supervisor.web.client import Client


def test_the_api_says_the_same_as_the_page(client: Client) -> None:
    """The snapshot as JSON."""
    answer = client.ask("/api/status").json()
    assert (answer["ok"], answer["headline"], answer["now"]) == (False, "1 bot down: pulse", "2026-11-20T12:03:25.000Z")
    assert (answer["read_only"], answer["deployment"]) == (False, None)
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


def test_the_api_has_a_version(client: Client) -> None:
    """Each path is there below /api/v1 too, with its methods, its mistakes and its need of a token."""
    assert client.ask("/api/v1/status").json() == client.ask("/api/status").json()
    assert client.ask("/api/v1/bots/pulse/stop", "PATCH").status_code == 401
    assert client.change("/api/v1/bots/pulse/stop").json()["changed"] is True
    assert client.ask("/api/v1/slots").json() == client.ask("/api/slots").json()
    assert client.ask("/api/v2/status").status_code == 404
