"""Blackouts as the supervisor sees them: nothing is expected, nothing is wrong, and page and API say so."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.supervisor.web.client import Client
from tests.unit.supervisor.world import PULSE, World

WINDOW = "2026-11-20 12:02 - 12:06 UTC"
TOP = f'timezone = "UTC"\nblackout = ["{WINDOW}"]\n'
STREAM = TOP + '[[bot]]\nid = "pulse"\nkind = "stream"\nsymbols = ["AAPL"]\ntimeout = "30s"\n'


def world_of(root: Path, manifest: str) -> World:
    """Return a world that has been watched since its loop started."""
    world = World(root)
    world.strategy(manifest=manifest)
    world.start()
    world.beat()
    world.see()
    return world


@pytest.fixture
def slotted(tmp_path: Path) -> Iterator[World]:
    """A bot with a slot each minute and a blackout of four minutes."""
    world = world_of(tmp_path, PULSE.replace('timezone = "UTC"\n', TOP))
    yield world
    world.restart()


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[World]:
    """A stream with the same blackout."""
    world = world_of(tmp_path, STREAM)
    yield world
    world.restart()


def test_no_slot_is_missed_in_a_blackout(slotted: World) -> None:
    """The slots before and after are expected, those in it are not."""
    slotted.at("12:01:00")
    slotted.run(slotted.slot("12:01"))
    assert slotted.at("12:05:59").conditions == ()
    assert slotted.bot().next_slot == slotted.slot("12:06")
    slotted.at("12:06:25")
    assert slotted.ledger() == [("12:01:00", 1, "succeeded"), ("12:06:00", 1, "missed")]


def test_page_and_api_show_the_blackout(slotted: World) -> None:
    """Before it begins and while it goes on; afterwards there is none."""
    client = Client(slotted)
    slotted.at("12:01:00")
    slotted.run(slotted.slot("12:01"))
    slotted.at("12:01:30")
    bot = client.ask("/api/status").json()["strategies"][0]["bots"][0]
    assert bot["blackout"] == {
        "window": WINDOW,
        "start": "2026-11-20T12:02:00.000Z",
        "end": "2026-11-20T12:06:00.000Z",
    }
    assert f"blackout <code>{WINDOW}</code>" in client.ask("/strategies/pulse").text
    assert WINDOW not in client.ask("/").text
    slotted.at("12:02:00")
    assert "no runs until" in client.ask("/").text
    slotted.at("12:06:01")
    assert client.ask("/api/status").json()["strategies"][0]["bots"][0]["blackout"] is None


def test_a_stream_that_is_stopped_for_a_blackout_is_well(stream: World) -> None:
    """Its end is no alarm, its absence neither, until it is not started again afterwards."""
    run_id = stream.run(stream.now, None, trigger="stream")
    fields = {"bot": "pulse", "slot": stream.now, "run_id": run_id, "attempt": 1, "trigger": "stream"}
    stream.at("12:02:00")
    stream.now += timedelta(seconds=1)
    stream.write("run_end", fields, outcome="succeeded", tick_duration_ms=1.0, orders=0)
    for clock in ("12:02:30", "12:05:55", "12:06:05"):
        assert stream.at(clock).conditions == (), clock
    assert [one.kind for one in stream.at("12:06:15").conditions] == ["stream_ended"]


def test_the_status_of_a_stopped_stream_says_why(stream: World) -> None:
    """With the end of the blackout."""
    stream.run(stream.now, None, trigger="stream")
    stream.at("12:03:00")
    assert (stream.bot().status, stream.bot().reason) == ("up", f"stopped until 12:06:00 UTC: blackout {WINDOW}")
