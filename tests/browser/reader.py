"""A person with a browser, who notices everything that is not as it should be."""

from importlib.resources import files
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Error, Page

from tests.browser.supervisor import Supervisor

AXE = files("axe_playwright_python").joinpath("axe.min.js")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

LIGHT: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}
DARK: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
    "reduced_motion": "reduce",
}
PHONE_DARK = {**PHONE, "color_scheme": "dark"}
# Chromium gives up what it is asking for, also of this machine, when an interface comes or goes: other tests start containers.
# A page that lost its script in this way stays as it is, and the page of an error may come in between.
NETWORK_CHANGED = ("ERR_NETWORK_CHANGED", "chrome-error://")
ATTEMPTS = 5
LOOKS = {"light": LIGHT, "dark": DARK, "phone": PHONE, "phone-dark": PHONE_DARK}


class Reader:
    """One tab on a supervisor's page. On leaving, nothing may have gone wrong in it."""

    def __init__(self, browser: Browser, supervisor: Supervisor, look: dict[str, Any] = LIGHT, **more: Any) -> None:
        self._supervisor = supervisor
        self._context = browser.new_context(**look, **more)
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(15_000)
        self.wrong: list[str] = []
        self._is_disturbed = False
        self.expected: tuple[str, ...] = ()  # what the browser's console says of answers that are meant to be refused
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()
        assert error is not None or self.wrong == [], self.wrong

    def _heard(self, message: ConsoleMessage) -> None:
        if _has_changed(message.text):
            self._is_disturbed = True
        elif message.type in {"error", "warning"} and not any(text in message.text for text in self.expected):
            self.wrong.append(message.text)

    def _asked(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self._supervisor.page).netloc:
            self.wrong.append(f"asked {url}")

    def open(self, path: str) -> Page:
        """Open a page, and wait until its script has looked once for news; again if the network changed meanwhile."""
        return self._open(path, "#live.alive")

    def visit(self, path: str) -> Page:
        """Open a page and wait for nothing else, since it has no such script; again if the network changed meanwhile."""
        return self._open(path, "body")

    def _open(self, path: str, awaited: str) -> Page:
        for number in range(1, ATTEMPTS + 1):
            self._is_disturbed = False
            try:
                self.page.goto(self._supervisor.page + path)
                self.page.wait_for_selector(awaited)
            except Error as error:
                if number == ATTEMPTS or not (self._is_disturbed or _has_changed(error.message)):
                    raise
            else:
                break
        return self.page

    def go_dark(self) -> None:
        """Let the device prefer dark colours from now on."""
        self.page.emulate_media(color_scheme="dark")

    def violations(self) -> list[str]:
        """Return what axe finds wrong with the open page, one line each."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        # What is as it should be stays in the browser: it would be megabytes.
        run = "async tags => (await axe.run({ runOnly: tags, resultTypes: ['violations'] })).violations"
        found = self.page.evaluate(run, RULES)
        return [
            f"{one['id']}: {node['target']}: {node.get('failureSummary', '')}" for one in found for node in one["nodes"]
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def _has_changed(text: str) -> bool:
    """Tell whether what Chromium says comes from a change of the network."""
    return any(word in text for word in NETWORK_CHANGED)
