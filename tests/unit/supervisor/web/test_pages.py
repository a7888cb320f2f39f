"""The page, as a browser without scripts sees it."""

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from openbell import heartbeat
from openbell.commands.status import lines
from openbell.control import Deployment, announce
from openbell.journal import stamp
from openbell.supervisor.alerts import view
from openbell.supervisor.health.shared_hosts import SharedHosts
from openbell.supervisor.health.snapshot import Snapshot
from openbell.supervisor.web import WebApp
from openbell.supervisor.web.bot_list import Query
from openbell.supervisor.web.overview_page import Overview, overview
from openbell.supervisor.web.templating import coded
from tests.unit.supervisor.web.client import Client
from tests.unit.supervisor.world import PULSE, World


def test_the_overview(client: Client) -> None:
    """Headline, what is wrong with what to do, bot, status with reason, cells with titles, last decision, next slot."""
    answer = client.ask("/")
    assert answer.status_code == 200
    text = answer.text
    assert "1 bot down: pulse" in text
    assert 'class="wrong"' in text
    assert 'id="trouble-missed-pulse"' in text
    assert "<code>make run STRATEGY=pulse BOT=pulse</code>" in text
    assert '<span class="badge down">down</span>' in text
    assert 'title="Fri 20 Nov 12:01:00 UTC: succeeded, started 0.0 ms after its slot, took 12 ms"' in text
    assert "Fri 20 Nov 12:03:00 UTC: missed, nothing in the journal" in text
    assert 'aria-label="pulse: last 3 slots, oldest first: 1 succeeded, 1 failed, 1 missed"' in text
    assert 'AAPL: <b class="action buy">buy</b>' in text
    assert 'data-until="2026-11-20T12:04:00.000Z"' in text
    assert '<time datetime="2026-11-20T12:04:00.000Z" title="2026-11-20T12:04:00.000Z">12:04:00 UTC</time>' in text


def test_the_overview_says_that_nobody_is_told(client: Client) -> None:
    """Where no channel is set; programs learn it from /healthz."""
    assert "No channel is set" not in client.ask("/").text
    assert client.ask("/healthz").json()["has_channel"] is True
    client.page = WebApp(replace(client.sources, has_channel=False))
    text = client.ask("/").text
    assert "No channel is set: no alert is sent when something goes wrong." in text
    assert "All is well" not in text
    assert "<code>OPENBELL_ALERT_URLS</code>" in text
    assert client.ask("/healthz").json()["has_channel"] is False


def test_what_strategies_write_is_text(client: Client) -> None:
    """Never markup."""
    for path in ("/", "/strategies/pulse"):
        text = client.ask(path).text
        assert "<script>alert" not in text
        assert "<b>fell" not in text
        assert "<i>looked" not in text
    assert "&lt;b&gt;fell&lt;/b&gt;" in client.ask("/").text
    assert coded("`<b>` & <i>") == "<code>&lt;b&gt;</code> &amp; &lt;i&gt;"


def test_the_page_of_a_strategy(client: Client) -> None:
    """Account and positions, signals, runs, decisions with reasons, errors with tracebacks, output, its loop."""
    text = client.ask("/strategies/pulse").text
    assert "100,000.00 USD" in text
    assert '<th scope="row">AAPL</th><td data-label="Quantity" class="number">3</td>' in text
    assert 'aria-label="Signal of AAPL over time, from -0.0123457 to -0.0123457, now -0.0123457"' in text
    assert "signal -0.0123457, source sample" in text
    assert "Traceback\n  line" in text
    assert "&lt;i&gt;looked&lt;/i&gt; at AAPL" in text
    assert "service start: abc" in text
    assert '<span class="badge failed">failed</span>' in text


