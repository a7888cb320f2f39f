"""The timeline, a bot's year, and the reader's time zone."""

import re
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from openbell.manifest import load_all
from openbell.supervisor.health.snapshot import BotView, StrategyView
from openbell.supervisor.model.records import SlotRecord
from openbell.supervisor.store.store import Store
from openbell.supervisor.web.bot_list import Row
from openbell.supervisor.web.timeline_page import WIDTH, Timeline, timeline
from openbell.supervisor.web.year_page import year_of
from tests.unit.supervisor.web.client import Client

# The Friday after Thanksgiving: NYSE is closed on the day before and closes at 13:00 on this one.
THANKSGIVING = date(2026, 11, 26)
MANIFEST = """timezone = "America/New_York"
calendar = "XNYS"
blackout = ["2026-11-27 11:00 - 11:30 America/New_York"]
[[bot]]
id = "shop"
symbols = ["SPY"]
every = "15m"
"""
HOUR = timedelta(hours=1)


def drawn(tmp_path: Path, slots: list[SlotRecord], span: str = "day", day: date = date(2026, 11, 27)) -> Timeline:
    """Return the timeline of one bot that had these slots."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "strategy.toml").write_text(MANIFEST)
    (manifest,) = load_all(tmp_path)[0]
    view = BotView("shop", ("SPY",), "America/New_York", "up", "", "", (), None, None, 0)
    row = Row(StrategyView("shop", "", "America/New_York", "up", "", "", "", (), (view,)), view)
    with closing(Store(tmp_path / "store")) as store:
        with store.transaction():
            for slot in slots:
                store.slots.put("shop", "shop", slot)
        bots = {bot.id: bot for bot in manifest.bots}
        now = datetime(2026, 11, 27, 17, tzinfo=UTC)
        return timeline([row], bots, store, span, day, "America/New_York", now)


def slot(hour: float, outcome: str | None = "succeeded", count: int = 1) -> SlotRecord:
    """Return a slot at an hour of the Friday in New York, or a range that ends there."""
    at = datetime(2026, 11, 27, 5, tzinfo=UTC) + hour * HOUR
    return SlotRecord(at - (count - 1) * timedelta(minutes=15), at, count, outcome)


def test_a_day_shows_slots_where_they_were(tmp_path: Path) -> None:
    """One stroke for each outcome, the bad ones last and so on top; what lies apart stays apart: a gap can be seen."""
    shown = drawn(tmp_path, [slot(10), slot(10.01), slot(12), slot(12.5, "missed"), slot(14, "skipped", 4)])
    (lane,) = shown.lanes
    assert [kind for kind, _ in lane.strokes] == ["skipped", "succeeded", "missed"]
    strokes = dict(lane.strokes)
    assert [float(x) for x in re.findall(r"M([0-9.]+)", strokes["succeeded"])] == [400.0, 480.0]
    assert strokes["missed"] == "M500 8h4.0"
    assert strokes["skipped"] == "M530 8h31.5"
    assert lane.said == "shop: 1 missed, 3 succeeded, 4 skipped"
    assert shown.now_x == 480.0
    assert [x for x, _ in shown.ticks] == [120.0 * n for n in range(1, 8)]


def test_a_week_shows_what_the_exchange_does(tmp_path: Path) -> None:
    """Sessions, the closed Thursday, the Friday that closes early, and the window without slots."""
    (lane,) = drawn(tmp_path, [], "week", date(2026, 11, 23)).lanes
    assert [band.kind for band in lane.bands] == ["session"] * 3 + ["closed", "early", "blackout"]
    day = WIDTH / 7
    closed, early, blackout = lane.bands[3:]
    assert closed.x == pytest.approx(3 * day, abs=0.1)
    assert closed.width == pytest.approx(day, abs=0.1)
    assert early.width == pytest.approx(day * 3.5 / 24, abs=0.1)
    assert blackout.width == pytest.approx(day * 0.5 / 24, abs=0.1)
    assert "closed on 2026-11-26" in closed.title
    assert lane.said == "shop: no slots"


def test_the_day_on_which_the_clock_changes_is_whole(tmp_path: Path) -> None:
    """It has 25 hours, and the next page begins where it ends."""
    shown = drawn(tmp_path, [], day=date(2026, 11, 1))
    assert shown.end - shown.start == 25 * HOUR
    assert shown.other_day(1) == date(2026, 11, 2)


def test_a_year_of_days(tmp_path: Path) -> None:
    """Each day by its worst outcome; closures and half days of the exchange; every day of a leap year."""
    drawn(tmp_path, [slot(10), slot(11, "failed"), slot(-30, "skipped")])
    bot = load_all(tmp_path)[0][0].bots[0]
    with closing(Store(tmp_path / "store")) as store:
        year = year_of("shop", "shop", bot, store, 2026)
        assert sum(map(len, year_of("shop", "shop", bot, store, 2024).months)) == 366
    days = {cell.day: cell for month in year.months for cell in month}
    friday = days[date(2026, 11, 27)]
    assert (friday.outcome, friday.mark, friday.exchange) == ("failed", "F", "early")
    assert friday.title == "2026-11-27: 1 failed, 1 succeeded, early close"
    assert days[THANKSGIVING].exchange == "closed"
    assert (days[date(2026, 11, 25)].outcome, days[date(2026, 3, 3)].title) == ("skipped", "2026-03-03: no slots")
    assert year.slots == {"failed": 1, "succeeded": 1, "skipped": 1}


def test_the_pages_answer(client: Client) -> None:
    """The timeline of today, of a day and of a week; the year; and mistakes in one line."""
    text = client.ask("/timeline").text
    assert 'id="lane-pulse"' in text
    assert 'aria-label="pulse: 1 missed, 1 failed, 1 succeeded"' in text
    assert 'aria-label="pulse: no slots"' in client.ask("/timeline?span=week&day=2026-01-01&q=aapl").text
    assert 'id="lane-' not in client.ask("/timeline?q=nothing").text
    year = client.ask("/strategies/pulse/bots/pulse/year").text
    assert 'title="2026-11-20: 1 missed, 1 failed, 1 succeeded"' in year
    assert "pulse in 2020" in client.ask("/strategies/pulse/bots/pulse/year?year=2020").text
    for path, status in (
        ("/timeline?day=yesterday", 400),
        ("/timeline?day=0001-01-01", 400),
        ("/timeline?span=month", 400),
        ("/strategies/pulse/bots/pulse/year?year=1", 400),
        ("/strategies/other/bots/pulse/year", 404),
        ("/strategies/pulse/bots/other/year", 404),
    ):
        assert client.ask(path).status_code == status, path


def test_the_reader_chooses_the_zone(client: Client) -> None:
    """A cookie remembers it; all pages follow; the raw instant stays in the title; another value is as good as none."""
    answer = client.ask("/zone", "POST", content=b"zone=Asia/Tokyo&back=/strategies/pulse?bot=pulse")
    assert (answer.status_code, answer.headers["location"]) == (303, "/strategies/pulse?bot=pulse")
    assert "openbell_zone=Asia/Tokyo" in answer.headers["set-cookie"].replace("%2F", "/").replace('"', "")
    cookie = {"Cookie": "openbell_zone=Asia/Tokyo"}
    run = "/strategies/pulse/runs/run-1"
    for path in ("/", "/strategies/pulse", run):
        text = client.ask(path, headers=cookie).text
        assert "JST" in text, path
        assert "JST" not in client.ask(path).text, path
        assert "JST" not in client.ask(path, headers={"Cookie": "openbell_zone=Mars/Base"}).text, path
    assert 'title="2026-11-20T12:01:00.000Z">Fri 20 Nov 21:01:00 JST</time>' in client.ask(run, headers=cookie).text
    assert "Fri 20 Nov 00:00:00 JST" in client.ask("/timeline", headers=cookie).text


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\nb"])
def test_the_choice_leads_to_no_other_site(client: Client, back: str) -> None:
    """Whatever a form says."""
    answer = client.ask("/zone", "POST", content=f"zone=UTC&back={quote(back)}".encode())
    assert answer.headers["location"] == "/"
    assert client.ask("/zone", "POST", content=b"zone=Mars/Base").status_code == 400
