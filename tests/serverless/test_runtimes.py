"""The folders that `make serverless` writes, in the providers' own runtimes."""

import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.serverless.calls import BUYS, World
from tests.serverless.runtimes import awslambda, openwhisk, written

SCHEDULE = {"trigger": "schedule"}
NOTHING = {"status": "ok", "strategy": "demo", "action": "none", "runs": []}


def test_digitalocean_calls_main(world: World, tmp_path: Path) -> None:
    """A schedule's call twice, a web call, a wrong one: one run for the slot, and HTTP's status where HTTP asked."""
    world.write(BUYS)
    code = written("digitalocean", world.folder, tmp_path)
    http = {"http": {"method": "POST", "headers": {}, "path": ""}}
    events = (SCHEDULE, SCHEDULE, {**http, "symbol": "AAPL", "params": "{}"}, {**http, "symbol": "TSLA"})
    first, second, web, wrong = openwhisk(code, world.environment, *events)
    assert (
        first["status"],
        len(world.query("SELECT 1 FROM claims WHERE trigger = 'serverless'", "openbell_demo")),
    ) == ("ok", 1)
    assert second == NOTHING
    assert web["statusCode"] == 200
    assert {"status": "ok", "symbol": "AAPL", "action": "buy"}.items() <= dict(web["body"]).items()  # type: ignore[call-overload]
    assert wrong["statusCode"] == 400


def test_aws_invokes_the_handler(world: World, tmp_path: Path) -> None:
    """A schedule's event twice, one by hand, and the function's URL."""
    world.write(BUYS)
    code = written("aws", world.folder, tmp_path)
    url = {
        "requestContext": {"http": {"method": "POST"}},
        "body": base64.b64encode(b'{"symbol": "TSLA"}').decode(),
        "isBase64Encoded": True,
    }
    first, second, by_hand, wrong = awslambda(code, world.environment, SCHEDULE, SCHEDULE, {"symbol": "MSFT"}, url)
    assert {first[0], second[0], by_hand[0], wrong[0]} == {"response"}
    assert isinstance(first[1], dict)
    assert (first[1]["status"], [run["outcome"] for run in first[1]["runs"]]) == ("ok", ["succeeded"])
    assert second[1] == NOTHING
    assert isinstance(by_hand[1], dict)
    assert (by_hand[1]["symbol"], by_hand[1]["action"]) == ("MSFT", "buy")
    assert isinstance(wrong[1], dict)
    assert (wrong[1]["statusCode"], json.loads(wrong[1]["body"])["status"]) == (400, "error")


def test_aws_is_told_to_invoke_again(world: World, tmp_path: Path) -> None:
    """By an error, where the database does not answer: Lambda retries, and then keeps the event in a queue."""
    world.write()
    code = written("aws", world.folder, tmp_path)
    environment = {**world.environment, "OPENBELL_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/d"}
    ((kind, error),) = awslambda(code, environment, SCHEDULE)
    assert kind == "error"
    assert isinstance(error, dict)
    assert (error["errorType"], "cannot be reached" in error["errorMessage"]) == ("CannotRunError", True)


@contextmanager
def functions_framework(code: Path, environment: Mapping[str, str], target: str, kind: str) -> Iterator[int]:
    """Serve a function of Google's, and yield the port."""
    port = free_port()
    program = str(Path(sys.executable).parent / "functions-framework")
    command = [program, f"--target={target}", f"--signature-type={kind}", "--source=main.py", "--host=127.0.0.1"]
    with (code / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--port={port}"], cwd=code, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < until, (code / "log").read_text()
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(15)


def post(port: int, body: object, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Send JSON; return the status and what came back."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/", json.dumps(body), {"Content-Type": "application/json", **(headers or {})})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_google_sends_requests(world: World, tmp_path: Path) -> None:
    """Cloud Scheduler's twice, a person's, and a wrong one."""
    world.write(BUYS)
    code = written("gcp", world.folder, tmp_path)
    with functions_framework(code, world.environment, "http", "http") as port:
        first, second = post(port, SCHEDULE), post(port, SCHEDULE)
        by_hand, wrong = post(port, {"symbol": "AAPL"}), post(port, {"symbol": "TSLA"})
    assert (first[0], json.loads(first[1])["status"]) == (200, "ok")
    assert (second[0], json.loads(second[1])) == (200, NOTHING)
    assert (by_hand[0], json.loads(by_hand[1])["action"]) == (200, "buy")
    assert (wrong[0], json.loads(wrong[1])["status"]) == (400, "error")


@pytest.mark.parametrize("address, code", [("", 200), ("postgresql://u:p@127.0.0.1:1/d", 500)])
def test_google_delivers_events(world: World, tmp_path: Path, address: str, code: int) -> None:
    """Of Pub/Sub, twice: one run. Where the database does not answer an error asks for another delivery."""
    world.write(BUYS)
    folder = written("gcp", world.folder, tmp_path)
    environment = {**world.environment, **({"OPENBELL_DATABASE_URL": address} if address else {})}
    headers = {
        "ce-id": "1",
        "ce-source": "//pubsub.googleapis.com/projects/p/topics/t",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.pubsub.topic.v1.messagePublished",
    }
    data = {"message": {"data": base64.b64encode(json.dumps(SCHEDULE).encode()).decode()}}
    with functions_framework(folder, environment, "event", "cloudevent") as port:
        assert [post(port, data, headers)[0] for _ in range(2)] == [code, code]
    if not address:
        assert len(world.events("run_start")) == 1
