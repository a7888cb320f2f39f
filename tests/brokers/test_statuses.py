"""What venues say of an order: every status of both libraries has a meaning, and nothing is final while it can still fill."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openbell.trading.brokers import FINAL, alpaca_answers, exchange_answers
from openbell.trading.brokers import alpaca as alpaca_broker
from openbell.trading.markets import exchange as exchange_market
from openbell.trading.run_services import RunServices
from openbell.trading.venues import MissingError, RefusedError, VenueError
from openbell.trading.venues import alpaca as alpaca_venue
from openbell.trading.venues import exchange as exchange_venue

ORDER = {
    "id": "o-1",
    "client_order_id": "ob-1",
    "symbol": "AAPL",
    "side": "buy",
    "qty": "10",
    "filled_qty": "0",
    "filled_avg_price": None,
    "created_at": "2026-03-02T14:35:00Z",
    "time_in_force": "day",
}


def placed(**fields: object) -> Any:
    """Return what the broker makes of an answer of Alpaca's."""
    return alpaca_answers.placed_of({**ORDER, **fields})


def test_every_status_of_alpacas_library_has_a_meaning() -> None:
    """A new one in the library's enum must be thought about."""
    from alpaca.trading.enums import OrderStatus  # noqa: PLC0415 - a heavy import

    assert set(alpaca_answers.STATUS) == {status.value for status in OrderStatus}
    final = {name for name, meaning in alpaca_answers.STATUS.items() if meaning in FINAL}
    assert final == {"filled", "canceled", "expired", "rejected"}


def test_every_status_of_ccxt_has_a_meaning() -> None:
    """All that the two exchanges' answers become in the library, from their own words."""
    words = (
        [
            "NEW",
            "PARTIALLY_FILLED",
            "ACCEPTED",
            "FILLED",
            "CANCELED",
            "PENDING_CANCEL",
            "REJECTED",
            "EXPIRED",
            "EXPIRED_IN_MATCH",
        ],
        ["pending", "open", "pending_new", "new", "partially_filled", "filled", "closed", "canceled", "expired"],
    )
    for name, said in zip(("binance", "kraken"), words, strict=True):
        exchange = exchange_venue.load(name)()
        assert {exchange.parse_order_status(word) for word in said} <= set(exchange_answers.STATUS)


@pytest.mark.parametrize("status, meaning", [
    ("suspended", "suspended"),
    ("held", "held"),
    ("pending_cancel", "pending_cancel"),
    ("stopped", "accepted"),
    ("calculated", "accepted"),
    ("done_for_day", "expired"),
    ("a status of tomorrow", "accepted"),
])  # fmt: skip
def test_an_order_that_may_still_fill_is_open(status: str, meaning: str) -> None:
    """A suspended order with 3 of 10 filled trades again, and its last 7 must be seen (T21); a day order's day ends."""
    order = placed(status=status, filled_qty="3", filled_avg_price="100")
    assert (order.status, order.filled_quantity) == (meaning, 3.0)


def test_an_order_for_longer_than_a_day_comes_back_tomorrow() -> None:
    """Done for the day is the end of a day order only."""
    assert placed(status="done_for_day", time_in_force="gtc").status == "accepted"


def test_a_replaced_order_goes_on_as_its_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What both have filled is the order's, under the id that we know (T22)."""
    successor = {**ORDER, "id": "o-2", "client_order_id": "theirs", "qty": "7", "filled_qty": "7"}
    successor |= {"filled_avg_price": "110", "status": "filled"}
    broker = alpaca_broker.AlpacaBroker(RunServices(), None)  # type: ignore[arg-type]
    monkeypatch.setattr(broker, "_ask", lambda question: successor)
    first = {
        **ORDER,
        "qty": "3",
        "status": "replaced",
        "replaced_by": "o-2",
        "filled_qty": "3",
        "filled_avg_price": "100",
    }
    order = broker._followed(first, "ob-1")
    assert (order.order_id, order.client_order_id, order.status) == ("o-2", "ob-1", "filled")
    assert (order.quantity, order.filled_quantity, order.filled_price) == (10.0, 10.0, 107.0)


