"""Fixtures: a made-up history, a supervisor that may be changed, one that is read-only, and a browser."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.demo import Beating, Demo
from tests.browser.supervisor import Supervisor
from tests.installed import Installed

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-the-browser"


@pytest.fixture(scope="session")
def chromium(installed: Installed) -> str:
    """The browser's command; it is installed if it is missing."""
    return installed("browser").splitlines()[-1]


# All of these end with the last test of this folder, not of the session: a browser's event loop runs in this process, and the
# demo's thread writes and syncs files, while other tests have event loops of their own or replace calls of `os`.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium, without a window."""
    expect.set_options(timeout=20_000)  # milliseconds; a busy machine
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root; the pages are ours.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Strategies with a history up to now, whose loops beat."""
    demo = Demo(tmp_path_factory.mktemp("demo") / "world", datetime.now(UTC))
    with Beating(demo):
        yield demo


@pytest.fixture(scope="package")
def supervisor(demo: Demo) -> Iterator[Supervisor]:
    """A supervisor through which things can be changed."""
    with Supervisor(demo.root, token=TOKEN) as supervisor:
        yield supervisor


@pytest.fixture
def read_only(demo: Demo) -> Iterator[Supervisor]:
    """A supervisor without a token."""
    with Supervisor(demo.root) as supervisor:
        yield supervisor
