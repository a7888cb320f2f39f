"""Start and stop, the halt, sessions of limited life, and the trail that changes leave."""

from datetime import timedelta
from pathlib import Path

import pytest

from openbell.control import Control, halted
from openbell.supervisor.web import audit
from openbell.supervisor.web.audit import AuditEntry
from openbell.supervisor.web.auth import SESSION, SESSION_LIFE
from tests.unit.supervisor.web.client import TOKEN, Client

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize("root", ["", "/api"])
def test_stop_and_start(client: Client, root: str) -> None:
    """With and without /api, with a reason and without."""
    control = Control(client.world.control, "pulse")
    answer = client.change(f"{root}/bots/pulse/stop")
    assert (answer.status_code, answer.json()["changed"]) == (200, True)
    pause = control.paused("pulse")
    assert pause is not None
    assert (pause.reason, pause.until) == ("stopped through the API", None)
    assert (
        client.change(f"{root}/bots/pulse/stop", json={"reason": "earnings"}).json()["paused"]["reason"] == "earnings"
    )
    assert client.change(f"{root}/bots/pulse/start").json()["paused"] is None
    assert control.paused("pulse") is None
    assert client.change(f"{root}/bots/pulse/start").json()["changed"] is False
    assert client.change(f"{root}/bots/other/stop").status_code == 404
    assert client.change(f"{root}/bots/pulse/stop", json={"colour": 1}).status_code == 422
    assert client.change(f"{root}/bots/pulse/start", json={"reason": "x"}).status_code == 422
    refused = client.ask(f"{root}/bots/pulse/stop", "PATCH")
    assert (refused.status_code, "token is missing" in refused.json()["error"]) == (401, True)


def test_the_halt(client: Client) -> None:
    """All orders or but exits; the page shows it with the button that lifts it."""
    root = client.world.control
    answer = client.change("/api/halt", "POST", json={"reason": "panic", "exits": True})
    assert answer.json() == {"changed": True, "halt": {"by": "page", "reason": "panic", "exits": True}}
    halt = halted(root)
    assert halt is not None
    assert (halt.reason, halt.exits, halt.by) == ("panic", True, "page")
    assert 'data-act="unhalt"' in client.ask("/").text
    assert client.change("/api/halt", "DELETE").json() == {"changed": True, "halt": None}
    assert halted(root) is None
    assert client.change("/api/halt", "DELETE").json()["changed"] is False
    for body in ({}, {"reason": ""}, {"reason": "x", "exits": "yes"}, {"reason": "x", "for": "1h"}):
        assert client.change("/api/halt", "POST", json=body).status_code == 422, body
    assert client.ask("/api/halt", "POST", json={"reason": "x"}).status_code == 401


def session(client: Client) -> dict[str, str]:
    """Open a session; return the headers with which the page's script goes on."""
    answer = client.change("/api/session", "POST")
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    return {"Cookie": cookie.partition(";")[0], **OURS}


def test_a_session_replaces_the_token(client: Client) -> None:
    """For half an hour, only for our own page, and only as it was signed."""
    headers = session(client)
    assert client.ask("/api/bots/pulse/stop", "PATCH", headers=headers).status_code == 200
    for wrong in (
        {"Cookie": headers["Cookie"]},
        headers | {"Sec-Fetch-Site": "none"},
        headers | {"Sec-Fetch-Site": "cross-site"},
        headers | {"Cookie": headers["Cookie"][:-1] + "0"},
        headers | {"Cookie": f"{SESSION}=99999999999.{'0' * 64}"},
        headers | {"Cookie": f"{SESSION}=nonsense"},
    ):
        assert client.ask("/api/bots/pulse/start", "PATCH", headers=wrong).status_code in {401, 403}, wrong
    client.world.now += SESSION_LIFE - timedelta(seconds=1)
    assert client.ask("/api/bots/pulse/start", "PATCH", headers=headers).status_code == 200
    client.world.now += timedelta(seconds=1)
    assert client.ask("/api/bots/pulse/start", "PATCH", headers=headers).status_code == 401
    ended = client.ask("/api/session", "DELETE", headers=OURS)
    assert f'{SESSION}=""' in ended.headers["set-cookie"]


def test_a_session_is_opened_only_with_the_token(client: Client) -> None:
    """Nor can a session prolong itself for ever without it."""
    assert client.ask("/api/session", "POST", headers=OURS).status_code == 401
    assert client.ask("/api/session", "POST", headers=session(client)).status_code == 401
    read_only = Client(client.world, token="")
    assert read_only.ask("/api/session", "POST", headers=OURS).status_code == 403


def test_changes_leave_a_trail(client: Client) -> None:
    """Who, what, when and from where; on the page and for programs; refused ones are none."""
    client.change("/bots/pulse/stop", json={"reason": "<b>why</b>"})
    client.ask("/bots/pulse/start", "PATCH", headers=session(client))
    client.ask("/bots/pulse/stop", "PATCH")
    entries = client.ask("/api/audit").json()["entries"]
    assert [(one["action"], one["bot"], one["by"]) for one in entries] == [
        ("bot.resumed", "pulse", "session"),
        ("session.opened", "", "token"),
        ("bot.paused", "pulse", "token"),
    ]
    assert entries[-1]["details"]["reason"] == "<b>why</b>"
    assert entries[-1]["address"]
    assert entries[-1]["timestamp"] == "2026-11-20T12:03:25.000Z"
    text = client.ask("/alerts").text
    assert "bot.resumed" in text
    assert "&lt;b&gt;why&lt;/b&gt;" in text
    assert len(client.ask("/api/audit?limit=1").json()["entries"]) == 1


def test_the_trail_is_bounded(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second file is begun when the first is large; damaged lines are left out."""
    monkeypatch.setattr(audit, "LARGEST", 1_000)
    for number in range(30):
        audit.record(tmp_path, AuditEntry(client.world.now, "a", "s", f"b{number}", "token", "::1"))
    with (tmp_path / audit.FILE).open("a") as file:
        file.write("nonsense\n[]\n")
    assert [one.bot for one in audit.newest(tmp_path, 3)] == ["b29", "b28", "b27"]
    assert 3 < len(audit.newest(tmp_path, 1_000)) < 30
    assert sorted(path.name for path in tmp_path.glob("audit*")) == ["audit.jsonl", "audit.old.jsonl"]


def test_flatten_asks_to_be_confirmed(client: Client) -> None:
    """By the strategy's name; then its loop finds the request, and the trail has it."""
    path, control = "/api/strategies/pulse/flatten", Control(client.world.control, "pulse")
    for body, code in (
        ({}, 422),
        ({"confirm": "yes"}, 409),
        ({"confirm": True}, 422),
        ({"confirm": "pulse", "now": 1}, 422),
    ):
        answer = client.change(path, "POST", json=body)
        assert (answer.status_code, "confirm" in answer.json()["error"]) == (code, True), body
    assert client.ask(path, "POST", json={"confirm": "pulse"}).status_code == 401
    assert client.change("/api/strategies/other/flatten", "POST", json={"confirm": "other"}).status_code == 404
    assert control.requests() == []
    answer = client.change(path, "POST", json={"confirm": "pulse"})
    assert answer.status_code == 202
    (request,) = control.requests()
    assert (request.flatten, request.by, request.id) == (True, "page", answer.json()["request"])
    assert audit.newest(client.sources.store.parent, 1)[0].action == "flatten.requested"
    assert 'data-act="flatten" data-strategy="pulse"' in client.ask("/strategies/pulse").text
