"""An order of unknown fate: it stops new exposure in its symbol, until a person adopts what is held."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from openbell.ledger import Ledger
from openbell.trading import reconciliation
from openbell.trading.reconciliation import adopt
from tests.order_attempts import QUANTITY, SYMBOL, Attempts, Steps
from tests.venue_model import FORGETS, ModelBroker


@pytest.fixture
def attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attempts:
    """A run whose purchase has filled at a venue that forgets ids, and whose answer was lost."""
    monkeypatch.setattr(reconciliation, "CONFIRM_AFTER", 0.0)
    one = Attempts(lambda: Ledger(tmp_path / "ledger.sqlite"), tmp_path, FORGETS)
    one.venue.trouble = ["answer lost"]
    one.run()
    one.run()
    assert one.endings == ["no answer", "uncertain"]
    return one


def next_slot(attempts: Attempts) -> str:
    """Run at the next slot, and return how that ended."""
    attempts.slot += timedelta(hours=1)
    attempts.clock.wait(attempts.slot)
    attempts.endings.clear()
    with closing(attempts.open_ledger()) as ledger:
        ledger.claim([attempts._claim(1)])
    attempts.run()
    return attempts.endings[0]


def adopted(attempts: Attempts) -> list[tuple[str, float, float]]:
    """Take the venue's word, as make reconcile ADOPT=1 does; return what differed."""
    with closing(attempts.open_ledger()) as ledger:
        found = adopt(ModelBroker(attempts.venue, ledger, Steps()), ledger, [SYMBOL], attempts.clock())
        return [(one.symbol, one.ours, one.theirs) for one in found]


def test_an_uncertain_order_stops_new_exposure(attempts: Attempts) -> None:
    """The next slots buy nothing: what the first has bought is not known."""
    assert [next_slot(attempts) for _ in range(3)] == ["refused"] * 3
    assert len(attempts.venue.orders) == 1


def test_what_an_uncertain_order_has_bought_is_adopted(attempts: Attempts) -> None:
    """A person has looked: the position is the bot's, and the next slot trades again."""
    assert adopted(attempts) == [(SYMBOL, 0.0, QUANTITY)]
    with closing(attempts.open_ledger()) as ledger:
        assert float(ledger.position("b", SYMBOL, takes=True).quantity) == QUANTITY
        assert ledger.open_orders() == []
    assert next_slot(attempts) == "filled"


def test_an_uncertain_order_that_never_arrived_is_given_up(attempts: Attempts) -> None:
    """Nothing is held: nothing differs, and the next slot trades again."""
    attempts.venue.held.clear()
    assert adopted(attempts) == []
    assert next_slot(attempts) == "filled"
