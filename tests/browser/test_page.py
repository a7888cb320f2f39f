"""The page in Chromium, against a supervisor that really runs."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from openbell.control import Control, halted
from tests.browser.conftest import TOKEN
from tests.browser.demo import Demo
from tests.browser.reader import LOOKS, Reader
from tests.browser.supervisor import Supervisor

PATHS = {
    "overview": "/",
    "strategy": "/strategies/pulse",
    "failing": "/strategies/basket?bot=basket-3",
    "alerts": "/alerts",
    "timeline": "/timeline",
    "week": "/timeline?span=week",
    "money": "/money?range=day",
    "journal": "/journal?strategy=basket",
    "year": "/strategies/basket/bots/basket-3/year",
    "settings": "/strategies/basket/settings",
    "run": "/strategies/basket/runs/run-200",
}


# Colours and widths are independent of each other: each once with each page, all four together by `make test-long`.
@pytest.mark.parametrize(
    "look", ["light", "phone-dark", *(pytest.param(look, marks=pytest.mark.long) for look in ("dark", "phone"))]
)
# A strategy without trouble and a day of the timeline are pages of the same kinds.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in {"failing", "week"} else name for name in PATHS]
)
def test_it_can_be_read(browser: Browser, supervisor: Supervisor, name: str, look: str) -> None:
    """Light and dark, on a laptop and a phone: accessible by axe's rules, no wider than the window, without an error or a stranger."""
    with Reader(browser, supervisor, LOOKS[look]) as reader:
        reader.open(PATHS[name])
        assert reader.violations() == []
        assert reader.overflow() <= 0


def test_one_glance_answers(browser: Browser, supervisor: Supervisor) -> None:
    """Is everything all right, what went wrong and what to do, what is next."""
    with Reader(browser, supervisor) as reader:
        page = reader.open("/")
        expect(page.locator("#headline")).to_contain_text("broken cannot start")
        trouble = page.locator("#trouble-failed-basket")
        expect(trouble).to_contain_text("basket-3 failed")
        expect(trouble).to_contain_text("no bars of TSLA: the source answered 503 <b>Service Unavailable</b>")
        expect(trouble.locator("code")).to_have_text("make run STRATEGY=basket BOT=basket-3")
        expect(page.locator("#glance")).to_contain_text("1 down")
        expect(page.locator("#bot-basket-6")).to_contain_text("paused by make pause")
        cells = page.locator("#bot-basket-3 .strip i")
        expect(cells.last).to_have_text("F")
        expect(cells.last).to_have_attribute("title", re.compile(r"failed, started .* ms after its slot, took 50 ms"))
        expect(page.locator("#bot-pulse .spark path")).to_have_count(1)


def test_the_reader_chooses_a_time_zone(browser: Browser, supervisor: Supervisor) -> None:
    """The browser's own, on every page, also after a reload; charts and cells follow; the raw instant is in the title."""
    with Reader(browser, supervisor, timezone_id="Asia/Tokyo") as reader:
        page = reader.open("/strategies/pulse")
        expect(page.locator("#account time").first).to_contain_text("UTC")
        page.get_by_label("Times in").select_option("this browser's: Asia/Tokyo")
        expect(page.locator("#account time").first).to_contain_text("JST")
        expect(page.locator("#account time").first).to_have_attribute("title", re.compile(r"^20\d\d-.*Z$"))
        page.locator("#account .plot").click()
        expect(page.locator("#tip")).to_contain_text("Asia/Tokyo")
        page = reader.open("/timeline")
        expect(page.locator("h1")).to_contain_text("JST")
        page.get_by_role("link", name="week").click()
        expect(page).to_have_url(re.compile("span=week"))
        page.wait_for_load_state()  # before it, the page's script does not know of a choice yet
        expect(page.locator("#lane-pulse svg")).to_have_attribute("aria-label", re.compile("^pulse: .* succeeded"))
        page.get_by_label("Times in").select_option("strategy")
        expect(page.locator("h1")).not_to_contain_text("JST")


def test_all_of_a_strategy(browser: Browser, supervisor: Supervisor) -> None:
    """Account and equity, signals with the orders on them, decisions, durations, the traceback, output, its loop."""
    with Reader(browser, supervisor) as reader:
        page = reader.open("/strategies/pulse")
        expect(page.locator("#account")).to_contain_text("USD")
        expect(page.get_by_role("img", name=re.compile("^Equity over time"))).to_be_visible()
        expect(page.get_by_role("img", name=re.compile("^Signal of AAPL"))).to_be_visible()
        expect(page.locator("#signal-1 path.buy")).to_have_count(1)
        expect(page.get_by_role("img", name=re.compile("^Durations of the last runs"))).to_be_visible()
        page.get_by_role("navigation", name="Decisions").get_by_text("older").click()
        expect(page.get_by_role("navigation", name="Decisions")).to_contain_text("page 2")
        reader.visit("/strategies/basket?bot=basket-3")
        page.locator("summary").first.click()
        expect(page.locator("pre").first).to_contain_text("closes = ctx.bars(symbol")
        expect(page.locator("#details")).to_contain_text("no bars of TSLA")


