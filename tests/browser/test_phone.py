"""The page on a phone: one part at a time, and every action by taps, with one token for all and a line in the trail for each."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from openbell.control import Control, halted
from openbell.supervisor.alerts import view
from tests.browser.conftest import TOKEN
from tests.browser.demo import Beating, Demo
from tests.browser.reader import PHONE, Reader
from tests.browser.supervisor import Supervisor
from tests.browser.test_incidents import give_token, incidents, state


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A history of this module's own: what is done here would be in the way of others."""
    demo = Demo(tmp_path_factory.mktemp("phone") / "world", datetime.now(UTC))
    with Beating(demo):
        yield demo


@pytest.fixture(scope="module")
def supervisor(demo: Demo) -> Iterator[Supervisor]:
    """A supervisor through which things can be changed."""
    with Supervisor(demo.root, token=TOKEN) as supervisor:
        yield supervisor


def tap(within: Page | Locator, button: str) -> None:
    """Tap a button, which a thumb can hit."""
    found = within.get_by_role("button", name=button)
    box = found.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    found.tap()


def test_a_bot_is_paused_resumed_and_run(browser: Browser, supervisor: Supervisor, demo: Demo) -> None:
    """From its strategy's page; the token is typed once."""
    control = Control(demo.control, "basket")
    with Reader(browser, supervisor, PHONE) as reader:
        page = reader.open("/strategies/basket?bot=basket-4#details")
        details, said = page.locator("#details"), page.locator("#said")
        tap(details, "Pause")
        page.locator("#ask-pause").get_by_label("Reason").fill("on the train")
        tap(page.locator("#ask-pause"), "Pause")
        give_token(page)
        expect(said).to_have_text("basket-4 is paused")
        expect(details.locator("h2 .badge")).to_have_text("paused")
        pause = control.paused("basket-4")
        assert pause is not None
        assert pause.reason == "on the train"
        tap(details, "Resume")
        expect(said).to_contain_text("runs again from its next slot on")
        expect(details.get_by_role("button", name="Pause")).to_be_visible()
        tap(details, "Run now")
        expect(said).to_have_text("basket-4: a run is asked for")
        assert reader.overflow() <= 0
        trail(reader, "bot.paused", "bot.resumed", "run.requested")


def test_orders_are_halted_closed_and_sent_again(browser: Browser, supervisor: Supervisor, demo: Demo) -> None:
    """A halt but for exits, from the foot of any page; all that a strategy holds is closed meanwhile."""
    with Reader(browser, supervisor, PHONE) as reader:
        page = reader.open("/")
        tap(page, "Halt all orders")
        asked = page.locator("#ask-halt")
        asked.get_by_label("Reason").fill("odd fills")
        asked.get_by_label("but orders that reduce").check()
        asked.get_by_role("button", name="Halt").tap()
        give_token(page)
        expect(page.locator("#halt")).to_contain_text("odd fills")
        halt = halted(demo.control)
        assert halt is not None
        assert halt.exits
        page = reader.open("/strategies/basket")
        tap(page, "Close all it holds")
        tap(page.locator("#ask-flatten"), "Close all of it")
        expect(page.locator("#said")).to_contain_text("basket closes what it holds")
        assert sum(one.flatten for one in Control(demo.control, "basket").requests()) == 1
        tap(page, "Let orders be sent")
        expect(page.locator("#halt")).to_have_count(0)
        assert halted(demo.control) is None
        trail(reader, "trading.halted", "flatten.requested", "trading.resumed")


