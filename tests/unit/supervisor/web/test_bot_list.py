"""The list of bots: search, filters, order and pages."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from openbell.supervisor.health.snapshot import BotView, StrategyView
from openbell.supervisor.model.records import Uptime, Worth
from openbell.supervisor.web.bot_list import MOST_ROWS, SORTS, Query, bot_list, found, tags
from tests.unit.supervisor.web.client import Client

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def bot(name: str, status: str = "up", *symbols: str, uptime: float | None = None, orders: int = 0) -> BotView:
    """Return a bot's view."""
    view = BotView(name, symbols or ("A",), "UTC", status, "", "", (), None, None, 0)
    return replace(view, uptime=Uptime(uptime, uptime, uptime), open_orders=orders)


def strategy(
    name: str, *bots: BotView, equity: float | None = None, tags: tuple[str, ...] = (), host: str = ""
) -> StrategyView:
    """Return a strategy's view."""
    worth = None if equity is None else Worth(AT, "USD", equity, -equity, None, None)
    return StrategyView(name, f"about {name}", "UTC", "up", "", "", "", (), bots, worth=worth, tags=tags, host=host)


VIEWS = (
    strategy(
        "trend", bot("t1", "up", "AAPL", uptime=0.5, orders=2), bot("t2", "down", "MSFT"), equity=5.0, tags=("us",)
    ),
    strategy(
        "pairs", bot("p1", "paused", "BTC/USDT", uptime=0.9), equity=7.0, tags=("crypto", "live"), host="frankfurt"
    ),
    strategy("broken"),
)


@pytest.mark.parametrize("query, names", [
    (Query(), ["t1", "t2", "p1", "broken"]),
    (Query(text="aapl"), ["t1"]),
    (Query(text="TREND msft"), ["t2"]),
    (Query(text="crypto"), ["p1"]),
    (Query(text="about"), ["t1", "t2", "p1", "broken"]),
    (Query(text="nothing like it"), []),
    (Query(status="down"), ["t2"]),
    (Query(strategy="trend"), ["t1", "t2"]),
    (Query(tag="live"), ["p1"]),
    (Query(tag="us", status="down"), ["t2"]),
    (Query(host="frankfurt"), ["p1"]),
    (Query(host="nowhere"), []),
    (Query(sort="bot"), ["broken", "p1", "t1", "t2"]),
    (Query(sort="-bot"), ["t2", "t1", "p1", "broken"]),
    (Query(sort="status"), ["t2", "p1", "t1", "broken"]),
    (Query(sort="-equity"), ["p1", "t1", "t2", "broken"]),
    (Query(sort="today"), ["p1", "t1", "t2", "broken"]),
    (Query(sort="90d"), ["t1", "p1", "t2", "broken"]),
    (Query(sort="-orders"), ["t1", "t2", "p1", "broken"]),
    (Query(sort="-equity", by_strategy=True), ["broken", "p1", "t1", "t2"]),
])  # fmt: skip
def test_a_query_finds(query: Query, names: list[str]) -> None:
    """Which bots, in which order; what is not known comes last, however it is sorted."""
    assert [row.name for row in found(VIEWS, query)] == names


@pytest.mark.parametrize("name", SORTS)
def test_every_column_sorts_what_is_not_known(name: str) -> None:
    """No column fails over bots of which nothing is known yet."""
    assert len(found(VIEWS, Query(sort=name))) == len(found(VIEWS, Query(sort=f"-{name}"))) == 4


def test_many_bots_have_pages() -> None:
    """Each bot is on exactly one; those that are down are on the first; a page that does not exist is the last."""
    many = [
        strategy(f"s{n}", *(bot(f"s{n}-{m}", "down" if (n, m) == (9, 9) else "up") for m in range(10)))
        for n in range(12)
    ]
    pages = [bot_list(many, Query(page=number)) for number in (1, 2, 3, 99)]
    assert [(one.page, one.pages, one.found) for one in pages] == [(n, 3, 120) for n in (1, 2, 3, 3)]
    assert pages[0].rows[0].name == "s9-9"
    names = [row.name for page in pages[:3] for row in page.rows]
    assert len(names) == len(set(names)) == 120
    assert max(len(page.rows) for page in pages) == MOST_ROWS


def test_tags_are_listed_once() -> None:
    """Sorted."""
    assert tags((*VIEWS, strategy("other", tags=("us",)))) == ["crypto", "live", "us"]


@pytest.mark.parametrize("query, link", [
    (Query(), "/"),
    (Query(text="a b&c", page=3), "/?q=a+b%26c"),
    (Query(status="down", by_strategy=True), "/?status=down&group=strategy"),
])  # fmt: skip
def test_a_link_keeps_what_was_asked(query: Query, link: str) -> None:
    """And begins at the first page."""
    assert query.link() == link
    assert Query(sort="bot").sort_link("bot") == "/?sort=-bot"
    assert Query(sort="-bot").sort_link("bot") == "/?sort=bot"
    assert Query(page=2).link(page=3) == "/?page=3"
    assert Query().sort_link("equity") == "/?sort=-equity"


def test_the_page_and_the_api_answer_a_query(client: Client) -> None:
    """A search, a filter without a value as forms send it, and a mistake in one line."""
    text = client.ask("/?q=aapl&status=&strategy=&sort=-equity&group=strategy").text
    assert 'id="bot-pulse"' in text
    assert "1 of 1 bots" in text
    assert "100,000" in text
    assert 'aria-sort="descending"' in text
    assert "No bot is like that." in client.ask("/?q=nothing").text
    (found_bot,) = client.ask("/api/bots?q=aapl&sort=-today").json()["bots"]
    assert found_bot["worth"]["equity"] == 100_000.0
    assert found_bot["uptime"] == {"days_7": 1 / 3, "days_30": 1 / 3, "days_90": 1 / 3}
    assert client.ask("/api/bots?tag=none").json() == {"total": 0, "bots": []}
    for path in ("/?sort=colour", "/api/bots?sort=colour", "/api/bots?status="):
        assert client.ask(path).status_code == 400


def test_what_an_account_has_gained(client: Client) -> None:
    """Since the day, the week and the first record began, and again after a restart."""
    world = client.world
    fields = {"bot": "pulse", "slot": world.now, "run_id": "r9", "attempt": 1}
    world.write("account", fields, broker="paper", cash=1.0, equity=100_250.5, currency="USD", positions={})
    world.at("12:03:30")
    worth = client.ask("/api/bots").json()["bots"][0]["worth"]
    assert (worth["today"], worth["week"], worth["start"]) == (250.5, 250.5, 250.5)
    assert '<span class="gain">+250.50</span>' in client.ask("/").text
    world.restart()
    assert world.see().strategies[0].worth is not None
    assert client.ask("/api/bots").json()["bots"][0]["worth"] == worth