def test_the_countdown_moves(browser: Browser, supervisor: Supervisor) -> None:
    """By itself, second by second."""
    with Reader(browser, supervisor) as reader:
        countdown = reader.open("/").locator("#bot-pulse .until")
        expect(countdown).to_have_text(re.compile("^(in .* s|due now)$"))
        expect(countdown).not_to_have_text(countdown.inner_text())


def test_news_come_without_reloading(browser: Browser, supervisor: Supervisor, demo: Demo) -> None:
    """What the journal says is there within seconds; focus and opened details stay where they are."""
    with Reader(browser, supervisor) as reader:
        page = reader.open("/strategies/basket?bot=basket-3")
        page.evaluate("window.still = true")
        page.locator("summary").first.click()
        page.locator("summary").first.focus()
        now = datetime.now(UTC)
        head = {"bot": "basket-3", "slot": demo.now, "run_id": "news", "attempt": 1}
        demo.write("basket", "output", now, {**head, "text": "something new was printed"})
        demo.write("basket", "error", now, {**head, "error": "Newer: trouble", "traceback": "", "will_retry": True})
        expect(page.locator(".notes")).to_contain_text("something new was printed")
        expect(page.locator("summary").first).to_contain_text("Newer: trouble")
        assert page.evaluate("window.still")
        assert page.evaluate("document.activeElement.localName") == "summary"
        expect(page.locator("details[open]")).to_have_count(1)
        expect(page.locator("details[open]")).to_contain_text("no bars of TSLA")


def _type(page: Page, dialog: str, label: str, text: str, button: str) -> None:
    asked = page.locator(f"#ask-{dialog}")
    asked.get_by_label(label).fill(text)
    asked.get_by_role("button", name=button).click()


def test_pause_resume_and_run(browser: Browser, supervisor: Supervisor, demo: Demo) -> None:
    """With the token, which is typed once; a wrong one is told, and asked for again."""
    control = Control(demo.control, "basket")
    with Reader(browser, supervisor) as reader:
        reader.expected = ("401",)
        page = reader.open("/strategies/basket?bot=basket-2")
        details = page.locator("#details")
        details.get_by_role("button", name="Pause").click()
        _type(page, "pause", "Reason", "a holiday", "Pause")
        _type(page, "token", "Token", "wrong", "Go on")
        expect(page.locator("#said")).to_contain_text("the token is missing or wrong")
        assert control.paused("basket-2") is None

        details.get_by_role("button", name="Pause").click()
        page.locator("#ask-pause").get_by_label("For").select_option("4h")
        _type(page, "pause", "Reason", "a holiday", "Pause")
        _type(page, "token", "Token", TOKEN, "Go on")
        expect(page.locator("#said")).to_have_text("basket-2 is paused for 4h")
        expect(details.locator("h2 .badge")).to_have_text("paused")
        expect(details).to_contain_text("paused by page")
        pause = control.paused("basket-2")
        assert pause is not None
        assert (pause.by, pause.reason) == ("page", "a holiday")

        details.get_by_role("button", name="Run now").click()
        expect(page.locator("#said")).to_contain_text("resume it first")
        details.get_by_role("button", name="Resume").click()
        expect(page.locator("#said")).to_contain_text("runs again from its next slot on")
        expect(details.get_by_role("button", name="Pause")).to_be_visible()
        before = control.requests()  # tests of the API may have left some
        details.get_by_role("button", name="Run now").click()
        expect(page.locator("#said")).to_have_text("basket-2: a run is asked for")
        (request,) = [one for one in control.requests() if one not in before]
        assert (request.bot, request.by) == ("basket-2", "page")

        page.get_by_role("button", name="End the session").click()
        assert page.evaluate("sessionStorage.length") == 0
        reader.expected += ("409",)
        reader.wrong = [one for one in reader.wrong if "409" not in one]
    assert TOKEN not in supervisor.log
    assert '"event": "bot.paused"' in supervisor.log


