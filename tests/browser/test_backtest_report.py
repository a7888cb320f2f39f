"""The report of a backtest in Chromium: its pictures, without a request to anywhere."""

from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, expect

from openbell.backtest import engine, report
from openbell.backtest.engine import Setup
from openbell.manifest import load
from openbell.strategy import loader

FOLDER = Path(__file__).resolve().parents[2] / "strategies" / "ma_crossover"
FROM, TO = datetime(2009, 1, 2, tzinfo=UTC), datetime(2011, 12, 30, tzinfo=UTC)
PICTURES = 8
CANVAS = """() => [...document.querySelectorAll(".chart canvas")].map(
    (one) => new Set(one.getContext("2d").getImageData(0, 0, one.width, one.height).data).size)"""


def test_a_reports_pictures_can_be_looked_into(browser: Browser, tmp_path: Path) -> None:
    """Each is drawn, tells its values under the pointer, and shows a part of its time when it is dragged over."""
    setup = Setup(FOLDER, FROM, TO)
    market = engine.market_of(load(FOLDER), setup)
    outcome = engine.run(setup, loader.load(FOLDER, ("run",))["run"], market=market)
    path = tmp_path / "report.html"
    report.write(path, setup, outcome, market)
    with browser.new_context() as context:
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        expect(page.locator(".chart canvas")).to_have_count(PICTURES)
        assert all(colors > 1 for colors in page.evaluate(CANVAS))
        over = page.locator("#equity .u-over")
        over.scroll_into_view_if_needed()
        over.hover(position={"x": 500, "y": 50})
        expect(page.locator("#equity .u-legend")).to_contain_text("2010-")
        box = over.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 100, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + 130, box["y"] + 50, steps=3)
        page.mouse.up()
        # What is shown up to the right end is the month that was dragged over.
        over.hover(position={"x": 600, "y": 50})
        expect(page.locator("#equity .u-legend")).to_contain_text("2009-")
        # All pictures look at the same part.
        expect(page.locator("#exposure .u-legend")).to_contain_text("2009-")
        page.locator("#symbol").select_option("MSFT")
        expect(page.locator("#price .u-legend")).to_contain_text("MSFT")
        assert said == []
