"""Calls of a function, as each provider hands them over: only a POST of JSON that says what it wants runs something."""

import base64
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from openbell.manifest import Manifest, load
from openbell.runner.serverless.function import OK, CannotRunError, Function, FunctionResponse
from openbell.runner.serverless.request import BadRequestError
from tests.fuzz.inputs import fuzz, rounds

MANIFEST = 'timezone = "UTC"\n[[bot]]\nid = "b"\nsymbols = ["AAPL", "MSFT"]\nat = "09:30"\n[bot.params]\nfast = 5\nname = "x"\n'
BODIES = [
    b'{"trigger": "schedule"}',
    b'{"symbol": "AAPL"}',
    b'{"trigger": "manual", "bot": "b", "params": {"fast": 7}}',
    b'{"bot": "b", "symbol": "MSFT", "params": {"name": "y"}}',
]
EVENTS = [
    json.dumps({"requestContext": {"http": {"method": "POST"}}, "headers": {"content-type": "application/json"}, "body": body.decode()}).encode()
    for body in BODIES
]  # fmt: skip
OPENWHISK = [json.dumps({**json.loads(body), "http": {"method": "POST"}}).encode() for body in BODIES]
MESSAGES = [json.dumps({"message": {"data": base64.b64encode(body).decode()}}).encode() for body in BODIES]


class Runs:
    """Stands in for what an instance has in hand: notes that something would run."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.asked = 0

    def run(self, _: object) -> FunctionResponse:
        """Run nothing."""
        self.asked += 1
        return FunctionResponse(OK, {"status": "ok"})


@dataclass
class FlaskRequest:
    """A request as Flask hands it to a function of Google's."""

    content: bytes
    method: str = "POST"
    mimetype: str = "application/json"

    def get_data(self) -> bytes:
        """Return the body."""
        return self.content


def _google(function: Function, content: bytes) -> object:
    text, code, _ = function.gcp(FlaskRequest(content))
    assert code in {200, 400}
    return json.loads(text)


def _other_method(function: Function, content: bytes) -> object:
    assert function.gcp(FlaskRequest(content, "PUT"))[1] == 405
    assert function.gcp(FlaskRequest(content, mimetype="application/octet-stream"))[1] == 400
    return None


def _event(of: str) -> Callable[[Function, bytes], object]:
    def call(function: Function, content: bytes) -> object:
        try:
            event = json.loads(content)
        except (ValueError, RecursionError):
            return None  # the provider has parsed it already
        if not isinstance(event, dict) and of != "gcp_event":
            return None
        with contextlib.suppress(BadRequestError, CannotRunError):
            return getattr(function, of)(event)
        return None

    return call


CALLERS = {
    "gcp": (_google, BODIES),
    "gcp, no POST of JSON": (_other_method, BODIES),
    "aws": (_event("aws"), [*EVENTS, *BODIES]),
    "digitalocean": (_event("digitalocean"), OPENWHISK),
    "gcp_event": (_event("gcp_event"), MESSAGES),
}


@rounds()
@pytest.mark.parametrize("caller", CALLERS)
def test_any_call_of_a_function(caller: str, number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with an answer; what ran something says what it wanted."""
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "strategy.toml").write_text(MANIFEST)
    function, runs = Function(folder, {}), Runs(load(folder))
    function._ready = runs  # type: ignore[assignment]
    call, valid = CALLERS[caller]

    def check(content: bytes) -> bool:
        before = runs.asked
        call(function, content)
        capsys.readouterr()
        has_run = runs.asked > before
        if has_run and caller == "gcp":
            asked = json.loads(content)
            assert isinstance(asked, dict)
            assert asked.keys() & {"trigger", "bot", "symbol"}
        assert not (has_run and caller == "gcp, no POST of JSON")
        return has_run

    fuzz(number, valid, check)
