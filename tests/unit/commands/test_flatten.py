"""`openbell flatten` on the paper account: what is held is sold by the ordinary path, and what remains is said."""

import importlib
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import control
from openbell.commands import flatten
from openbell.journal import since
from openbell.ledger import Ledger, OrderRecord
from openbell.manifest import load
from openbell.paths import Paths, from_environment
from openbell.runner import flattening
from openbell.runner.run_setup import desk_of, open_for
from openbell.trading.brokers import Order

TOML = 'timezone = "UTC"\n[[bot]]\nid = "b"\nsymbols = ["AAPL", "MSFT"]\nevery = "5m"\n'


@dataclass
class Account:
    """A strategy with a paper account."""

    places: Paths

    def buy(self, symbol: str, quantity: float, bot: str = "b") -> None:
        """Let a bot buy, as a run does."""
        manifest, now = load(self.places.folder), datetime.now(UTC)
        with closing(Ledger(self.places.state / "ledger.sqlite")) as ledger:
            _, open_at = open_for(manifest, manifest.bots[0], desk_of(manifest, manifest.bots[0], self.places, ledger))
            name = f"ob-{symbol}-{bot}"
            ledger.intend(OrderRecord(name, bot, now, symbol, "buy", "", quantity), now)
            placed = open_at(now).submit(Order(name, symbol, "buy", quantity))
            ledger.settle(name, placed.status, placed.order_id, placed.filled_quantity, placed.filled_price)

    def held(self) -> dict[str, float]:
        """Return what the ledger says is held."""
        with closing(Ledger(self.places.state / "ledger.sqlite")) as ledger:
            return ledger.holdings()


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A new account."""
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "strategy.toml").write_text(TOML)
    for name in ("journal", "state", "control"):
        monkeypatch.setenv(f"OPENBELL_{name.upper()}", str(tmp_path / name))
    (tmp_path / "control").mkdir()
    monkeypatch.setenv("OPENBELL_FOLDER", str(folder))
    monkeypatch.setenv("OPENBELL_STRATEGY", "demo")
    monkeypatch.setattr(flattening, "PATIENCE", 0.0)
    return Account(from_environment(os.environ))


def test_what_is_held_is_closed(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """All symbols of all bots, one that the manifest has no more included; each sale is a decision in the journal."""
    account.buy("AAPL", 3)
    account.buy("MSFT", 2, bot="gone")
    assert flatten.main(["--dry-run"]) == 0
    assert account.held() == {"AAPL": 3.0, "MSFT": 2.0}
    assert flatten.main([]) == 0
    assert account.held() == {}
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "demo: b holds 3 AAPL",
        "demo: gone holds 2 MSFT",
        "b: sell 3 AAPL: filled",
        "gone: sell 2 MSFT: filled",
        "demo: flat: nothing is held and nothing waits",
    ]
    lines = since(account.places.journal / "demo", datetime(2000, 1, 1, tzinfo=UTC).date())
    decided = [(line["bot"], line["action"], line["reason"]) for line in lines if line["event"] == "decision"]
    assert decided == [("b", "sell", "flatten"), ("gone", "sell", "flatten")]


@pytest.mark.parametrize("exits, code", [(False, 1), (True, 0)])
def test_a_halt_holds_and_one_but_for_exits_does_not(
    account: Account, capsys: pytest.CaptureFixture[str], exits: bool, code: int
) -> None:
    """What a halt keeps is told as what remains, and the exit code says so."""
    account.buy("AAPL", 3)
    control.halt(account.places.control, control.Halt(datetime(2026, 3, 2, tzinfo=UTC), "me", "odd", exits))
    assert flatten.main([]) == code
    assert account.held() == ({} if exits else {"AAPL": 3.0})
    told = capsys.readouterr().out
    assert ("refused halted: odd" in told) is not exits
    assert told.splitlines()[-1] == (
        "demo: flat: nothing is held and nothing waits" if exits else "demo: b holds 3 AAPL"
    )


def test_what_no_bot_has_bought_is_closed_too(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """A person took the broker's word for it, and no run has asked for the symbol since: a bot that trades it closes it."""
    account.buy("MSFT", 3)
    with closing(Ledger(account.places.state / "ledger.sqlite")) as ledger:
        ledger.hold({"MSFT": 0.0})
    with closing(sqlite3.connect(account.places.state / "ledger.sqlite")) as raw, raw:
        raw.execute("DELETE FROM positions")
    with closing(Ledger(account.places.state / "ledger.sqlite")) as ledger:
        ledger.hold({"MSFT": 3.0})
    assert flatten.main([]) == 0
    assert account.held() == {}
    assert capsys.readouterr().out.splitlines()[0] == "b: sell 3 MSFT: filled"


