"""Takes the picture of the status page that the README shows, from a real supervisor over the demo's history.

`python -m tests.browser.screenshot FILE`; `make screenshot` writes docs/images/status-page.png.
"""

import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.demo import Beating, Demo
from tests.browser.supervisor import Supervisor

SIZE = {"width": 1180, "height": 780}
CHROMIUM = "/usr/bin/chromium"


class Picture(Demo):
    """The demo's history with a failure that is short to read."""

    traceback = "MarketError: no bars of TSLA: the source answered 503"


def main() -> None:
    """Write the picture."""
    file = Path(sys.argv[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = Picture(Path(folder) / "demo", datetime.now(UTC))
        shutil.rmtree(demo.strategies / "broken")
        with Beating(demo), Supervisor(demo.root) as supervisor, sync_playwright() as playwright:
            # Chromium's own sandbox does not work for root; the page is ours.
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type] # a dict of its shape
            page.goto(supervisor.page)
            page.get_by_text("basket-3").first.wait_for()
            page.screenshot(path=file)
            browser.close()
    print(f"wrote {file} ({file.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
