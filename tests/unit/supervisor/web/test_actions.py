"""What can be changed through the API: pausing, resuming, running now; and who may."""

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from openbell.control import Control
from openbell.supervisor.web import token_from_environment
from openbell.supervisor.web.request_params import LONGEST_BODY
from tests.unit.supervisor.web.client import TOKEN, Client

PAUSE = {"paused": True, "reason": "earnings"}


def control(client: Client) -> Control:
    """Return what is wanted of pulse."""
    return Control(client.world.control, "pulse")


def test_a_bot_is_paused_for_a_while(client: Client) -> None:
    """The pause is a file that its loop obeys; the page shows it, and the log says who did it."""
    with capture_logs() as lines:
        answer = client.change("/api/bots/pulse", json={**PAUSE, "for": "2h"})
    assert (answer.status_code, answer.json()["paused"]) == (
        200,
        {"by": "page", "reason": "earnings", "until": "2026-11-20T14:03:25.000Z"},
    )
    pause = control(client).paused("pulse")
    assert pause is not None
    assert (pause.by, pause.reason, pause.since) == ("page", "earnings", client.world.now)
    assert pause.until == client.world.now + timedelta(hours=2)
    assert [(line["event"], line["by"], line["bot"]) for line in lines] == [("bot.paused", "page", "pulse")]
    assert TOKEN not in str(lines)
    client.world.at("12:03:40")
    assert client.world.bot().status == "paused"
    assert 'data-act="resume"' in client.ask("/strategies/pulse").text


def test_a_bot_is_resumed(client: Client) -> None:
    """Asking twice is no mistake."""
    client.change("/api/bots/pulse", json=PAUSE)
    assert client.change("/api/bots/pulse", json={"paused": False}).json() == {
        "id": "pulse",
        "strategy": "pulse",
        "changed": True,
        "paused": None,
    }
    assert control(client).paused("pulse") is None
    assert client.change("/api/bots/pulse", json={"paused": False}).json()["changed"] is False


def test_a_run_is_asked_for(client: Client) -> None:
    """As a file that its loop takes within a second; a second one before that is refused."""
    answer = client.change("/api/bots/pulse/run", "POST")
    assert answer.status_code == 202
    (request,) = control(client).requests()
    assert (request.id, request.bot, request.by) == (answer.json()["request"], "pulse", "page")
    again = client.change("/api/bots/pulse/run", "POST")
    assert (again.status_code, again.json()["error"]) == (409, "a run of pulse is asked for already")


def test_a_run_that_would_be_refused_is_not_asked_for(client: Client) -> None:
    """Of a bot that is paused, or whose loop is gone."""
    client.change("/api/bots/pulse", json=PAUSE)
    client.world.at("12:03:40")
    paused = client.change("/api/bots/pulse/run", "POST")
    assert (paused.status_code, paused.json()["error"]) == (409, "pulse is paused: resume it first")
    client.change("/api/bots/pulse", json={"paused": False})
    client.world.silent = True
    client.world.at("12:06:00")
    gone = client.change("/api/bots/pulse/run", "POST")
    assert gone.status_code == 409
    assert "pulse takes no requests: no sign of life" in gone.json()["error"]
    assert control(client).requests() == []


@pytest.mark.parametrize("method, path", [("PATCH", "/api/bots/pulse"), ("POST", "/api/bots/pulse/run")])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
    ],
)
def test_only_who_has_the_token_may(client: Client, method: str, path: str, headers: dict[str, str]) -> None:
    """401, and nothing has happened."""
    answer = client.ask(path, method, headers=headers, json=PAUSE)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer TOKEN" in answer.json()["error"]
    assert control(client).paused("pulse") is None
    assert control(client).requests() == []


def test_without_a_token_nobody_may(client: Client) -> None:
    """Whatever is sent; the answer says how to change that."""
    reading = Client(client.world, token="")
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}"}):
        answer = reading.ask("/api/bots/pulse", "PATCH", headers=headers, json=PAUSE)
        assert answer.status_code == 403
        assert "OPENBELL_TOKEN" in answer.json()["error"]
    assert reading.ask("/api/status").json()["read_only"] is True


def test_another_sites_page_may_not(client: Client) -> None:
    """Even if it had the token."""
    answer = client.change("/api/bots/pulse", json=PAUSE, sec_fetch_site="cross-site")
    assert answer.status_code == 403
    assert client.change("/api/bots/pulse", json=PAUSE, sec_fetch_site="same-origin").status_code == 200