BROKER = '''
from datetime import UTC, datetime
from openbell.trading.brokers import Account, BrokerError, PlacedOrder

ORDERS, CANCELLED = {}, {}

class ABroker:
    """AAPL's market is closed, MSFT is rejected, IBM has no answer; cancelling takes a moment."""

    def __init__(self, *_):
        self.finds_every_order = True

    def account(self):
        return Account(1.0, "USD")

    def positions(self):
        return {}

    def find(self, name):
        if name in CANCELLED:
            CANCELLED[name] -= 1
            if not CANCELLED[name]:
                ORDERS[name] = ORDERS[name][:4] + ("cancelled", 0.0)
        if name not in ORDERS:
            return None
        symbol, side, quantity, number, status, filled = ORDERS[name]
        return PlacedOrder(str(number), name, symbol, side, quantity, status, filled, 1.0, datetime.now(UTC), "")

    def submit(self, order):
        if order.symbol == "IBM":
            raise BrokerError("no answer")
        status = {"AAPL": "accepted", "MSFT": "rejected"}.get(order.symbol, "filled")
        filled = order.quantity if status == "filled" else 0.0
        ORDERS[order.client_order_id] = (order.symbol, order.side, order.quantity, len(ORDERS), status, filled)
        return self.find(order.client_order_id)

    def cancel(self, name):
        CANCELLED[name] = 3
'''


def test_what_cannot_be_closed_is_said_and_keeps_no_other_from_it(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A market that is closed, a rejection, no answer; what a stop had kept back is sold once its cancelling is done."""
    monkeypatch.setattr(flattening, "PATIENCE", 0.3)
    monkeypatch.setattr(flattening, "PAUSE", 0.01)
    folder = account.places.folder
    (folder / "flat_broker.py").write_text(BROKER)
    (folder / "strategy.toml").write_text('broker = "flat_broker:ABroker"\n' + TOML)
    monkeypatch.syspath_prepend(str(folder))
    with closing(Ledger(account.places.state / "ledger.sqlite")) as ledger:
        now = datetime.now(UTC)
        for symbol in ("AAPL", "GOOG", "IBM", "MSFT"):
            ledger.intend(OrderRecord(symbol, "b", now, symbol, "buy", "", 2.0), now)
            ledger.settle(symbol, "filled", "o", 2.0, 1.0)
        ledger.intend(OrderRecord("stop", "b", now, "GOOG", "sell", "", 2.0), now)
        importlib.import_module("flat_broker").ORDERS["stop"] = ("GOOG", "sell", 2.0, 9, "accepted", 0.0)
        ledger.settle("stop", "accepted", "9")
    assert flatten.main([]) == 1
    assert account.held() == {"AAPL": 2.0, "IBM": 2.0, "MSFT": 2.0}
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "b: sell 2 GOOG: accepted",
        "b: sell 2 AAPL: accepted",
        "b: sell 2 GOOG: filled",
        "b: sell 2 MSFT: rejected",
        "demo: b holds 2 AAPL",
        "demo: b holds 2 IBM",
        "demo: b holds 2 MSFT",
        "demo: b sell 2 AAPL is accepted, 0 filled",
        "demo: b sell 2 IBM is intended, 0 filled",
    ]
    assert told.err.splitlines() == ["b: IBM: could not be closed: no answer"]
