"""Equity, drawdown, positions, exposure, orders that wait and trades, on the page and for programs."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.supervisor.model.records import AccountRecord
from openbell.supervisor.web import money_routes
from openbell.supervisor.web.money_page import MoneyPage, exposure, money_page, positions, summed
from tests.unit.supervisor.web.client import Client

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def test_a_strategy_that_begins_later_is_no_gain() -> None:
    """Before its first point a line counts with that one."""
    first = [(AT, 100.0), (AT + 2 * MINUTE, 110.0)]
    second = [(AT + MINUTE, 50.0), (AT + 2 * MINUTE, 40.0)]
    assert summed([first, second], MINUTE) == [(AT, 150.0), (AT + MINUTE, 150.0), (AT + 2 * MINUTE, 150.0)]
    assert summed([first], MINUTE) == first


def test_a_sum_has_one_point_a_step_and_its_beginning() -> None:
    """However many lines there are, a year of days is a few hundred points."""
    lines = [[(AT + day * DAY + number * MINUTE, 10.0 + day) for day in range(3)] for number in range(4)]
    assert summed(lines, DAY) == [
        (AT, 40.0),
        (AT + 3 * MINUTE, 40.0),
        (AT + DAY + 3 * MINUTE, 44.0),
        (AT + 2 * DAY + 3 * MINUTE, 48.0),
    ]


def account(**held: dict[str, float]) -> AccountRecord:
    """Return an account."""
    return AccountRecord(AT, "b", "paper", 1.0, 1.0, "USD", held)


def test_positions_and_exposure() -> None:
    """Profit where prices are known; long and short of all strategies, the largest first."""
    one = positions(
        "one", account(AAPL={"qty": 2.0, "average_price": 10.0, "price": 11.0, "value": 22.0}, OLD={"qty": 0.0})
    )
    two = positions(
        "two", account(AAPL={"qty": -1.0, "average_price": 12.0, "price": 11.0, "value": -11.0}, X={"qty": 5.0})
    )
    assert [(held.symbol, held.profit, held.part) for held in one] == [("AAPL", 2.0, 0.1)]
    assert [(held.symbol, held.profit) for held in two] == [("AAPL", 1.0), ("X", None)]
    aapl, unknown = exposure([*one, *two])
    assert (aapl.symbol, aapl.long, aapl.short, aapl.net, aapl.strategies) == ("AAPL", 22.0, 11.0, 11.0, ("one", "two"))
    assert (unknown.symbol, unknown.net) == ("X", 0.0)
    assert positions("none", None) == []


@pytest.fixture
def traded(client: Client) -> Client:
    """A page over a world in which pulse has bought, sold with a loss, and waits with another order."""
    world = client.world
    for second, line in ((30, {"action": "buy", "filled_price": 10.0}), (40, {"action": "sell", "filled_price": 8.5})):
        world.now = world.slot("12:03:00").replace(second=second)
        fields = {"bot": "pulse", "slot": world.slot("12:03:00"), "run_id": "r3", "attempt": 1}
        sent = {
            "symbol": "AAPL",
            "qty": 2.0,
            "filled_qty": 2.0,
            "status": "filled",
            "fee": 0.25,
            "reason": "=it <moved>",
        }
        world.write("decision", fields, **(sent | line | {"client_order_id": f"o{second}"}))
    waits = {
        "action": "buy",
        "symbol": "MSFT",
        "qty": 4.0,
        "status": "accepted",
        "reason": "cheap",
        "client_order_id": "w",
    }
    world.write("decision", fields, **waits)
    for equity in (100_500.0, 99_000.0):
        held = {"AAPL": {"qty": 3.0, "average_price": 9.5, "price": 10.0, "value": 30.0}}
        world.write("account", fields, broker="paper", cash=1.0, equity=equity, currency="USD", positions=held)
        world.now += timedelta(seconds=1)
    world.at("12:03:55")
    return client


def test_the_page(traded: Client) -> None:
    """Of all strategies and of one."""
    for path in ("/money", "/money?strategy=pulse&range=day", "/money?range=all&q=moved"):
        text = traded.ask(path).text
        assert "99,000.00 USD" in text
        assert "1 in this range" in text
        assert '<span class="loss">\N{MINUS SIGN}3.50</span>' in text
        assert "=it &lt;moved&gt;" in text
        assert '<span class="gain">+1.50</span>' in text
        assert '<span class="badge late">accepted</span>' in text
        assert 'id="equity-1" data-label="Equity"' in text
    assert 'id="exposure"' in traded.ask("/money").text
    assert 'id="exposure"' not in traded.ask("/money?strategy=pulse").text
    assert "0 in this range" in traded.ask("/money?q=other").text
    assert traded.ask("/money?strategy=other").status_code == 404
    assert traded.ask("/money?range=century").status_code == 400


def test_the_same_for_programs(traded: Client) -> None:
    """Equity with its drawdown, trades, and the trades as CSV."""
    (curve,) = traded.ask("/api/equity?range=day").json()["curves"]
    assert curve["currency"] == "USD"
    newest = curve["points"][-1]
    assert newest["equity"] == 99_000.0
    assert newest["drawdown"] == pytest.approx(-1.0)
    answer = traded.ask("/api/trades?strategy=pulse&q=aapl").json()
    assert answer["total"] == 1
    assert answer["trades"][0]["result"] == pytest.approx(-3.5)
    assert answer["trades"][0]["costs"] == pytest.approx(0.5)
    table = traded.ask("/money/trades.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[1].startswith("pulse,pulse,AAPL,long,2.0,2026-11-20T12:03:30.000Z,10.0,'=it <moved>")
    assert traded.ask("/api/trades?range=").status_code == 400


def test_a_world_without_money(client: Client) -> None:
    """Before the first account and the first trade the page says so."""
    client.world.restart()
    client.world.strategy(
        "other",
        client.world.strategies.joinpath("pulse", "strategy.toml").read_text().replace("[[bot]]", '[[bot]]\nid = "o"'),
    )
    client.world.see()
    text = client.ask("/money?strategy=other").text
    assert "No run has reported yet what its account is worth." in text
    assert "0 in this range" in text
    assert client.ask("/api/equity?strategy=other").json() == {"curves": []}


def test_the_page_is_made_anew_only_when_something_changed(traded: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trades take long to find where there are many: readers who ask again get the same, until there is news."""
    made: list[str] = []

    def counted(*given: object) -> MoneyPage:
        made.append("made")
        return money_page(*given)  # type: ignore[arg-type] # what the route gives

    monkeypatch.setattr(money_routes, "money_page", counted)
    first = traded.ask("/money").text
    assert traded.ask("/money").text == first
    assert len(made) == 1
    traded.ask("/money?range=week")
    assert len(made) == 2
    traded.world.at("12:06:00")
    traded.ask("/money")
    assert len(made) == 3
