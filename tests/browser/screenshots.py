"""Takes the pictures of the page for the documentation, from a real supervisor over a made-up year.

`make screenshots` writes those of DOCS into docs/images. `python -m tests.browser.screenshots FOLDER` writes every view at 1280
and 390 pixels, light and dark, whole pages, for a person who changes how the page looks.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from openbell.supervisor.service.own_records import STORE
from openbell.supervisor.store.store import Store
from tests.browser import demo_year
from tests.browser.demo import Beating, Demo
from tests.browser.reader import LOOKS, Reader
from tests.browser.supervisor import Supervisor

READY = Path(__file__).parents[2] / "scripts" / "browser-ready"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
VIEWS = {
    "overview": "/",
    "strategy": "/strategies/basket?bot=basket-3",
    "run": "/strategies/basket/runs/{run}",
    "money": "/money?range=year",
    "timeline": "/timeline",
    "week": "/timeline?span=week",
    "year": "/strategies/basket/bots/basket-3/year",
    "journal": "/journal",
    "settings": "/strategies/basket/settings",
    "alerts": "/alerts",
}
# The pictures of the documentation: what they show, how, and how large.
DOCS: Mapping[str, tuple[str, str, tuple[int, int]]] = {
    "status-page.png": ("overview", "light", (1280, 800)),
    "money.png": ("money", "light", (1180, 780)),
    "phone.png": ("overview", "phone-dark", (390, 844)),
    "timeline.png": ("timeline", "dark", (1180, 440)),
}


class Picture(Demo):
    """The demo's history with a failure that is short to read."""

    traceback = "MarketError: no bars of TSLA: the source answered 503"


def main() -> None:
    """Write the pictures."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        demo = Picture(Path(scratch) / "demo", datetime.now(UTC))
        shutil.rmtree(demo.strategies / "broken")
        supervisor = Supervisor(demo.root, token="a-token-for-the-pictures")
        supervisor.environment["OPENBELL_ALERT_URLS"] = "json://127.0.0.1:9"  # a channel, where no one listens
        state = demo.root / f"state-{supervisor.port}"
        demo_year.fill(demo, state)
        with Beating(demo), supervisor, sync_playwright() as playwright:
            # Chromium's own sandbox does not work for root; the page is ours.
            command = subprocess.check_output([READY], text=True).splitlines()[-1]
            browser = playwright.chromium.launch(executable_path=command, args=["--no-sandbox"])
            run = _failed_run(state)
            if folder == IMAGES:
                for name, (view, look, (width, height)) in DOCS.items():
                    size = {"viewport": {"width": width, "height": height}, "device_scale_factor": 1}
                    _take(browser, supervisor, VIEWS[view], {**LOOKS[look], **size}, folder / name, whole=False)
            else:
                for view, path in VIEWS.items():
                    for look, given in LOOKS.items():
                        file = folder / f"{view}-{look}.png"
                        _take(browser, supervisor, path.format(run=run), given, file, whole=True)
            browser.close()


def _failed_run(state: Path) -> str:
    store = Store(state / STORE, read_only=True)
    try:
        return next(one.run_id for one in store.runs.recent("basket", "basket-3", 10) if one.outcome == "failed")
    finally:
        store.close()


def _take(
    browser: Browser, supervisor: Supervisor, path: str, look: dict[str, object], file: Path, *, whole: bool
) -> None:
    with Reader(browser, supervisor, look) as reader:
        page = reader.open(path)
        page.wait_for_timeout(500)  # until charts are drawn and what moves has come to rest
        page.screenshot(path=file, full_page=whole)
    print(f"wrote {file} ({file.stat().st_size / 1000:.0f} kB)", flush=True)


if __name__ == "__main__":
    main()
