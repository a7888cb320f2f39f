"""A page that asks for a token: the form, and a token that comes with quotes."""

import re

from playwright.sync_api import Browser, expect

from tests.browser.conftest import TOKEN
from tests.browser.demo import Demo
from tests.browser.reader import Reader
from tests.browser.supervisor import Supervisor

READ = "a-token-for-readers"
QUOTED = f" \u201c{READ}\u201d "


def test_the_form_lets_a_reader_in(browser: Browser, demo: Demo) -> None:
    """A wrong token is refused and asked for again; one that was pasted with curly quotes opens the page."""
    supervisor = Supervisor(demo.root, token=TOKEN)
    supervisor.environment["OPENBELL_READ_TOKEN"] = READ
    supervisor.status_headers = {"Authorization": f"Bearer {READ}"}
    with supervisor, Reader(browser, supervisor) as reader:
        reader.expected = ("401",)
        page = reader.page
        reader.visit("")
        assert reader.violations() == []
        page.get_by_label("Token").fill("something else entirely")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("alert")).to_contain_text("That is not the token")
        page.get_by_label("Token").fill(QUOTED)
        page.get_by_role("button", name="Go on").click()
        page.wait_for_selector("#live.alive")
        expect(page.locator("#headline")).to_contain_text("broken cannot start")
        assert READ not in page.content()


def test_a_pasted_token_never_sticks(browser: Browser, supervisor: Supervisor) -> None:
    """One with curly quotes within it is refused in words and asked for again; one with quotes around it works."""
    with Reader(browser, supervisor) as reader:
        page = reader.open("/strategies/pulse?bot=pulse")
        dialog = page.get_by_role("dialog", name="The token")
        page.get_by_role("button", name="Run now").click()
        dialog.get_by_label("Token").fill("a\u201ctoken\u201d here")
        dialog.get_by_role("button", name="Go on").click()
        expect(page.locator("#said")).to_contain_text("That is no token")
        page.get_by_role("button", name="Run now").click()
        dialog.get_by_label("Token").fill(f"\u201c{TOKEN}\u201d ")
        dialog.get_by_role("button", name="Go on").click()
        expect(page.locator("#said")).to_have_text(
            re.compile("a run is asked for|is asked for already|running already")
        )
        reader.wrong = [one for one in reader.wrong if "409" not in one]
