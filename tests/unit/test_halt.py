"""The global halt: one file that every strategy obeys, the commands for it, and what the journal says."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import control
from openbell.commands import halt, reconcile, unhalt
from openbell.control import Halt
from openbell.journal import since
from openbell.ledger import Ledger

NOW = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)


def test_a_halt_is_kept_and_lifted(tmp_path: Path) -> None:
    """Who, why and since when; lifting what is not there is told apart."""
    assert control.halted(tmp_path) is None
    control.halt(tmp_path, Halt(NOW, "me", "odd fills"))
    assert control.halted(tmp_path) == Halt(NOW, "me", "odd fills")
    assert str(control.halted(tmp_path)) == "halted: odd fills (by me since 2026-03-02T09:05:00.000Z)"
    assert control.unhalt(tmp_path)
    assert not control.unhalt(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"since": 5}'])
def test_a_halt_that_cannot_be_read_holds(tmp_path: Path, content: str) -> None:
    """A file that cannot be read counts as a halt, also one made with touch."""
    (tmp_path / "halt.json").write_text(content)
    assert str(control.halted(tmp_path)).startswith("halted: ")


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """They work in any container that has the control volume, also the supervisor's, which has no strategy."""
    monkeypatch.setenv("OPENBELL_CONTROL", str(tmp_path))
    assert halt.main(["--reason", "odd fills"]) == 0
    assert control.halted(tmp_path) is not None
    assert "until `make unhalt`" in capsys.readouterr().out
    assert [unhalt.main([]), unhalt.main([])] == [0, 0]
    assert capsys.readouterr().out.splitlines() == ["strategies may send orders again", "nothing was halted"]


def test_a_halt_that_cannot_be_stored_is_loud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A halt that could not be written is never reported as one."""
    monkeypatch.setenv("OPENBELL_CONTROL", str(tmp_path / "gone"))
    assert halt.main(["--reason", "x"]) == 1
    assert capsys.readouterr().err.startswith("NOT halted: ")


def test_the_reconcile_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It tells what differs, changes nothing until it is asked to adopt, and that is in the journal."""
    for name in ("journal", "state", "control"):
        monkeypatch.setenv(f"OPENBELL_{name.upper()}", str(tmp_path / name))
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "strategy.toml").write_text('timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nevery = "5m"\n')
    monkeypatch.setenv("OPENBELL_FOLDER", str(tmp_path / "demo"))
    monkeypatch.setenv("OPENBELL_STRATEGY", "demo")
    monkeypatch.setattr("openbell.trading.reconciliation.CONFIRM_AFTER", 0.0)
    assert reconcile.main([]) == 0
    ledger = Ledger(tmp_path / "state" / "demo" / "ledger.sqlite")
    ledger.hold({"AAPL": 2.0})
    assert [reconcile.main([]), reconcile.main(["--adopt"]), reconcile.main([])] == [1, 0, 0]
    assert ledger.holdings() == {}
    ledger.close()
    difference = "AAPL: missing: our orders say 2, paper holds 0"
    same = "demo: paper holds what our orders say"
    adopted = "adopted: from now on this is what the ledger says"
    assert capsys.readouterr().out.splitlines() == [same, difference, difference, adopted, same]
    (line,) = since(tmp_path / "journal" / "demo", datetime(2000, 1, 1, tzinfo=UTC).date())
    assert (line["event"], line["differences"]) == ("reconciled", [])
    assert line["adopted"] == [{"symbol": "AAPL", "kind": "missing", "ours": 2.0, "theirs": 0.0}]


def test_a_halt_but_for_exits_is_kept_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file says so, and whatever else stands there halts everything."""
    monkeypatch.setenv("OPENBELL_CONTROL", str(tmp_path))
    assert halt.main(["--reason", "odd fills", "--exits"]) == 0
    assert capsys.readouterr().out.startswith("halted: no strategy sends an order that adds to what is held until ")
    found = control.halted(tmp_path)
    assert found is not None
    assert found.exits
    assert str(found).startswith("halted but for exits: odd fills (by make halt since ")
    (tmp_path / "halt.json").write_text('{"exits": "yes"}')
    found = control.halted(tmp_path)
    assert found is not None
    assert not found.exits
