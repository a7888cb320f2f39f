"""Incidents in Chromium: acknowledged and snoozed with the token, and by the link of a message without any script."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from openbell.control import Control
from openbell.supervisor.alerts import view
from openbell.supervisor.alerts.links import IncidentLinks
from tests.browser.conftest import TOKEN
from tests.browser.demo import Demo
from tests.browser.reader import LOOKS, Reader
from tests.browser.supervisor import Supervisor


def state(supervisor: Supervisor) -> Path:
    """Return the supervisor's folder."""
    return supervisor.root / f"state-{supervisor.port}"


def incidents(supervisor: Supervisor) -> tuple[view.IncidentView, ...]:
    """Return the open incidents; there are some soon after the supervisor has started."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = view.read(state(supervisor) / "alerts.sqlite")
        if found is not None and found.incidents and all(one.told_at for one in found.incidents):
            return found.incidents
        time.sleep(0.1)
    pytest.fail(f"no incident was told:\n{supervisor.log}")


def give_token(page: Page) -> None:
    """Open a session."""
    dialog = page.locator("#ask-token")
    dialog.get_by_label("Token").fill(TOKEN)
    dialog.get_by_role("button", name="Go on").click()


@pytest.mark.parametrize("look", [pytest.param("light", marks=pytest.mark.long), "phone"])
def test_an_incident_can_be_read(browser: Browser, supervisor: Supervisor, look: str) -> None:
    """Light and dark, on a laptop and a phone, without a finding of axe's and no wider than the window."""
    number = incidents(supervisor)[0].id
    with Reader(browser, supervisor, LOOKS[look]) as reader:
        reader.open(f"/incidents/{number}")
        assert reader.violations() == []
        assert reader.overflow() <= 0
        reader.go_dark()
        assert reader.violations() == []


def test_acknowledge_and_snooze(browser: Browser, supervisor: Supervisor) -> None:
    """From the list on the page of alerts and from the incident's own page; the trail has both."""
    number = incidents(supervisor)[0].id
    with Reader(browser, supervisor) as reader:
        page = reader.open("/alerts")
        row = page.locator(f"#incident-{number}")
        expect(row).to_contain_text("not acknowledged")
        row.get_by_role("button", name="Acknowledge").click()
        give_token(page)
        expect(page.locator("#said")).to_contain_text("Acknowledged")
        expect(row).to_contain_text("acknowledged by page")
        page = reader.open(f"/incidents/{number}")
        page.get_by_role("button", name="Snooze").click()
        dialog = page.locator("#ask-snooze")
        dialog.get_by_label("For").select_option("4h")
        assert reader.violations() == []
        dialog.get_by_role("button", name="Snooze").click()
        expect(page.locator("#state")).to_contain_text("snoozed by page until")
        page = reader.open("/alerts")
        expect(page.locator("#audit ~ table")).to_contain_text("incident.snoozed")


def test_a_link_needs_neither_token_nor_script(browser: Browser, supervisor: Supervisor) -> None:
    """Its form answers the incident; then the state says by what."""
    number = incidents(supervisor)[-1].id
    path = IncidentLinks(state(supervisor), supervisor.page).to(number, datetime.now(UTC)).removeprefix(supervisor.page)
    with Reader(browser, supervisor, LOOKS["phone"], java_script_enabled=False) as reader:
        page = reader.page
        reader.visit(path)
        page.locator("form.answer select").select_option("12h")
        page.locator("form.answer").get_by_role("button", name="Snooze").click()
        expect(page.locator("#state")).to_contain_text("snoozed by link until")
        page.locator("form.answer").get_by_role("button", name="Acknowledge").click()
        expect(page.locator("#state")).to_contain_text(re.compile("acknowledged by link"))


def test_all_that_a_strategy_holds_is_closed(browser: Browser, supervisor: Supervisor, demo: Demo) -> None:
    """After a confirmation; Cancel asks for nothing."""
    control = Control(demo.control, "basket")
    with Reader(browser, supervisor) as reader:
        page = reader.open("/strategies/basket")
        button, dialog = page.get_by_role("button", name="Close all it holds"), page.locator("#ask-flatten")
        button.click()
        expect(dialog).to_contain_text("Close all that basket holds")
        assert reader.violations() == []
        dialog.get_by_role("button", name="Cancel").click()
        assert not any(one.flatten for one in control.requests())
        button.click()
        dialog.get_by_role("button", name="Close all of it").click()
        give_token(page)
        expect(page.locator("#said")).to_contain_text("basket closes what it holds")
        assert sum(one.flatten for one in control.requests()) == 1
