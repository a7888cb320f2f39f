"""Which conditions belong together."""

import pytest

from openbell.supervisor.alerts.grouping import ABSENCE, CANARY, CANARY_STRATEGY, IncidentIndex, cause_of
from openbell.supervisor.alerts.model import Incident
from openbell.supervisor.model.conditions import Condition
from tests.unit.supervisor.alerts.scenes import MINUTE, NOW, SECOND, condition, incident, member

REFUSED = (
    "slot 09:35:00 EST failed (3 in a row): ConnectionError: HTTPConnectionPool(host='api', port=443): <0x7f1a> refused"
)
REFUSED_TOO = "slot 14:35:00 UTC failed: ConnectionError: HTTPConnectionPool(host='api', port=443): <0x7f2b> refused"


UNAVAILABLE = (
    "slot 09:35 failed: HTTPError: 503 Server Error for url: https://api.exchange.com/v2/klines?symbol={}&limit=50"
)
SYMBOLS = {"a": ("MSFT", "BTC/USDT"), "b": ("ETH/USDT", "BRK.B")}
LINK = "For further information visit https://errors.example.com/v/value_error"


@pytest.mark.parametrize(
    "one,other",
    [
        (condition("a"), condition("b")),
        (condition("a"), condition("", "stalled", "other")),
        (condition("a", "stream_ended"), condition("b", "stream_silent", "other")),
        (condition("a", "failed", reason=REFUSED), condition("b", "failed", reason=REFUSED_TOO)),
        (
            condition("", "cannot_start", reason="cannot start: ImportError: no numpy (last tried 09:35:00 EST)"),
            condition(
                "", "cannot_start", "other", reason="cannot start: ImportError: no numpy (last tried 14:35:07 UTC)"
            ),
        ),
        (condition("", "volume_full", ""), condition("", "volume_full", "", reason="2 % left")),
        (
            condition("aapl", "failed", reason=UNAVAILABLE.format("AAPL")),
            condition("btc", "failed", reason=UNAVAILABLE.format("BTC/USDT")),
        ),
        (
            condition("a", "failed", reason="slot 09:35 failed: KeyError: 'MSFT'"),
            condition("b", "failed", reason="slot 09:36 failed: KeyError: 'BRK.B'"),
        ),
        (
            condition("a", "failed", reason="slot 09:35 failed: BadSymbol: no market btcusdt, MSFT given"),
            condition("b", "failed", reason="slot 09:36 failed: BadSymbol: no market ETH-USDT, brk-b given"),
        ),
        (
            condition("fast-1", "failed", reason="slot 09:35 failed: ValueError: no state of fast-1"),
            condition("slow", "failed", reason="slot 09:36 failed: ValueError: no state of slow"),
        ),
    ],
)
def test_one_cause(one: Condition, other: Condition) -> None:
    """What one thing brings about has one cause, whatever numbers differ."""
    assert cause_of(one, SYMBOLS.get(one.bot, ())) == cause_of(other, SYMBOLS.get(other.bot, ()))


@pytest.mark.parametrize(
    "one,other",
    [
        (condition("a", "failed", reason=REFUSED), condition("b", "failed", reason="KeyError: 'AAPL'")),
        (condition("a", "failed", reason=REFUSED), condition("b", "timed_out", reason=REFUSED)),
        (condition("a"), condition("b", "failed")),
        (
            condition("a", "failed", reason=f"slot 09:35 failed: ValueError: no bars | {LINK}"),
            condition("b", "failed", reason=f"slot 09:35 failed: ValueError: no cash | {LINK}"),
        ),
        (
            condition("a", "failed", reason="slot 09:35 failed: KeyError: 'RSI'"),
            condition("b", "failed", reason="slot 09:35 failed: KeyError: 'MACD'"),
        ),
        (
            condition("a", "failed", reason="slot 09:35 failed: OrderRejected: INSUFFICIENT_FUNDS"),
            condition("b", "failed", reason="slot 09:35 failed: OrderRejected: MARKET_CLOSED"),
        ),
        (
            condition("a", "failed", reason="slot 09:35 failed: KeyError: 'MSFT'"),
            condition("b", "failed", reason="slot 09:35 failed: KeyError: 'AAPL'"),  # none of its own
        ),
        (condition("a"), condition("feed", "stream_ended", "other")),
        (condition("", "stopped"), condition("b", "hung", "other")),
        (condition("a"), condition("", "volume_full", "")),
        (condition("a"), condition("canary", strategy=CANARY_STRATEGY)),
    ],
)
def test_two_causes(one: Condition, other: Condition) -> None:
    """What is different is not thrown together."""
    assert cause_of(one, SYMBOLS.get(one.bot, ())) != cause_of(other, SYMBOLS.get(other.bot, ()))


def test_twenty_bots_with_one_error_each_of_its_own_symbol_are_one_incident() -> None:
    """The symbols come from what is watched (W24)."""
    symbols = {("fund", "a"): ("MSFT",), ("fund", "b"): ("BRK.B",)}
    index = IncidentIndex([], NOW, symbols)
    first = condition("a", "failed", reason="slot 09:35 failed: ValueError: no bars of MSFT")
    index.add(7, index.cause_of(first))
    assert index.find(condition("b", "failed", reason="slot 09:35 failed: ValueError: no bars of BRK.B")) == 7


OUTAGE = incident(member("a"))
ERROR = incident(member("a", "failed"), cause=cause_of(condition("a", "failed")))


@pytest.mark.parametrize(
    "new,there,joins",
    [
        (condition("b"), OUTAGE, True),
        (condition("", "stopped", "other"), OUTAGE, True),
        (condition("b", strategy="other"), incident(member("a"), joined_at=NOW - 3 * MINUTE), False),
        (condition("b", "failed"), ERROR, True),
        (
            condition("b", "failed"),
            incident(member("a", "failed"), cause=ERROR.cause, joined_at=NOW - 99 * MINUTE),
            True,
        ),
        (condition("b", "failed", reason="KeyError"), ERROR, False),
        (condition("a", "interrupted"), incident(member("", "stalled"), joined_at=NOW - 99 * MINUTE), True),
        (condition("a", "failed"), incident(member("", "stalled", closed=SECOND), joined_at=NOW - 99 * MINUTE), False),
        (condition("a"), incident(member("a", closed=SECOND, told=True), joined_at=NOW - 99 * MINUTE), True),
        (condition("a", "failed"), incident(cause=ABSENCE, hold_until=NOW + SECOND), True),
        (condition("a", "failed"), incident(cause=ABSENCE, hold_until=NOW), False),
        (condition("canary", strategy=CANARY_STRATEGY), incident(cause=CANARY), False),
        (condition("canary", strategy=CANARY_STRATEGY), OUTAGE, False),
    ],
)
def test_a_new_condition_joins_what_explains_it(new: Condition, there: Incident, *, joins: bool) -> None:
    """It joins an incident of its cause, of its strategy's dead loop, or of the supervisor's own absence; an old outage is over for it."""
    assert (IncidentIndex([there], NOW).find(new) == there.id) is joins