def test_parts_of_a_replaced_order_add_up_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.1 and 0.2 of 0.3 are all of it: nothing is left, and nothing is too much."""
    successor = {**ORDER, "id": "o-2", "qty": "0.2", "filled_qty": "0.2", "filled_avg_price": "1", "status": "filled"}
    broker = alpaca_broker.AlpacaBroker(RunServices(), None)  # type: ignore[arg-type]
    monkeypatch.setattr(broker, "_ask", lambda question: successor)
    first = {**ORDER, "status": "replaced", "replaced_by": "o-2", "filled_qty": "0.1", "filled_avg_price": "1"}
    order = broker._followed(first, "ob-1")
    assert (order.quantity, order.filled_quantity) == (0.3, 0.3)


@pytest.mark.parametrize("status, text, kind", [
    (403, '{"message": "forbidden."}', VenueError),
    (401, '{"code": 40110000, "message": "request is not authorized"}', VenueError),
    (403, '{"code": 40310000, "message": "insufficient buying power"}', RefusedError),
    (403, '{"code": 40310000, "message": "potential wash trade detected"}', RefusedError),
    (422, '{"code": 42210000, "message": "asset FB is not active"}', RefusedError),
    (404, '{"code": 40410000, "message": "order not found"}', MissingError),
])  # fmt: skip
def test_wrong_keys_are_no_rejection(status: int, text: str, kind: type[VenueError]) -> None:
    """A 403 without a code is about the keys: the run fails and says so, and no order is remembered as rejected (T15)."""
    from alpaca.common.exceptions import APIError  # noqa: PLC0415 - a heavy import

    class Answer:
        status_code = status
        headers: dict[str, str] = {}  # noqa: RUF012 - never changed

    class Failure:
        response = Answer()

    told = alpaca_venue.translate(APIError(text, Failure()))  # type: ignore[no-untyped-call]
    assert type(told) is kind
    assert ("check ALPACA_API_KEY" in str(told)) is (kind is VenueError)


class _Client:
    """An exchange that gives the oldest 100 bars of those that it is asked for, as OKX does with older ones."""

    def __init__(self, opened: Iterable[int]) -> None:
        self.rows = [[at, 1.0, 1.0, 1.0, 1.0, 1.0] for at in opened]
        self.asked = 0

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[float]]:
        """Return one page."""
        self.asked += 1
        until = since + 60_000 * min(limit, 100)
        return [row for row in self.rows if since <= row[0] < until]


class _Venue:
    def __init__(self, client: _Client) -> None:
        self.client = client
        self.calls = self

    def ask(self, question: Any) -> Any:
        """Ask."""
        return question()


FIRST = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize("minutes", [
    pytest.param([*range(502)], id="without a hole"),
    pytest.param([*range(3), *range(450, 502)], id="a pause of trading that is longer than a page"),
    pytest.param([*range(400, 502)], id="a symbol that is younger than what is asked for"),
])  # fmt: skip
def test_bars_beyond_a_page_are_the_newest(minutes: list[int]) -> None:
    """Five hundred bars are asked for, and the last one is the last (T20), also behind a page without any."""
    client = _Client(round(FIRST.timestamp() * 1000) + 60_000 * minute for minute in minutes)
    market = exchange_market.ExchangeMarket("okx", RunServices())
    rows = market._rows(_Venue(client), "BTC/USDT", "1m", FIRST, FIRST + timedelta(minutes=501))  # type: ignore[arg-type]
    assert rows == client.rows
    assert client.asked <= 7


def test_a_candle_without_figures_has_none() -> None:
    """What is missing is not a number: never a price of zero (T8)."""
    bar = exchange_market._bar([1_000_000_000_000, None, None, None, None, None], timedelta(minutes=1))
    assert all(figure != figure for figure in bar[1:])  # noqa: PLR0124 - that is what NaN is


@pytest.mark.parametrize("total, currency, amount", [
    ({"BTC": 0.02}, "BTC", 0.02),
    ({"XBT.F": 0.02}, "BTC", 0.02),
    ({"BTC.F": 0.01, "BTC": 0.01}, "BTC", 0.02),
    ({"ETH.S": 1.0, "ETH2.S": 5.0}, "ETH", 1.0),
    ({"USD": 10.0, "USD.M": 5.0, "USDT": 7.0}, "USD", 15.0),
    ({}, "BTC", 0.0),
])  # fmt: skip
def test_what_earns_or_is_staked_is_held_too(total: dict[str, float], currency: str, amount: float) -> None:
    """Kraken names it XBT.F, ETH.S and the like (T4)."""
    assert exchange_answers.amount_of(total, currency) == pytest.approx(amount)