@pytest.mark.parametrize(
    "wanted, status, error",
    [
        ({}, 422, "paused: found nothing; allowed: true or false"),
        ({"paused": 1}, 422, "paused: found 1; allowed: true or false"),
        ({"paused": True}, 422, "reason: found nothing; allowed: a text of 1 to 200 characters"),
        ({"paused": True, "reason": ""}, 422, "reason: found ''"),
        ({"paused": True, "reason": "x" * 201}, 422, "allowed: a text of 1 to 200 characters"),
        ({**PAUSE, "for": "soon"}, 422, "for: found 'soon'; allowed: a duration such as"),
        ({**PAUSE, "for": "0s"}, 422, "for: found '0s'"),
        ({**PAUSE, "for": "2h\n"}, 422, "for: found"),
        ({**PAUSE, "for": 2}, 422, "for: found 2"),
        (
            {**PAUSE, "until": "x"},
            422,
            "'until': found an unknown field; allowed with paused true: for, paused, reason",
        ),
        ({"paused": False, "reason": "x"}, 422, "'reason': found an unknown field; allowed with paused false: paused"),
        ([], 422, "the body is not a JSON object"),
    ],
)
def test_wishes_that_make_no_sense(client: Client, wanted: object, status: int, error: str) -> None:
    """One clear line: what was found, and what would be allowed."""
    answer = client.change("/api/bots/pulse", json=wanted)
    assert answer.status_code == status
    assert error in answer.json()["error"]
    assert control(client).paused("pulse") is None


@pytest.mark.parametrize(
    "content, kind, status",
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 4000, "application/json", 400),
        (b" " * (LONGEST_BODY + 1), "application/json", 413),
        (b"{}", "text/plain", 415),
        (b"paused=true", "application/x-www-form-urlencoded", 415),
    ],
)
def test_bodies_that_are_none(client: Client, content: bytes, kind: str, status: int) -> None:
    """Not JSON, too long, of another kind."""
    answer = client.change("/api/bots/pulse", content=content, content_type=kind)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_half_a_character_harms_nobody(client: Client) -> None:
    """JSON may say half a surrogate pair; the page still answers."""
    content = b'{"paused": true, "reason": "\\ud800"}'
    assert client.change("/api/bots/pulse", content=content, content_type="application/json").status_code == 200
    client.world.at("12:03:40")
    assert client.ask("/").status_code == 200


def test_a_bot_that_does_not_exist(client: Client) -> None:
    """404, whatever its name; no folder is made for it."""
    for path in ("/api/bots/nobody", "/api/bots/..%2fpulse"):
        assert client.change(path, json=PAUSE).status_code == 404
    assert client.change("/api/bots/nobody/run", "POST").status_code == 404
    assert list(client.world.control.iterdir()) == []


def test_a_control_volume_that_cannot_be_written(client: Client) -> None:
    """503, and why."""
    client.world.control.rmdir()
    client.world.control.write_text("")
    for answer in (
        client.change("/api/bots/pulse", json=PAUSE),
        client.change("/api/bots/pulse/run", "POST"),
    ):
        assert answer.status_code == 503
        assert "the control volume cannot be written" in answer.json()["error"]


def test_a_run_takes_no_body(client: Client) -> None:
    """A body is refused, because it would have no effect."""
    assert client.change("/api/bots/pulse/run", "POST", json={"symbol": "AAPL"}).status_code == 422


def test_where_the_token_comes_from(tmp_path: Path) -> None:
    """From the environment or from a file; from nowhere there is none."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert token_from_environment({}) == ""
    assert token_from_environment({"OPENBELL_TOKEN": "", "OPENBELL_TOKEN_FILE": ""}) == ""
    assert token_from_environment({"OPENBELL_TOKEN_FILE": "/dev/null"}) == ""
    assert token_from_environment({"OPENBELL_TOKEN": TOKEN}) == TOKEN
    assert token_from_environment({"OPENBELL_TOKEN_FILE": str(file)}) == TOKEN


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("OPENBELL_TOKEN", "short", "found 5 characters; allowed: at least 16"),
        ("OPENBELL_TOKEN", "with a space in its middle", "without spaces"),
        ("OPENBELL_TOKEN", "ümlauts-are-not-for-headers", "ASCII"),
        ("OPENBELL_TOKEN_FILE", "/nowhere/token", "/nowhere/token cannot be read (No such file or directory)"),
    ],
)
def test_tokens_that_are_none(name: str, value: str, said: str) -> None:
    """A line that says what to do, without the token itself."""
    with pytest.raises(ValueError, match=name) as raised:
        token_from_environment({name: value})
    assert said in str(raised.value)
    assert name == "OPENBELL_TOKEN_FILE" or value not in str(raised.value)
