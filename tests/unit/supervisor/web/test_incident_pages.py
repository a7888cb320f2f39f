"""Incidents on the page and in the API: acknowledged, snoozed, and opened by the link of a message."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from openbell.supervisor.alerts.incidents import Incidents
from openbell.supervisor.alerts.links import LIFE, LINE, IncidentLinks, base_address
from openbell.supervisor.alerts.sender_process import fit
from openbell.supervisor.alerts.settings import AlertSettings
from openbell.supervisor.alerts.store import AlertStore, open_database
from openbell.supervisor.web import Readers, WebApp
from openbell.supervisor.web.audit import newest
from tests.unit.supervisor.alerts.scenes import HOOK
from tests.unit.supervisor.web.client import TOKEN, Client, ask

BASE = "https://bots.example.org"


@pytest.fixture
def told(client: Client) -> Client:
    """A page over a world whose missed slot was alerted, with a link in the message."""
    file = client.sources.alerts
    links = IncidentLinks(file.parent, BASE)
    object.__setattr__(client.sources, "links", links)
    store = AlertStore(open_database(file))
    with store.transaction():
        store.set_channels([HOOK], client.world.now)
    incidents = Incidents(store, AlertSettings(channels=(HOOK,)), lambda _: (), links.to)
    snapshot = client.world.watch.snapshot
    assert snapshot is not None
    for _ in range(40):
        incidents.process(snapshot, client.world.now)
        client.world.now += timedelta(milliseconds=500)
    store.close()
    return client


def incidents(client: Client) -> list[dict[str, object]]:
    """Return the open incidents as the API tells them."""
    found: list[dict[str, object]] = client.ask("/api/incidents").json()["incidents"]
    return found


def link_of(client: Client, incident: object) -> str:
    """Return the path of the link in the newest message about an incident."""
    body = client.ask(f"/api/incidents/{incident}").json()["messages"][0]["body"]
    last = body.splitlines()[-1]
    assert last.startswith(f"{LINE}{BASE}/incidents/{incident}?until=")
    return str(last.removeprefix(LINE + BASE))


def test_acknowledge(told: Client) -> None:
    """With the token, once; it is in the list, on the page and in the trail."""
    number = incidents(told)[0]["id"]
    assert "<b>not acknowledged</b>" in told.ask(f"/incidents/{number}").text
    assert told.ask(f"/api/incidents/{number}/acknowledge", "POST").status_code == 401
    answer = told.change(f"/api/incidents/{number}/acknowledge", "POST")
    assert answer.json() == {"incident": number, "snoozed_until": None}
    assert incidents(told)[0]["acknowledged_at"]
    assert "; acknowledged by page " in told.ask("/alerts").text
    (entry,) = newest(told.sources.store.parent, 5)
    assert (entry.action, entry.by, entry.details) == ("incident.acknowledged", "token", {"incident": number})


@pytest.mark.parametrize(
    "body", [{"for": "2h"}, {"until": "2026-11-20T14:03:45.000Z"}, {"until": "2026-11-20T15:03:45+01:00"}]
)
def test_snooze(told: Client, body: dict[str, object]) -> None:
    """For a while or until an instant, in any zone."""
    number = incidents(told)[0]["id"]
    answer = told.change(f"/api/incidents/{number}/snooze", "POST", json=body)
    assert answer.status_code == 200, answer.text
    assert incidents(told)[0]["snoozed_until"] == "2026-11-20T14:03:45.000Z"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"for": "0h"},
        {"for": 2},
        {"for": "2h", "until": "2026-11-20T14:03:45Z"},
        {"until": "2026-11-20T14:03:45"},  # in no zone
        {"until": "2026-11-20T12:00:00Z"},  # over already
        {"until": "2027-11-20T12:00:00Z"},
        {"until": None},
        {"colour": "red"},
    ],
)
def test_a_snooze_that_makes_no_sense(told: Client, body: dict[str, object]) -> None:
    """It is refused in one line, and nothing is stored."""
    number = incidents(told)[0]["id"]
    answer = told.change(f"/api/incidents/{number}/snooze", "POST", json=body)
    over = str(body.get("until")).endswith("12:00:00Z")
    assert (answer.status_code, "allowed" in answer.json()["error"]) == (409 if over else 422, True)
    assert incidents(told)[0]["snoozed_until"] is None


@pytest.mark.parametrize("number", ["999", "0", "x", "-1", "1" * 30, "²"])
def test_an_incident_that_there_is_not(told: Client, number: str) -> None:
    """Neither page nor API know it."""
    assert told.ask(f"/api/incidents/{number}").status_code == 404
    assert told.ask(f"/incidents/{number}").status_code == 404
    assert told.change(f"/api/incidents/{number}/acknowledge", "POST").status_code in {404, 409}


def closed(client: Client) -> WebApp:
    """Return the page as it is beyond loopback: readers need a token."""
    object.__setattr__(client.sources, "readers", Readers((TOKEN,)))
    return WebApp(client.sources)


def test_a_link_opens_its_incident_and_no_more(told: Client) -> None:
    """Without a token: neither another incident nor any other page, and the same link changed opens nothing."""
    number = incidents(told)[0]["id"]
    path = link_of(told, number)
    page = closed(told)
    answer = ask(page, path)
    assert (answer.status_code, "not acknowledged" in answer.text) == (200, True)
    assert ask(page, f"/incidents/{number}").status_code == 401
    assert ask(page, "/").status_code == 401
    assert ask(page, f"/api{path}").status_code == 401
    for other in (
        path.replace(f"/{number}?", "/2?"),
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        path + "0",
        f"/x{path}",
    ):
        assert ask(page, other).status_code in {401, 404}, other


def test_a_link_acknowledges_and_snoozes(told: Client) -> None:
    """By the form of its page, without a script; the trail says that a link has permitted it, and from where."""
    number = incidents(told)[0]["id"]
    path = link_of(told, number)
    page, (bare, _, given) = closed(told), path.partition("?")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ask(page, bare, "POST", headers=headers, content=f"{given}&answer=snooze&for=1h".encode())
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    answer = ask(page, bare, "POST", headers=headers, content=f"{given}&answer=acknowledge".encode())
    assert answer.status_code == 303
    trail = [(one.action, one.by, one.address) for one in newest(told.sources.store.parent, 5)]
    assert trail == [("incident.acknowledged", "link", "127.0.0.1"), ("incident.snoozed", "link", "127.0.0.1")]
    refused = ask(page, bare, "POST", headers=headers, content=b"answer=acknowledge")
    assert refused.status_code == 403


def test_a_link_expires(told: Client) -> None:
    """After three days it opens nothing, and its form neither."""
    path = link_of(told, incidents(told)[0]["id"])
    page = closed(told)
    told.world.now += LIFE
    assert ask(page, path).status_code == 401


def test_links_can_be_revoked(told: Client) -> None:
    """A new key ends all of them at once; new messages have new ones."""
    path = link_of(told, incidents(told)[0]["id"])
    assert told.change("/api/links", "DELETE").json() == {"revoked": True}
    assert ask(closed(told), path).status_code == 401
    assert newest(told.sources.store.parent, 1)[0].action == "links.revoked"


def test_the_key_is_the_supervisors_alone(tmp_path: Path) -> None:
    """No other user can read it, and links of one installation open nothing of another."""
    now = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
    links, others = IncidentLinks(tmp_path, BASE), IncidentLinks(tmp_path / "other", BASE)
    (tmp_path / "other").mkdir()
    signature = links.to(1, now).rpartition("=")[2]
    assert (tmp_path / "link.key").stat().st_mode & 0o777 == 0o600
    until = str(int((now + LIFE).timestamp()))
    assert links.permits(1, until, signature, now)
    assert not others.permits(1, until, signature, now)
    others.to(1, now)
    assert not others.permits(1, until, signature, now)


@pytest.mark.parametrize(
    "text", ["bots.example.org", "ftp://a", "https://", "https://a?x=1", "https://me:pw@a", "https://a/#x"]
)
def test_an_address_that_is_none(text: str) -> None:
    """It is refused at the start, in one line."""
    with pytest.raises(ValueError, match=r"^OPENBELL_URL: "):
        base_address(text)


def test_a_link_stays_whole_in_a_message_that_is_cut() -> None:
    """Pushover takes 1,024 characters: what is cut stands before the link."""
    link = f"{LINE}{BASE}/incidents/12?until=1795000000&signature={'a' * 32}"
    body = "\n".join(["What: much"] * 300 + [link])
    for scheme, limit in (("pover", 1024), ("ntfy", 10_000), ("tgram", 4096)):
        _, fitted = fit(scheme, "title", body, limit, 250)
        assert fitted.splitlines()[-1] == link
        assert len(fitted) <= min(limit, 4096)


def test_prometheus_knows_what_no_person_has_answered(told: Client) -> None:
    """The count goes down with each answer, while the incident stays open."""
    found = incidents(told)
    count = f"openbell_alert_incidents_unacknowledged {float(len(found))}"
    assert count in told.ask("/metrics").text
    told.change(f"/api/incidents/{found[0]['id']}/acknowledge", "POST")
    metrics = told.ask("/metrics").text
    assert f"openbell_alert_incidents_unacknowledged {float(len(found) - 1)}" in metrics
    assert f"openbell_alert_incidents {float(len(found))}" in metrics


def test_an_incident_waits_again_when_its_snooze_is_over(told: Client) -> None:
    """On its page, on the overview and in the metrics: no person takes care of it."""
    found = incidents(told)
    told.change(f"/api/incidents/{found[0]['id']}/snooze", "POST", json={"for": "30m"})
    path = f"/incidents/{found[0]['id']}"
    assert "snoozed by" in told.ask(path).text
    assert f"{len(found)} open incident" in told.ask("/").text
    told.world.now += timedelta(hours=1)
    told.world.see()
    assert "<b>not acknowledged</b> since a snooze by page is over" in told.ask(path).text
    assert f"openbell_alert_incidents_unacknowledged {float(len(found))}" in told.ask("/metrics").text
    assert f", {len(found)} not acknowledged</a>" in told.ask("/").text
