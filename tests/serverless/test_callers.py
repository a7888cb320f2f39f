"""Who calls a function: a POST of JSON that says what it wants runs something, and nothing else does."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from openbell.runner.serverless.function import CannotRunError
from openbell.runner.serverless.request import BadRequestError
from tests.serverless.calls import BUYS, World

JSON = "application/json"
ASKS = b'{"symbol": "AAPL"}'


@dataclass
class FlaskRequest:
    """A request as Flask hands it to a function of Google's."""

    method: str
    mimetype: str
    content: bytes

    def get_data(self) -> bytes:
        """Return the body."""
        return self.content


def google(world: World, method: str, kind: str, content: bytes) -> int:
    """Call over HTTP as Google does."""
    return world.function().gcp(FlaskRequest(method, kind, content))[1]


def amazon(world: World, method: str, kind: str, content: bytes) -> int:
    """Call the function's URL at AWS."""
    event: Mapping[str, object] = {
        "requestContext": {"http": {"method": method}},
        "headers": {"Content-Type": kind},
        "body": base64.b64encode(content).decode(),
        "isBase64Encoded": True,
        "rawPath": "/favicon.ico",
        "queryStringParameters": {"symbol": "AAPL"},
    }
    return int(str(world.function().aws(event)["statusCode"]))


NOT_ASKED = [
    ("POST", "application/octet-stream", b'{"trigger": "schedule"}', 400),
    ("POST", "text/plain", ASKS, 400),
    ("POST", "application/x-www-form-urlencoded", b"symbol=AAPL", 400),
    ("POST", JSON, b"{bad json", 400),
    ("POST", JSON, b"\xff\xfe", 400),
    ("POST", JSON, b"[" * 100_000, 400),
    ("POST", JSON, b"null", 400),
    ("POST", JSON, b"[]", 400),
    ("POST", JSON, b"7", 400),
    ("POST", JSON, b"", 400),
    ("POST", JSON, b"{}", 400),
    ("POST", JSON, b'{"params": {}}', 400),
    ("GET", JSON, ASKS, 405),
    ("HEAD", JSON, b"", 405),
    ("PUT", JSON, ASKS, 405),
    ("DELETE", JSON, b"", 405),
    ("OPTIONS", JSON, b"", 405),
]


@pytest.mark.parametrize("call", [google, amazon])
def test_only_a_post_of_json_that_says_what_it_wants_runs_something(world: World, call: type) -> None:
    """Anything else is 400 or 405, and neither a run nor an order follows."""
    world.write(BUYS)
    for method, kind, content, code in NOT_ASKED:
        assert call(world, method, kind, content) == code, (method, kind, content[:30])
    world.call()  # the tables are there
    assert [start["trigger"] for start in world.events("run_start")] == ["serverless"]
    assert call(world, "POST", f"{JSON}; charset=utf-8" if call is amazon else JSON, ASKS) == 200
    assert [start["trigger"] for start in world.events("run_start")] == ["serverless", "manual"]


@pytest.mark.parametrize(
    "event, code",
    [
        ({"http": {"method": "GET"}, "symbol": "AAPL"}, 405),
        ({"__ow_method": "get", "symbol": "AAPL"}, 405),
        ({"http": {"method": "POST", "body": "e30=", "isBase64Encoded": True}}, 400),
        ({"__ow_method": "post", "__ow_body": "e30="}, 400),
        ({"__ow_method": "post", "symbol": "AAPL", "params": "[" * 100_000}, 400),
    ],
)
def test_digitaloceans_web_calls_are_posts_that_say_what_they_want(
    world: World, event: Mapping[str, object], code: int
) -> None:
    """The platform mixes query and body: the method decides, and what is asked."""
    world.write(BUYS, slot=False)
    assert world.function().digitalocean(event)["statusCode"] == code


@pytest.mark.parametrize(
    "data",
    [None, {}, {"message": None}, {"message": {}}, {"message": {"data": ""}}, {"message": {"data": "%%%"}},
     {"message": {"data": base64.b64encode(b"null").decode()}}, {"message": {"data": base64.b64encode(b"{}").decode()}}],
)  # fmt: skip
def test_a_message_that_says_nothing_is_acknowledged_and_told(
    world: World, data: object, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pub/Sub would deliver it for ever: nothing runs, and the provider's log has the reason."""
    world.write(BUYS, slot=False)
    world.function().gcp_event(data)
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["status"] for line in told if "status" in line] == ["error"]
    world.call()
    assert world.events("run_start") == []


@pytest.mark.parametrize("event", [{}, {"trigger": "cron"}, {"Records": []}])
def test_a_schedule_with_a_wrong_input_fails_the_invocation(world: World, event: Mapping[str, object]) -> None:
    """What was wired wrong is found in the provider's errors, not in a success that ran nothing."""
    world.write(BUYS, slot=False)
    with pytest.raises(BadRequestError):
        world.function().aws(event)
    with pytest.raises(BadRequestError):
        world.function().digitalocean(event)


def test_a_missing_database_fails_the_invocation(world: World) -> None:
    """At both providers that invoke without HTTP."""
    world.write()
    function = world.function({"OPENBELL_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d"})
    for call in (function.aws, function.digitalocean):
        with pytest.raises(CannotRunError, match="PostgreSQL cannot be reached"):
            call({"trigger": "schedule"})
