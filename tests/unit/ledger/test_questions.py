"""What the ledger answers, method by method, and what each write leaves beside what it was for."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.ledger import Claim, EpochLostError, Ledger, OrderRecord
from openbell.order_terms import Terms

SLOT = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CLAIM = Claim("b", SLOT, "r1", 1, "loop", SLOT + MINUTE)
ORDER = OrderRecord("ob-1", "b", SLOT, "AAPL", "buy", "", 2.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as one:
        yield one


def claim(minute: int, bot: str = "b", trigger: str = "loop") -> Claim:
    """Return a claim of a slot."""
    return Claim(bot, SLOT + minute * MINUTE, f"{bot}{minute}", 1, trigger, SLOT)


def test_the_claimed_slots_of_a_time(ledger: Ledger) -> None:
    """Both ends are part of it; other bots' slots are not."""
    ledger.claim([claim(minute) for minute in (3, 0, 1, 2)] + [claim(1, "c")])
    assert ledger.claimed_slots("b", SLOT + MINUTE, SLOT + 2 * MINUTE) == [SLOT + MINUTE, SLOT + 2 * MINUTE]
    assert ledger.claimed_slots("d", SLOT, SLOT + 9 * MINUTE) == []


def test_the_newest_claim(ledger: Ledger) -> None:
    """Not later than an instant, of this bot, and of a run for a slot of the schedule."""
    assert ledger.newest_claim("b", SLOT) is None
    ledger.claim([claim(0), claim(2), claim(5), claim(1, "c"), claim(3, trigger="manual"), claim(4, trigger="stream")])
    assert ledger.newest_claim("b", SLOT + 4 * MINUTE) == SLOT + 2 * MINUTE
    assert ledger.newest_claim("b", SLOT + 5 * MINUTE) == SLOT + 5 * MINUTE
    assert ledger.newest_claim("b", SLOT - MINUTE) is None


def test_the_outcome_of_a_slot(ledger: Ledger) -> None:
    """None before it is claimed, running until it has ended."""
    assert ledger.outcome_of("b", SLOT) is None
    ledger.claim([CLAIM])
    assert ledger.outcome_of("b", SLOT) == "running"
    ledger.finish([(CLAIM, "failed")])
    assert ledger.outcome_of("b", SLOT) == "failed"
    assert ledger.outcome_of("b", SLOT + MINUTE) is None


def test_a_clock_that_was_ahead_is_taken_back(ledger: Ledger) -> None:
    """Only what is accounted for beyond the instant, and only of that bot."""
    ledger.account([("b", SLOT + MINUTE), ("c", SLOT + MINUTE), ("d", SLOT - MINUTE)])
    ledger.account_back([("b", SLOT), ("d", SLOT)])
    assert [ledger.accounted_until(bot) for bot in "bcd"] == [SLOT, SLOT + MINUTE, SLOT - MINUTE]


def test_open_claims_are_whole(ledger: Ledger) -> None:
    """In the order of their slots, without those that have ended."""
    later = claim(2, "c")
    ledger.claim([later, CLAIM, claim(1, "d")])
    ledger.finish([(claim(1, "d"), "succeeded")])
    assert ledger.open_claims() == [CLAIM, later]


def test_the_next_attempt_follows_the_one_before(ledger: Ledger) -> None:
    """Told twice it is the same; another run's, or one that another has overtaken, is lost."""
    ledger.claim([CLAIM])
    second = replace(CLAIM, attempt=2)
    ledger.next_attempt(second)
    ledger.next_attempt(second)
    assert ledger.open_claims() == [second]
    ledger.next_attempt(replace(CLAIM, attempt=3))
    for lost in (second, replace(CLAIM, run_id="r2", attempt=4), replace(CLAIM, attempt=5)):
        with pytest.raises(EpochLostError, match=f"run {lost.run_id} of b goes on elsewhere"):
            ledger.next_attempt(lost)
    ledger.finish([(replace(CLAIM, attempt=3), "succeeded")])
    with pytest.raises(EpochLostError, match="goes on elsewhere"):
        ledger.next_attempt(replace(CLAIM, attempt=4))
    ledger.next_attempt(claim(9))  # without a claim there is no other attempt


def test_what_is_told_under_a_claim(ledger: Ledger) -> None:
    """It is told while the attempt is the newest, and not afterwards; what fails undoes the step."""
    told: list[int] = []
    ledger.claim([CLAIM])
    ledger.tell_if_owned(CLAIM, lambda: told.append(1))
    ledger.tell_if_owned(claim(9), lambda: told.append(2))
    ledger.next_attempt(replace(CLAIM, attempt=2))
    with pytest.raises(EpochLostError, match="run r1 of b goes on elsewhere"):
        ledger.tell_if_owned(CLAIM, lambda: told.append(3))
    assert told == [1, 2]


def test_the_state_of_a_stream(ledger: Ledger) -> None:
    """It replaces what was there of the bot, and completes no run."""
    ledger.claim([CLAIM])
    ledger.keep_state("b", {"a": 1, "c": [2]})
    ledger.keep_state("c", {"d": None})
    ledger.keep_state("b", {"e": "f"})
    assert (ledger.state("b"), ledger.state("c"), ledger.state("d")) == ({"e": "f"}, {"d": None}, {})
    assert not ledger.is_completed("b", SLOT)
    with pytest.raises(ValueError, match="JSON"):
        ledger.keep_state("b", {"e": float("nan")})
    assert ledger.state("b") == {"e": "f"}


