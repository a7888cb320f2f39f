"""`openbell flatten` on the paper account: what is held is sold by the ordinary path, and what remains is said."""

import os
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
