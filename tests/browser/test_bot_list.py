"""The list of bots in Chromium: what fits, what is found, with scripts and without them."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.demo import Beating, Demo
from tests.browser.reader import PHONE, Reader
from tests.browser.supervisor import Supervisor


def test_forty_five_bots_fit_on_a_laptop(browser: Browser, tmp_path: Path) -> None:
    """One row each, found by name, symbol and status, sorted by a click, in groups on wish; and quick to scan on a phone."""
    demo = Demo(tmp_path / "world", datetime.now(UTC), crowd=38)
    shutil.rmtree(demo.strategies / "broken")
    with Beating(demo), Supervisor(demo.root) as supervisor, Reader(browser, supervisor) as reader:
        page = reader.open("/")
        rows = page.locator("#bots tbody tr")
        expect(rows).to_have_count(45)
        top, last = page.locator("#bots").bounding_box(), rows.last.bounding_box()
        assert top is not None
        assert last is not None
        assert last["y"] + last["height"] - top["y"] < 840
        assert reader.violations() == []
        assert reader.overflow() <= 0
        page.get_by_role("link", name="Equity").click()
        expect(page.get_by_role("columnheader", name="Equity")).to_have_attribute("aria-sort", "descending")
        page.get_by_role("searchbox", name="Search").fill("basket")
        page.get_by_role("searchbox", name="Search").press("Enter")
        expect(page.locator("#filter")).to_contain_text("6 of 45 bots")
        page.get_by_label("by strategy").check()
        expect(page.locator("tr.group")).to_have_count(1)
        page.get_by_label("Status").select_option("down")
        expect(rows).to_have_count(2)
        expect(page.locator("#bot-basket-3")).to_contain_text(re.compile(r"[78]\d\.\d"))
        expect(page.locator("#bot-basket-3 .today")).to_contain_text(re.compile("[+\N{MINUS SIGN}]"))
        with Reader(browser, supervisor, PHONE) as phone:
            page = phone.open("/?sort=status")
            height = page.locator("#bot-pulse").bounding_box()
            assert height is not None
            assert height["height"] < 135
            assert phone.overflow() <= 0
            assert phone.violations() == []


@pytest.mark.parametrize("scripts", [True, False])
def test_bots_are_filtered(browser: Browser, supervisor: Supervisor, scripts: bool) -> None:
    """By status, strategy, tag and words; at once with scripts, by the button without them; on the timeline too."""
    legs = [f"basket-{number}" for number in range(1, 7)]
    found = {
        "status": ("down", ["basket-3"]),
        "strategy": ("pulse", ["pulse"]),
        "tag": ("us", legs),
        "q": ("aapl", ["pulse"]),
    }
    with Reader(browser, supervisor, java_script_enabled=scripts) as reader:
        page = reader.page
        for path, rows in (("/", "#bots tr[id^=bot-]"), ("/timeline", "#timeline .lane[id]")):
            for name, (value, bots) in found.items():
                reader.visit(path)
                field = page.locator(f"#filter [name={name}]")
                if name == "q":
                    field.fill(value)
                    field.press("Enter")
                else:
                    field.select_option(value)
                    if not scripts:
                        page.locator("#filter").get_by_role("button", name="Show").click()
                expect(page.locator(rows)).to_have_count(len(bots))
                expect(page.locator(rows).first).to_contain_text(bots[0])
                expect(page.locator(f"#filter [name={name}]")).to_have_value(value)
