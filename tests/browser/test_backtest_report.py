"""The report of a backtest in Chromium: its pictures, without a request to anywhere."""

from datetime import UTC, datetime, timedelta
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

# Keeps what is written on each picture, by the id of its place.
TEXTS = """() => {
    window.written = {};
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
        const picture = this.canvas.closest(".chart");
        if (picture) (window.written[picture.id] ??= []).push(text);
        return write.call(this, text, ...place);
    };
}"""


def test_a_flat_curve_has_axes_that_begin_or_end_at_zero(browser: Browser, tmp_path: Path) -> None:
    """It has no drawdown above zero, and no exposure below; nothing says -0 %."""
    prices = tmp_path / "prices"
    prices.mkdir()
    days = [f"{FROM + number * timedelta(days=1):%Y-%m-%d},100,100,100,100,1000" for number in range(365)]
    for symbol in ("AAPL", "MSFT"):
        (prices / f"{symbol}.csv").write_text("\n".join(["Date,Open,High,Low,Close,Volume", *days]))
    setup = Setup(FOLDER, FROM, FROM + timedelta(days=360), prices=prices)
    market = engine.market_of(load(FOLDER), setup)
    path = tmp_path / "report.html"
    report.write(path, setup, engine.run(setup, lambda _: None, market=market), market)
    with browser.new_context() as context:
        page = context.new_page()
        page.add_init_script(f"({TEXTS})()")
        page.goto(path.as_uri())
        expect(page.locator("#drawdown canvas")).to_have_count(1)
        written = page.evaluate("() => window.written")
    drawdown, exposure = ([text for text in written[name] if "%" in text] for name in ("drawdown", "exposure"))
    assert "0.0 %" in drawdown
    assert all(text == "0.0 %" or text.startswith("-") for text in drawdown)
    assert "0.0 %" in exposure
    assert not any(text.startswith("-") for text in exposure)


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
