"""What every answer of the page keeps to: its policy and headers, other names, health checks, runs that are not there."""

import asyncio
import re
import threading
from html.parser import HTMLParser
from pathlib import Path

import anyio.lowlevel
import anyio.to_thread
import httpx
import pytest

import openbell.supervisor.web
from openbell.supervisor.web import app
from openbell.supervisor.web.labels import MARKS
from openbell.supervisor.web.security_headers import HEADERS
from tests.unit.supervisor.web.client import Client
from tests.unit.supervisor.world import World

STATIC = Path(openbell.supervisor.web.__file__).parent / "static"


class _Outline(HTMLParser):
    """Finds what a page may not have, and what must be closed."""

    VOID = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in {"href", "src"} and value]
        self.wrong += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag == "script" and "src" not in given:
            self.wrong.append("inline script")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")


@pytest.mark.parametrize("path", ["/", "/strategies/pulse", "/alerts", "/nowhere"])
def test_pages_keep_the_policy_they_announce(client: Client, path: str) -> None:
    """No inline script or style, no other host; balanced tags, unique ids, and every link answers."""
    outline = _Outline()
    outline.feed(client.ask(path).text)
    assert outline.wrong == []
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    for link in outline.links:
        assert link.startswith(("/", "#"))
        assert link.startswith("#") or client.ask(link).status_code == 200


def test_scripts_name_no_other_host() -> None:
    """Nor do the styles, and what a script imports is there."""
    for path in STATIC.iterdir():
        text = path.read_text()
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == []
        for imported in re.findall(r'from "\./([a-z]+\.js)"', text):
            assert (STATIC / imported).is_file()


@pytest.mark.parametrize(
    "path", ["/", "/api/status", "/static/page.css", "/healthz", "/metrics", "/nowhere", "/api/nothing"]
)
def test_every_answer_carries_the_headers(client: Client, path: str) -> None:
    """Errors too."""
    answer = client.ask(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value


def test_colours_are_not_the_only_sign() -> None:
    """Each outcome has a mark of its own."""
    assert len(set(MARKS.values())) == len(MARKS)


@pytest.mark.parametrize(
    "path",
    [
        "/strategies/nobody",
        "/strategies/pulse?bot=nobody",
        "/strategies/..%2f..%2fetc",
        "/static/nothing",
        "/static/..%2fpage.py",
        "/nowhere",
    ],
)
def test_what_does_not_exist(client: Client, path: str) -> None:
    """A page that says so."""
    answer = client.ask(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_a_foreign_name_is_not_answered(client: Client) -> None:
    """Nor is the health check; a request without a name, as from within the container, is."""
    foreign = {"host": "evil.example"}
    assert client.ask("/", headers=foreign).status_code == 421
    assert client.ask("/api/status", headers=foreign).status_code == 421
    assert client.ask("/", headers={"host": "box.example"}).status_code == 200
    assert client.ask("/healthz", headers=foreign).status_code == 421
    assert client.ask("/healthz", headers={"host": ""}).status_code == 200


def test_the_health_check_measures_progress(client: Client) -> None:
    """A watch that stands still is not healthy, however well the page answers; and the page says that it is old."""
    answer = client.ask("/healthz")
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    assert "pulse" not in answer.text
    client.idle = 10.0
    assert client.ask("/healthz").status_code == 503
    assert "stands still: what you see is old" in client.ask("/").text


def test_the_health_check_covers_the_threads_of_the_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """While every thread waits for a disk that hangs, a page that answers nothing is not healthy."""
    monkeypatch.setattr(app, "THREAD_WITHIN", 0.2)
    hangs = threading.Event()

    async def hang() -> None:
        await anyio.to_thread.run_sync(hangs.wait)

    async def check() -> httpx.Response:
        threads = anyio.to_thread.current_default_thread_limiter()
        threads.total_tokens = 2
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(hang)
            while threads.available_tokens:
                await anyio.lowlevel.checkpoint()
            transport = httpx.ASGITransport(client.page.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as asking:
                answer = await asking.get("/healthz")
                hangs.set()
        return answer

    answer = asyncio.run(check())
    assert (answer.status_code, answer.json()["answers"]) == (503, False)


def test_before_the_first_judgement_nothing_is_claimed(world: World) -> None:
    """Not ready is not well."""
    client = Client(world)
    for path in ("/", "/strategies/pulse", "/api/status", "/api/slots?bot=pulse", "/api/bots", "/api/conditions"):
        assert client.ask(path).status_code == 503
    assert client.ask("/api/status").json()["ok"] is False
    assert "Reading the journals" in client.ask("/").text
    assert client.ask("/healthz").status_code == 200
    assert "openbell_ready 0" in client.ask("/metrics").text


def test_the_style_has_the_contrast_that_it_needs() -> None:
    """WCAG AA, 4.5 to 1, for every text colour on its paper, light and dark."""
    css = (STATIC / "page.css").read_text()
    themes = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", theme))
        papers = ("paper", "band", "desk")
        pairs = [(ink, paper) for ink in ("ink", "quiet", "link") for paper in papers]
        pairs += [(name, f"{name}-paper") for name in ("good", "bad", "warn", "calm", "busy", "alarm")]
        pairs += [("alarm", "paper"), ("paper", "link")]
        for ink, paper in pairs:
            light, dark = sorted((_luminance(colours[ink]), _luminance(colours[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


def _luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_run_has_a_page_of_its_own(client: Client) -> None:
    """Slot, timing, signals, decisions, errors and output of this run, and of no other; the list of runs leads there."""
    listed = client.ask("/strategies/pulse").text
    assert 'href="/strategies/pulse/runs/run-1"' in listed
    first, second = (client.ask(f"/strategies/pulse/runs/run-{number}").text for number in (1, 2))
    assert '<span class="badge succeeded">succeeded</span>' in first
    assert "&lt;b&gt;fell&lt;/b&gt;" in first
    assert "&lt;i&gt;looked&lt;/i&gt; at AAPL" in first
    assert "-0.01234567" in first
    assert "ValueError" not in first
    assert "ValueError: &lt;script&gt;alert(1)&lt;/script&gt;" in second
    assert "looked" not in second


@pytest.mark.parametrize("path", ["/strategies/pulse/runs/nope", "/strategies/nope/runs/run-1"])
def test_a_run_that_is_not_there_is_not_found(client: Client, path: str) -> None:
    """With a sentence that says why."""
    answer = client.ask(path)
    assert answer.status_code == 404
    assert "no such" in answer.text