def test_an_order_that_is_amended(ledger: Ledger) -> None:
    """Another quantity and other terms, whether it had some before or none; no other order changes."""
    ledger.intend(ORDER, SLOT)
    ledger.intend(replace(ORDER, client_order_id="ob-2"), SLOT)
    for quantity, terms in ((3.0, Terms(limit=5.0)), (4.0, Terms(stop=6.0))):
        ledger.amend("ob-1", quantity, terms)
        one, other = ledger.order("ob-1"), ledger.order("ob-2")
        assert one is not None
        assert other is not None
        assert (one.quantity, one.terms) == (quantity, terms)
        assert (other.quantity, other.terms) == (2.0, Terms())


def test_orders_sent_since(ledger: Ledger) -> None:
    """From the instant on; neither what never arrived, nor what is about to be sent and named."""
    for name, minute in (("ob-1", 0), ("ob-2", 1), ("ob-3", 2), ("ob-4", 2)):
        ledger.intend(replace(ORDER, client_order_id=name), SLOT + minute * MINUTE)
    assert ledger.sent_since(SLOT + MINUTE) == 3
    assert ledger.sent_since(SLOT + MINUTE, without=("ob-2", "ob-3")) == 1
    ledger.settle("ob-3", "accepted", "3")
    assert ledger.sent_since(SLOT + MINUTE, without=("ob-2", "ob-3")) == 2
    ledger.settle("ob-4", "lost", "")
    ledger.settle("ob-2", "refused", "")
    assert ledger.sent_since(SLOT) == 2


def test_what_is_adopted_gives_up_orders_of_unknown_fate(ledger: Ledger) -> None:
    """Those that are named and still uncertain, with the reason; the others wait on."""
    for name in ("ob-1", "ob-2", "ob-3"):
        ledger.intend(replace(ORDER, client_order_id=name), SLOT)
    ledger.settle("ob-1", "uncertain", "")
    ledger.settle("ob-2", "uncertain", "")
    ledger.settle("ob-3", "accepted", "3")
    ledger.hold({"AAPL": 3.0}, SLOT + MINUTE, ["ob-1"], "given up")
    told = [(one.status, one.reason) for one in map(ledger.order, ("ob-1", "ob-2", "ob-3")) if one is not None]
    assert told == [("lost", "given up"), ("uncertain", ""), ("accepted", "")]
    assert ledger.holdings() == {"AAPL": 3.0}
    position = ledger.position("b", "AAPL", takes=True)
    assert (position.quantity, position.since) == (Decimal("3.0"), SLOT + MINUTE)


def test_a_new_name_takes_over_all_that_there_is(ledger: Ledger) -> None:
    """Quantity, cost and beginning are added to what is held under it; nothing is left under the old one."""
    for number, (symbol, quantity, minute) in enumerate((("OLD", 2.0, 0), ("NEW", 3.0, 5), ("ELSE", 1.0, 0))):
        name = f"ob-{number}"
        ledger.intend(replace(ORDER, client_order_id=name, symbol=symbol, quantity=quantity), SLOT)
        ledger.settle(name, "filled", name, quantity, 10.0, now=SLOT + minute * MINUTE)
    assert ledger.rename("OLD", "NEW", "event")
    assert not ledger.rename("OLD", "NEW", "event")
    assert ledger.holdings() == {"ELSE": 1.0, "NEW": 5.0}
    old, new = ledger.position("b", "OLD"), ledger.position("b", "NEW")
    assert (old.quantity, old.cost, old.since) == (Decimal(0), Decimal(0), None)
    assert (new.quantity, new.cost, new.since) == (Decimal(5), Decimal(50), SLOT)


def test_a_split_touches_one_symbol(ledger: Ledger) -> None:
    """Once for an event; what it cost stays."""
    for name, symbol in (("ob-1", "AAPL"), ("ob-2", "IBM")):
        ledger.intend(replace(ORDER, client_order_id=name, symbol=symbol), SLOT)
        ledger.settle(name, "filled", name, 2.0, 10.0, now=SLOT)
    assert ledger.split("AAPL", Decimal(10), "event")
    assert not ledger.split("AAPL", Decimal(10), "event")
    assert ledger.holdings() == {"AAPL": 20.0, "IBM": 2.0}
    assert [(one.quantity, one.cost) for one in ledger.positions()] == [
        (Decimal(20), Decimal(20)),
        (Decimal(2), Decimal(20)),
    ]
    assert ledger.split("AAPL", Decimal("0.5"), "another event")
    assert ledger.holdings()["AAPL"] == 10.0


def test_fees_and_money(ledger: Ledger) -> None:
    """A fee in the coin is not held, one in the quote currency is paid, each once whatever the answers repeat."""
    coins = replace(ORDER, symbol="BTC/USD")
    ledger.intend(coins, SLOT)
    ledger.settle("ob-1", "partially_filled", "1", 1.0, 100.0, fee=0.01, now=SLOT)
    ledger.settle("ob-1", "filled", "1", 2.0, 110.0, fee=0.01, fee_paid=0.5, now=SLOT)
    ledger.settle("ob-1", "filled", "1", 2.0, 110.0, fee=0.01, fee_paid=0.5, now=SLOT)
    position = ledger.position("b", "BTC/USD")
    assert (position.quantity, position.cost) == (Decimal("1.99"), Decimal("220.5"))
    assert ledger.flows() == {"USD": Decimal("-220.5")}
    ledger.intend(replace(coins, client_order_id="ob-2", side="sell"), SLOT)
    ledger.settle("ob-2", "filled", "2", 1.5, 120.0, fee_paid=1.0, now=SLOT)
    assert ledger.flows() == {"USD": Decimal("-41.5")}
    assert ledger.holdings() == {"BTC/USD": pytest.approx(0.49)}
