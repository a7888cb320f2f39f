"""The page says what is: orders as what became of them, failures of any kind, and whether anyone would learn of them."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from openbell.supervisor.health.shared_hosts import SharedHosts
from openbell.supervisor.health.snapshot import headline
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.web import WebApp
from tests.unit.supervisor.web.client import Client
from tests.unit.supervisor.world import PULSE, World

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ORDER = {"symbol": "AAPL", "action": "buy", "reason": "rose", "qty": 3.0, "client_order_id": "o7", "filled_qty": 0.0}


@pytest.fixture
def quiet(started: World) -> Client:
    """A page over a world in which pulse has just run well."""
    started.at("12:01:00")
    run_id = started.run(started.now)
    fields = {"bot": "pulse", "slot": started.now, "run_id": run_id, "attempt": 1}
    started.write("signal", fields, symbol="AAPL", signal=0.5)
    started.at("12:01:20")
    return Client(started)


def decide(client: Client, status: str, **more: object) -> None:
    """Let the bot's run decide on an order with a status."""
    world = client.world
    fields = {"bot": "pulse", "slot": world.slot("12:01:00"), "run_id": "run-1", "attempt": 1}
    world.write("decision", fields, **(ORDER | {"status": status} | more))
    world.at("12:01:25")


PATHS = ("/", "/strategies/pulse", "/strategies/pulse/runs/run-1")


@pytest.mark.parametrize("status, more, badge", [
    ("accepted", {}, '<span class="badge late">waiting</span>'),
    ("partially_filled", {"filled_qty": 1.0}, '<span class="badge late">partly filled</span>'),
    ("rejected", {"broker_reason": "no funds"}, '<span class="badge turned-away">rejected</span>'),
    ("cancelled", {}, '<span class="badge skipped">cancelled</span>'),
    ("cancelled", {"filled_qty": 1.0}, '<span class="badge late">partly filled, cancelled</span>'),
    ("expired", {}, '<span class="badge turned-away">expired</span>'),
    ("expired", {"filled_qty": 1.0}, '<span class="badge late">partly filled, expired</span>'),
    ("lost", {}, '<span class="badge turned-away">lost</span>'),
    ("held", {}, '<span class="badge late">waiting</span>'),
    ("what_a_later_version_says", {}, '<span class="badge late">waiting</span>'),
    ("uncertain", {}, '<span class="badge turned-away">uncertain</span>'),
    ("", {"action": "refused", "side": "buy", "qty": 0}, '<span class="badge turned-away">refused</span>'),
])  # fmt: skip
def test_an_order_that_is_not_filled_never_looks_like_a_purchase(
    quiet: Client, status: str, more: dict[str, object], badge: str
) -> None:
    """On the overview, the strategy's page and the run's page: a badge, and a ring on the chart."""
    decide(quiet, status, **more)
    for path in PATHS:
        text = quiet.ask(path).text
        assert badge in text, path
        assert 'class="action buy"' not in text, path
        assert '<b class="action hollow">buy</b>' in text, path
    chart = quiet.ask("/strategies/pulse").text
    assert '<path class="buy hollow"' in chart
    assert '<path class="hole"' in chart


def test_an_order_follows_its_news(quiet: Client) -> None:
    """Waiting, counted as open, then filled: the decision looks like a purchase from then on."""
    decide(quiet, "accepted")
    assert quiet.ask("/api/bots").json()["bots"][0]["open_orders"] == 1
    filled = {
        "symbol": "AAPL",
        "side": "buy",
        "qty": 3.0,
        "client_order_id": "o7",
        "filled_qty": 3.0,
        "filled_price": 9.0,
    }
    quiet.world.now = quiet.world.slot("12:01:00").replace(second=30)
    quiet.world.write("order", {"bot": "pulse", "slot": quiet.world.slot("12:01:00")}, **filled, status="filled")
    quiet.world.at("12:01:35")
    for path in PATHS:
        assert '<b class="action buy">buy</b>' in quiet.ask(path).text, path
    assert quiet.ask("/api/bots").json()["bots"][0]["open_orders"] == 0
    quiet.world.write("order", {"bot": "pulse"}, **(filled | {"client_order_id": "o8"}), status="rejected")


def test_an_order_that_is_rejected_later_is_said(quiet: Client) -> None:
    """In the headline, which is green no more."""
    decide(quiet, "accepted")
    assert 'id="headline" class="ok"' in quiet.ask("/").text
    quiet.world.write(
        "order", {"bot": "pulse", "slot": quiet.world.slot("12:01:00")}, **(ORDER | {"side": "buy"}), status="rejected"
    )
    quiet.world.at("12:01:40")
    text = quiet.ask("/").text
    assert 'id="headline" class="unsure"' in text
    assert "No bot is down, but orders of pulse were turned away or are of unknown fate" in text
    assert '<span class="badge turned-away">rejected</span>' in text


def test_a_failed_manual_run_stands_among_the_slots(quiet: Client) -> None:
    """With a mark of its own; the headline says it; no slot is counted for it."""
    world = quiet.world
    world.now = world.slot("12:01:00").replace(second=30)
    world.run(world.now, "failed", trigger="manual")
    world.at("12:01:40")
    text = quiet.ask("/").text
    assert re.search(r'class="failed manual" title="[^"]*12:01:30 UTC: failed, run by hand, took 12 ms"', text)
    assert "last slot: 1 succeeded, and 1 failed runs by hand" in text
    assert "No bot is down, but manual runs of pulse did not succeed" in text
    assert 'class="unsure"' in text
    assert quiet.ask("/api/bots").json()["bots"][0]["last_outcome"] == "succeeded"


