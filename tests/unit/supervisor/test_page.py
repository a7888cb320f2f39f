"""The page and the API, asked as a browser and a program ask them."""

import asyncio
import re
import sqlite3
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import pytest

from openbell.supervisor.guard import HEADERS
from openbell.supervisor.page import _FOLDER, _MARKS, Page
from tests.unit.supervisor.world import World


class Client:
    """Asks a page without a network."""

    def __init__(self, world: World) -> None:
        self.idle = 0.5
        self.world = world
        self.page = Page(
            lambda: world.watch.snapshot, lambda: self.idle, lambda: world.now, world.file, ("box.example",)
        )

    def ask(self, path: str, method: str = "GET", host: str = "127.0.0.1:8080") -> httpx.Response:
        """Return the answer to one request."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.page.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
                return await client.request(method, path, headers={"host": host})

        return asyncio.run(ask())


@pytest.fixture
def client(started: World) -> Client:
    """A page over a world in which pulse has run once, failed once, and was missed once."""
    started.at("12:01:00")
    run_id = started.run(started.now, outcome=None)
    fields = {"bot": "pulse", "slot": started.now, "run_id": run_id, "attempt": 1}
    started.write(
        "decision",
        fields,
        symbol="AAPL",
        action="buy",
        reason="<b>fell</b>",
        signal=-0.01234567,
        qty=3,
        source="sample",
    )
    started.write("run_end", fields, outcome="succeeded", tick_duration_ms=12.5, orders=1, trigger="loop")
    started.at("12:02:00")
    run_id = started.run(started.now, outcome=None)
    fields |= {"slot": started.now, "run_id": run_id}
    started.write(
        "error",
        fields,
        error="ValueError: <script>alert(1)</script>",
        traceback="Traceback\n  line",
        will_retry=False,
    )
    started.write("run_end", fields, outcome="failed", tick_duration_ms=12.5, orders=0, trigger="loop")
    started.at("12:03:25")
    return Client(started)


def test_the_overview(client: Client) -> None:
    """Headline, bot, status with reason, cells with titles, last decision, next slot."""
    answer = client.ask("/")
    assert answer.status_code == 200
    text = answer.text
    assert "1 bot down: pulse" in text
    assert 'class="wrong"' in text
    assert '<span class="badge down">down</span>' in text
    assert "slot 12:03:00 UTC missed: nothing in the journal" in text
    assert 'title="Fri 20 Nov 12:01:00 UTC: succeeded, started 0.0 ms after its slot, took 12 ms"' in text
    assert "Fri 20 Nov 12:03:00 UTC: missed, nothing in the journal" in text
    assert "AAPL: <b>buy</b>" in text
    assert '<time datetime="2026-11-20T12:04:00.000Z">Fri 20 Nov 12:04:00 UTC</time>' in text


def test_what_strategies_write_is_text(client: Client) -> None:
    """Never markup."""
    for path in ("/", "/strategies/pulse"):
        text = client.ask(path).text
        assert "<script>alert" not in text
        assert "<b>fell" not in text
    assert "&lt;b&gt;fell&lt;/b&gt;" in client.ask("/").text


def test_the_page_of_a_strategy(client: Client) -> None:
    """Runs, decisions with reasons, errors with tracebacks, what happened to its loop."""
    text = client.ask("/strategies/pulse").text
    assert "signal -0.0123457, source sample" in text
    assert "Traceback\n  line" in text
    assert "service start: abc" in text
    assert '<span class="badge failed">failed</span>' in text


def test_the_page_of_a_broken_strategy(client: Client) -> None:
    """Every problem of its manifest."""
    client.world.restart()
    client.world.strategy("broken", 'timezone = "Mars/Base"\nwhat = 1\n')
    client.world.see()
    text = client.ask("/strategies/broken").text
    assert text.count("broken/strategy.toml:") >= 3
    assert "cannot start" in client.ask("/").text


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

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")


@pytest.mark.parametrize("path", ["/", "/strategies/pulse", "/nowhere"])
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


@pytest.mark.parametrize("path", ["/", "/api/status", "/static/page.css", "/healthz", "/nowhere", "/api/nothing"])
def test_every_answer_carries_the_headers(client: Client, path: str) -> None:
    """Errors too."""
    answer = client.ask(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value


def test_colours_are_not_the_only_sign() -> None:
    """Each outcome has a mark of its own."""
    assert len(set(_MARKS.values())) == len(_MARKS)


def test_the_api_says_the_same(client: Client) -> None:
    """The snapshot as JSON."""
    answer = client.ask("/api/status").json()
    assert (answer["ok"], answer["headline"], answer["now"]) == (False, "1 bot down: pulse", "2026-11-20T12:03:25.000Z")
    (strategy,) = answer["strategies"]
    assert (strategy["name"], strategy["timezone"], strategy["status"], strategy["release"]) == (
        "pulse",
        "UTC",
        "up",
        "abc",
    )
    (bot,) = strategy["bots"]
    assert (bot["id"], bot["symbols"], bot["status"], bot["missed_today"]) == ("pulse", ["AAPL"], "down", 1)
    assert (bot["last_slot"], bot["last_outcome"]) == ("2026-11-20T12:03:00.000Z", "missed")
    assert bot["next_slot"] == "2026-11-20T12:04:00.000Z"
    assert bot["last_decision"]["action"] == "buy"


def test_the_ledger_of_slots(client: Client) -> None:
    """Newest first, as many as asked for."""
    answer = client.ask("/api/slots?bot=pulse").json()
    assert [slot["outcome"] for slot in answer["slots"]] == ["missed", "failed", "succeeded"]
    assert answer["slots"][1]["error"] == "ValueError: <script>alert(1)</script>"
    assert len(client.ask("/api/slots?bot=pulse&limit=1").json()["slots"]) == 1


@pytest.mark.parametrize(
    "path, method, status, error",
    [
        ("/api/slots", "GET", 400, "bot is missing"),
        ("/api/slots?bot=nobody", "GET", 404, "there is no bot nobody"),
        ("/api/slots?bot=pulse&limit=0", "GET", 400, "from 1 to 1000"),
        ("/api/slots?bot=pulse&limit=-1", "GET", 400, "from 1 to 1000"),
        ("/api/slots?bot=pulse&limit=٣", "GET", 400, "from 1 to 1000"),
        ("/api/slots?bot=pulse&limit=" + "9" * 5000, "GET", 400, "from 1 to 1000"),
        ("/api/nothing", "GET", 404, "Not Found"),
        ("/api/status", "POST", 405, "Method Not Allowed"),
        ("/api/status", "DELETE", 405, "Method Not Allowed"),
    ],
)
def test_errors_of_the_api_are_json(client: Client, path: str, method: str, status: int, error: str) -> None:
    """One clear line."""
    answer = client.ask(path, method)
    assert answer.status_code == status
    assert error in answer.json()["error"]


@pytest.mark.parametrize(
    "path", ["/strategies/nobody", "/strategies/..%2f..%2fetc", "/static/nothing", "/static/..%2fpage.py", "/nowhere"]
)
def test_what_does_not_exist(client: Client, path: str) -> None:
    """A page that says so."""
    answer = client.ask(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_a_foreign_name_is_not_answered(client: Client) -> None:
    """Except for the health check, which says nothing."""
    assert client.ask("/", host="evil.example").status_code == 421
    assert client.ask("/api/status", host="evil.example").status_code == 421
    assert client.ask("/", host="box.example").status_code == 200
    assert client.ask("/healthz", host="evil.example").status_code == 200


def test_the_health_check_measures_progress(client: Client) -> None:
    """A watch that stands still is not healthy, however well the page answers."""
    assert client.ask("/healthz").status_code == 200
    client.idle = 10.0
    assert client.ask("/healthz").status_code == 503


def test_before_the_first_judgement_nothing_is_claimed(world: World) -> None:
    """Not ready is not well."""
    client = Client(world)
    for path in ("/", "/strategies/pulse", "/api/status", "/api/slots?bot=pulse"):
        assert client.ask(path).status_code == 503
    assert client.ask("/api/status").json()["ok"] is False
    assert "Reading the journals" in client.ask("/").text
    assert client.ask("/healthz").status_code == 200


def test_the_overview_is_made_anew_only_when_something_changed(client: Client) -> None:
    """With many bots and many readers that matters."""
    first = client.page._overview
    client.ask("/")
    made = client.page._overview
    client.world.now += timedelta(seconds=1)
    client.world.see()
    client.ask("/")
    assert first is None
    assert client.page._overview is made
    client.world.at("12:04:30")
    client.ask("/")
    assert client.page._overview is not made


def test_records_that_cannot_be_read_are_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The overview lives on."""

    def fail(*_: object, **__: object) -> None:
        msg = "disk I/O error"
        raise sqlite3.OperationalError(msg)

    monkeypatch.setattr("openbell.supervisor.store.Store.recent_slots", fail)
    monkeypatch.setattr("openbell.supervisor.store.Store.recent_runs", fail)
    answer = client.ask("/api/slots?bot=pulse")
    assert (answer.status_code, answer.json()["error"]) == (
        503,
        "The supervisor's records cannot be read: disk I/O error",
    )
    assert "disk I/O error" in client.ask("/strategies/pulse").text
    assert client.ask("/").status_code == 200


def test_the_style_has_the_contrast_that_it_needs() -> None:
    """WCAG AA, 4.5 to 1, for every text colour on its paper, light and dark."""
    css = (_FOLDER / "static" / "page.css").read_text()
    themes = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", theme))
        pairs = [("ink", "paper"), ("quiet", "paper"), ("link", "paper"), ("link", "band"), ("ink", "band")]
        pairs += [(name, f"{name}-paper") for name in ("good", "bad", "warn", "calm", "busy")]
        for ink, paper in pairs:
            light, dark = sorted((_luminance(colours[ink]), _luminance(colours[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


def _luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