def test_an_incident_is_answered(browser: Browser, supervisor: Supervisor) -> None:
    """Acknowledged on the page of alerts, then snoozed until a time of the phone's clock."""
    number = incidents(supervisor)[0].id
    until = datetime.now().replace(second=0, microsecond=0) + timedelta(hours=5)  # noqa: DTZ005 - as the phone shows it
    with Reader(browser, supervisor, PHONE) as reader:
        page = reader.open("/")
        page.get_by_role("navigation", name="Views").get_by_role("link", name="Alerts").tap()
        row = page.locator(f"#incident-{number}")
        tap(row, "Acknowledge")
        give_token(page)
        expect(row).to_contain_text("acknowledged by page")
        tap(row, "Snooze")
        page.locator("#ask-snooze").get_by_label("or until").fill(f"{until:%Y-%m-%dT%H:%M}")
        tap(page.locator("#ask-snooze"), "Snooze")
        expect(row).to_contain_text("snoozed by page until")
        found = view.read(state(supervisor) / "alerts.sqlite")
        assert found is not None
        (kept,) = [one.snoozed_until for one in found.incidents if one.id == number]
        assert kept is not None
        assert abs(kept.timestamp() - until.timestamp()) < 1
        trail(reader, "incident.acknowledged", "incident.snoozed")


def trail(reader: Reader, *actions: str) -> None:
    """Each action stands in the trail, permitted by a session, with the address that it came from."""
    table = reader.open("/alerts").locator("#audit ~ table")
    for action in actions:
        row = table.locator("tr", has_text=action).first
        expect(row).to_contain_text("session")
        expect(row).to_contain_text("127.0.0.1")


def test_a_finger_finds_what_a_cell_says(browser: Browser, supervisor: Supervisor) -> None:
    """On a phone nothing hovers: a tap says it; a tap on a chart says the nearest value."""
    with Reader(browser, supervisor, PHONE) as reader:
        page = reader.open("/strategies/basket?bot=basket-3#details")
        page.locator("#details .strip i").last.tap()
        expect(page.locator("#tip")).to_contain_text("failed")
        page.get_by_role("link", name="Account").tap()
        page.locator("#account .plot").tap()
        expect(page.locator("#tip")).to_contain_text("America/New_York")
        assert reader.overflow() <= 0


def test_a_phone_shows_one_part_at_a_time(browser: Browser, supervisor: Supervisor) -> None:
    """The first, or the one that is tapped, also after news; no page of seven screens."""
    with Reader(browser, supervisor, PHONE) as reader:
        page = reader.open("/strategies/basket?bot=basket-3")
        expect(page.locator("#account")).to_be_visible()
        expect(page.locator("#runs")).to_be_hidden()
        page.get_by_role("navigation", name="Parts of this page").get_by_role("link", name="Runs").tap()
        expect(page.locator("#runs")).to_be_visible()
        expect(page.locator("#account")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollHeight") < 3500
        assert reader.violations() == []
        reader.visit("/strategies/basket?bot=basket-3#details")
        expect(page.locator("#details").get_by_role("button", name="Pause")).to_be_visible()
        page = reader.open("/money?range=day")
        expect(page.locator("#equity")).to_be_visible()
        expect(page.locator("#positions")).to_be_hidden()
        page.get_by_role("navigation", name="Parts of this page").get_by_role("link", name="Positions").tap()
        expect(page.locator("#positions")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollHeight") < 3500


def test_a_phone_shows_a_year_as_weeks(browser: Browser, supervisor: Supervisor) -> None:
    """Each month is a block of seven days in a row, Monday first, each with its number; nothing lies beside the window."""
    with Reader(browser, supervisor, PHONE) as reader:
        page = reader.open("/strategies/basket/bots/basket-3/year?year=2026")
        days = page.locator(".year tbody tr").first.locator("td")
        boxes = [
            days.nth(number).bounding_box() for number in (0, 3, 4, 30)
        ]  # Thursday 1, Sunday 4, Monday 5, Saturday 31
        first, sunday, monday, last = (box for box in boxes if box is not None)
        assert monday["y"] > sunday["y"] == first["y"]
        assert monday["x"] < first["x"] < sunday["x"]
        assert last["x"] < sunday["x"]
        assert sunday["x"] + sunday["width"] <= 390
        assert reader.violations() == []