def test_a_stream_has_beats_and_orders_instead_of_slots(world: World) -> None:
    """On the overview, on its own page, in the API and in the table of `make ps`."""
    world.strategy("pulse", 'timezone = "UTC"\n[[bot]]\nkind = "stream"\nsymbols = ["AAPL"]\ntimeout = "60s"\n')
    world.start()
    run = {"bot": "pulse", "slot": world.now, "run_id": "run-1", "attempt": 1}
    world.write("run_start", run, symbols=["AAPL"], lateness_ms=0, queue_wait_ms=0, trigger="stream")
    for action in ("buy", "hold", "sell"):
        world.write("decision", run, symbol="AAPL", action=action, qty=1, reason=action)
    beat = heartbeat.Heartbeat(world.now, world.boot, ("pulse",), {"pulse": world.now})
    heartbeat.write(world.journal / "pulse", beat)
    world.see()
    client = Client(world)
    said = "last beat <time"
    for path in ("/", "/strategies/pulse"):
        text = client.ask(path).text
        assert said in text
        assert "2 orders today" in text
        assert "none yet" not in text.partition('data-label="Decided"')[0]
        assert "unknown" not in text
        assert "no next slot" not in text
    answer = client.ask("/api/status").json()
    stream = {"since": stamp(world.now), "beat": stamp(world.now), "orders_today": 2}
    assert answer["strategies"][0]["bots"][0]["stream"] == stream
    (row,) = [line for line in lines(answer, everything=True) if line.startswith("pulse")]
    assert "2 orders today" in row
    assert "always on" in row


def test_the_page_of_a_broken_strategy(client: Client) -> None:
    """Every problem of its manifest."""
    client.world.restart()
    client.world.strategy("broken", 'timezone = "Mars/Base"\nwhat = 1\n')
    client.world.see()
    text = client.ask("/strategies/broken").text
    assert text.count("broken/strategy.toml:") >= 3
    assert "cannot start" in client.ask("/").text


def test_a_deployment_is_said(client: Client) -> None:
    """Which release, by whom, and until when alerts are muted."""
    world = client.world
    until = world.now + timedelta(minutes=5)
    announce(world.control, Deployment("r7", ("pulse",), world.now, until, "ann"))
    world.at("12:03:40")
    for path in ("/", "/strategies/pulse"):
        text = client.ask(path).text
        assert "Release <code>r7</code> is being put in place by ann (pulse)" in text
        assert "no alarms for these before" in text