def test_a_paused_bot_whose_last_slot_failed_is_not_well(client: Client) -> None:
    """A pause hides no failure."""
    assert client.change("/api/bots/pulse", json={"paused": True, "reason": "later"}).status_code == 200
    client.world.at("12:03:40")
    answer = client.ask("/api/status").json()
    assert (
        answer["headline"]
        == "No bot is down, but the last slots of pulse did not succeed: 1 strategy, 1 bot (1 paused)"
    )


def test_without_a_channel_nothing_is_well(quiet: Client) -> None:
    """The page and the API say that no one would learn of a failure."""
    assert quiet.ask("/api/status").json()["headline"].startswith("All is well")
    quiet.page = WebApp(replace(quiet.sources, has_channel=False))
    headline = quiet.ask("/api/status").json()["headline"]
    assert headline == "No bot is down, but no channel is set for alerts: 1 strategy, 1 bot"
    text = quiet.ask("/strategies/pulse").text
    assert headline in text
    assert 'id="headline" class="unsure"' in text


@pytest.mark.parametrize("strange", [{"a": 1}, [1, [2]], 2**80, True, "x" * 5000])
def test_strange_values_break_no_page(quiet: Client, strange: object) -> None:
    """A strategy may write anything where an id, a side, a bot or a symbol should be."""
    decide(quiet, "accepted", client_order_id=strange, action="refused", side=strange)
    fields = {"bot": "pulse", "slot": quiet.world.slot("12:01:00"), "run_id": "run-1", "symbol": strange}
    quiet.world.write("decision", fields, action="buy", qty=strange, client_order_id="x", status="accepted")
    quiet.world.write("order", {"bot": strange}, **(ORDER | {"side": strange}), status="filled")
    quiet.world.write(
        "account", fields, broker="paper", cash=strange, equity=1e-300, currency=strange, positions=strange
    )
    quiet.world.at("12:01:30")
    for path in (
        *PATHS,
        "/journal",
        "/journal?bot=pulse&symbol=AAPL",
        "/money",
        "/timeline",
        "/api/trades",
        "/api/bots",
    ):
        assert quiet.ask(path).status_code == 200, path


@pytest.mark.parametrize(
    "status, more, said",
    [
        ("accepted", {}, "1 order waiting or of unknown fate: pulse"),
        ("rejected", {"broker_reason": "no funds"}, "an order of the newest run was rejected: pulse"),
        ("", {"action": "refused", "side": "buy", "qty": 0}, "an order of the newest run was refused: pulse"),
        ("filled", {"filled_qty": 3.0}, ""),
    ],
)
def test_a_banner_says_that_an_order_was_not_filled(
    quiet: Client, status: str, more: dict[str, object], said: str
) -> None:
    """On every page, with the bots' names; none is there when all were filled."""
    decide(quiet, status, **more)
    for path in ("/", "/alerts", "/money", "/strategies/pulse"):
        page = quiet.ask(path).text
        assert ('id="orders"' in page) is bool(said), path
        assert said in page, path


def test_an_order_that_was_turned_away_is_not_hidden_by_another_symbol(quiet: Client) -> None:
    """A run that is refused one symbol's order and holds another: the overview and the banner show the refusal."""
    quiet.world.strategy("pulse", PULSE.replace('["AAPL"]', '["AAPL", "MSFT"]'))
    quiet.world.restart()
    fields = {"bot": "pulse", "slot": quiet.world.slot("12:01:00"), "run_id": "run-1", "attempt": 1}
    quiet.world.write("decision", fields, **(ORDER | {"action": "refused", "side": "buy", "qty": 0}))
    quiet.world.write("decision", fields, symbol="MSFT", action="hold", reason="flat", qty=0)
    quiet.world.at("12:01:25")
    text = quiet.ask("/").text
    assert "an order of the newest run was refused: pulse" in text
    assert '<span class="badge turned-away">refused</span>' in text


@pytest.mark.parametrize(
    "hosts, said",
    [
        (SharedHosts("a", gone={"b": AT}, homeless=("pulse",)), "openbell has lost a host"),
        (SharedHosts("a", lost_since=AT, error="no answer"), "a has no answer from the database"),
        (SharedHosts("a", settles_until=AT + timedelta(hours=1)), "Journals are still being fetched from the database"),
    ],
)
def test_nothing_is_well_while_a_host_or_the_database_is_lost(quiet: Client, hosts: SharedHosts, said: str) -> None:
    """The headline says it, and is not green, although no bot is down."""
    quiet.world.hosts = hosts
    quiet.world.now += timedelta(seconds=1)
    quiet.world.see()
    text = quiet.ask("/").text
    assert said in quiet.ask("/api/status").json()["headline"]
    assert 'id="headline" class="ok"' not in text
    assert "All is well" not in text


def test_what_is_listed_as_wrong_is_in_the_headline(quiet: Client) -> None:
    """A bot that only became slower is up, and yet all is not well."""
    found = [Condition(kind, "pulse", "pulse", AT, "") for kind in ("slower", "stale_data", "overlapping")]
    snapshot = quiet.world.see()
    ok, text = headline(snapshot.strategies, "", found)
    assert ok
    assert text == (
        "No bot is down, but pulse takes longer from week to week; pulse ran on old bars; 1 more: 1 strategy, 1 bot"
    )


def test_a_supervisor_that_has_just_started_claims_nothing(quiet: Client) -> None:
    """Before its first look it answers 503, with what it does; then it says what its journals say."""
    quiet.world.restart()
    answer = quiet.ask("/")
    assert (answer.status_code, "All is well" in answer.text) == (503, False)
    assert quiet.ask("/api/status").json()["ok"] is False
    quiet.world.see()
    assert quiet.ask("/").status_code == 200