def test_without_a_token_it_can_only_be_read(browser: Browser, read_only: Supervisor) -> None:
    """The buttons say so; and when the supervisor is gone, the page says that it is old."""
    with Reader(browser, read_only) as reader:
        reader.expected = ("ERR_CONNECTION_REFUSED", "Failed to load resource")
        page = reader.open("/strategies/pulse")
        expect(page.get_by_role("button", name="Pause")).to_be_disabled()
        expect(page.get_by_role("button", name="Run now")).to_be_disabled()
        expect(page.locator("#details")).to_contain_text("make pause BOT=pulse")
        expect(page.locator("footer")).to_contain_text("Read-only: set OPENBELL_TOKEN")
        read_only.process.terminate()
        expect(page.locator("#silent")).to_be_visible()
        expect(page.locator("#silent")).to_contain_text("what you see is old")


def test_the_keyboard_is_enough(browser: Browser, supervisor: Supervisor) -> None:
    """The first stop skips to the content; in a strip the arrow keys say what each slot was; Escape closes."""
    with Reader(browser, supervisor) as reader:
        page = reader.open("/")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("To the content")
        page.locator("#bot-basket-2 th a").last.focus()
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_attribute("aria-label", re.compile("^basket-2: last 1[0-9] slots"))
        tip = page.locator("#tip")
        expect(tip).to_contain_text("succeeded")
        last = tip.inner_text()
        page.keyboard.press("ArrowLeft")
        expect(tip).not_to_have_text(last)
        page.keyboard.press("End")
        expect(tip).to_have_text(last)
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()


def test_money_has_axes_and_hover_values(browser: Browser, supervisor: Supervisor) -> None:
    """Drawn by uPlot where scripts run, with the server's drawing hidden; trades can be searched and taken along."""
    with Reader(browser, supervisor) as reader:
        page = reader.open("/money?range=day&strategy=pulse")
        expect(page.locator("#equity-1 canvas")).to_be_visible()
        expect(page.locator("#equity-1 > svg")).to_be_hidden()
        page.locator("#equity-1 .u-over").hover()
        expect(page.locator("#equity-1 .u-legend")).to_contain_text(re.compile(r"Equity\s*:?\s*1\d\d,\d\d\d"))
        expect(page.locator("#positions")).to_contain_text("+504.00")
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        assert download.value.suggested_filename == "trades.csv"


def test_the_journal_follows_and_finds(browser: Browser, supervisor: Supervisor, demo: Demo) -> None:
    """New lines come by themselves; a filter leaves the others out; a line's time is a link to that moment."""
    with Reader(browser, supervisor) as reader:
        page = reader.open("/journal?strategy=pulse&event=note")
        expect(page.locator("#lines")).to_contain_text("No line is like that.")
        demo.write("pulse", "note", datetime.now(UTC), {"bot": "pulse", "message": "a moment to find"})
        expect(page.locator("#lines")).to_contain_text("a moment to find")
        page.locator("#lines td a").first.click()
        expect(page.locator("h1")).to_contain_text("up to 20")
        expect(page.locator("tr.chosen")).to_contain_text("a moment to find")


def test_everything_is_halted_from_the_page(browser: Browser, supervisor: Supervisor, demo: Demo) -> None:
    """With a reason; the banner says it, its button lifts it, and the trail has both."""
    with Reader(browser, supervisor) as reader:
        page = reader.open("/")
        page.get_by_role("button", name="Halt all orders").click()
        dialog = page.locator("#ask-halt")
        dialog.get_by_label("Reason").fill("a bad feeling")
        dialog.get_by_label("but orders that reduce").check()
        dialog.get_by_role("button", name="Halt").click()
        _type(page, "token", "Token", TOKEN, "Go on")
        expect(page.locator("#halt")).to_contain_text("halted but for exits: a bad feeling")
        assert reader.violations() == []
        page.get_by_role("button", name="Let orders be sent").click()
        expect(page.locator("#halt")).to_have_count(0)
        assert halted(demo.control) is None
        page = reader.open("/alerts")
        expect(page.locator("#audit ~ table")).to_contain_text("trading.resumed")
        expect(page.locator("#audit ~ table")).to_contain_text("127.0.0.1")


def test_it_works_without_scripts(browser: Browser, supervisor: Supervisor) -> None:
    """Everything is there to be read, reloaded by itself; what needs a script is not shown."""
    with Reader(browser, supervisor, java_script_enabled=False) as reader:
        page = reader.page
        reader.visit("/strategies/pulse")
        expect(page.locator("#headline")).to_contain_text("broken cannot start")
        expect(page.get_by_role("img", name=re.compile("^Equity over time"))).to_be_visible()
        expect(page.get_by_role("button", name="Pause")).to_be_hidden()
        assert page.locator("noscript").inner_html().count("refresh") == 1