def test_who_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each channel with what waits for it and why it fails; each message with how it was delivered."""
    assert "No channel is set: no alert is sent" in client.ask("/alerts").text
    at = client.world.now
    phone = view.ChannelView("phone", "ntfy", False, 2, None, at, "refused <b>", 3, 0, 3)
    mail = view.ChannelView("mail", "mailtos", True, 0, at, None, "", 0, 7, 0)
    deliveries = tuple(
        view.DeliveryView(*one) for one in (("phone", "waiting", 3, "refused <b>"), ("mail", "sent", 1, ""))
    )
    message = view.MessageView(4, at, "alert", "critical", "CRITICAL: pulse failed", "since 12:02", deliveries)
    found = view.AlertsState((), (phone, mail), (message,), view.DeadmanView(at, None, "", 0.1))
    monkeypatch.setattr(view, "read", lambda _: found)
    text = client.ask("/alerts").text
    assert "3 times in a row: refused &lt;b&gt;" in text
    assert "mailtos, fallback" in text
    assert "phone: waiting after 3 attempts: refused &lt;b&gt;" in text
    assert "CRITICAL: pulse failed" in text
    assert "Dead-man ping: last" in text
    same = client.ask("/api/v1/alerts").json()
    assert [(one["name"], one["kind"], one["waiting"]) for one in same["channels"]] == [
        ("phone", "ntfy", 2),
        ("mail", "mailtos", 0),
    ]
    assert same["messages"][0]["deliveries"][0] == {
        "channel": "phone",
        "state": "waiting",
        "attempts": 3,
        "error": "refused <b>",
    }
    assert same["deadman"]["clock_skew_s"] == 0.1
    told = client.ask("/metrics").text
    assert 'openbell_alert_queue{channel="phone"} 2' in told
    assert 'openbell_alerts_sent_total{channel="mail"} 7' in told


def test_without_a_token_the_page_is_read_only(client: Client) -> None:
    """The buttons are there, disabled, and say why; what does the same is named."""
    reading = Client(client.world, token="")
    text = reading.ask("/strategies/pulse").text
    assert '<button type="button" disabled>Pause …</button>' in text
    assert "make pause BOT=pulse" in text
    assert "data-act" not in text
    assert "<dialog" not in text
    assert 'data-act="pause" data-bot="pulse"' in client.ask("/strategies/pulse").text


@pytest.mark.parametrize("path", ["/", "/strategies/pulse", "/static/page.css"])
def test_who_has_the_newest_version_is_told_so(client: Client, path: str) -> None:
    """304 without a body, until something changes: that is what makes looking every other second cheap."""
    first = client.ask(path)
    known = {"If-None-Match": first.headers["etag"]}
    again = client.ask(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert client.ask(path, headers={"If-None-Match": '"other"'}).status_code == 200
    if not path.startswith("/static"):
        client.world.at("12:04:30")
        assert client.ask(path, headers=known).status_code == 200


def test_the_overview_is_made_anew_only_when_something_changed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """With many bots and many readers that matters."""
    made: list[Query] = []

    def counted(snapshot: Snapshot, query: Query) -> Overview:
        made.append(query)
        return overview(snapshot, query)

    monkeypatch.setattr("openbell.supervisor.web.app.overview", counted)
    client.world.at("12:03:30")
    client.ask("/")
    client.world.now += timedelta(seconds=1)
    client.world.see()
    assert "12:03:31" in client.ask("/").text
    assert len(made) == 1
    client.world.at("12:04:30")
    client.ask("/")
    assert len(made) == 2


def test_a_manual_run_that_failed_is_on_the_overview(client: Client) -> None:
    """It stands at its bot, with its error, escaped."""
    client.world.run(client.world.now, "failed", trigger="manual")
    client.world.see()
    assert "<b>the manual run of Fri 20 Nov 12:03:25 UTC failed" in client.ask("/").text


def test_records_that_cannot_be_read_are_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The overview lives on."""

    def fail(*_: object, **__: object) -> None:
        msg = "disk I/O error"
        raise sqlite3.OperationalError(msg)

    monkeypatch.setattr("openbell.supervisor.store.slots.SlotTable.recent", fail)
    monkeypatch.setattr("openbell.supervisor.store.runs.RunTable.recent", fail)
    answer = client.ask("/api/slots?bot=pulse")
    assert (answer.status_code, answer.json()["error"]) == (
        503,
        "The supervisor's records cannot be read: disk I/O error",
    )
    assert "disk I/O error" in client.ask("/strategies/pulse").text
    assert client.ask("/").status_code == 200


def test_bots_are_filtered_by_the_host_that_runs_them(started: World) -> None:
    """The choice is there as soon as a database says who runs what; it follows a strategy that moves."""
    started.strategy("twin", PULSE.replace("[[bot]]", '[[bot]]\nid = "twin"'))
    started.restart()
    client = Client(started)
    started.see()
    assert 'name="host"' not in client.ask("/").text
    started.hosts = SharedHosts("a", runs_on={"pulse": "a", "twin": "b"})
    started.now += timedelta(seconds=1)
    started.see()
    assert "<option>b</option>" in client.ask("/").text
    assert 'id="bot-twin"' in client.ask("/?host=b").text
    assert 'id="bot-pulse"' not in client.ask("/?host=b").text
    assert "lane-twin" in client.ask("/timeline?host=b").text
    assert [(one["id"], one["host"]) for one in client.ask("/api/v1/bots?host=b").json()["bots"]] == [("twin", "b")]
    started.hosts = SharedHosts("a", runs_on={"pulse": "a", "twin": "a"})
    started.now += timedelta(seconds=1)
    started.see()
    assert client.ask("/api/v1/bots?host=b").json()["bots"] == []
    assert "<option selected>b</option>" in client.ask("/?host=b").text
