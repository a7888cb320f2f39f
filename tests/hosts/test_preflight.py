"""A release is tried out while the strategy runs with a database: nothing of it is in there afterwards."""

from pathlib import Path

import pytest

from openbell.commands import preflight
from openbell.postgres.database import Database
from openbell.postgres.ledger import PostgresLedger
from tests.unit.strategy_file import write

TOML = 'timezone = "UTC"\n[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "5m"\ntimeout = "30s"\n'
CODE = """
def run(ctx):
    ctx.state["seen"] = ctx.state["seen"] + 1
    ctx.order("AAPL", "buy", 1, reason="a test")
"""
TABLES = ("openbell_demo.orders", "openbell_demo.claims", "openbell_demo.sent", "openbell_demo_paper.orders")


@pytest.fixture
def image(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A container of the strategy demo that is told of the database; the root of its files."""
    folder = write(tmp_path, TOML)
    (folder / "strategy.py").write_text(CODE)
    given = {name: str(tmp_path / name.lower()) for name in ("JOURNAL", "STATE", "CONTROL")}
    given |= {"FOLDER": str(folder), "STRATEGY": "demo", "DATABASE": url}
    for name, value in given.items():
        monkeypatch.setenv(f"OPENBELL_{name}", value)
    (tmp_path / "usr/share/zoneinfo").mkdir(parents=True)
    for file in ("usr/share/zoneinfo/UTC", "etc/localtime"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("UTC")
    return tmp_path


def test_a_rehearsal_orders_nothing_on_the_account_in_the_database(image: Path, url: str) -> None:
    """It has the state that the strategy has, and what it does with it stays in its own copy."""
    ledger = PostgresLedger(url, "demo", prepare=True)
    ledger.keep_state("b", {"seen": 6})
    assert preflight.main(["--root", str(image), "--rehearse"]) == 0
    assert ledger.state("b") == {"seen": 6}
    counts = [Database(url).execute(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]  # noqa: S608 - as written here
    ledger.close()
    assert counts == [0] * len(TABLES)


def test_a_database_that_cannot_be_reached_is_one_line(
    image: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A release that would only stand by, since it cannot reach it, is not put in place of one that runs."""
    monkeypatch.setenv("OPENBELL_DATABASE", url.replace("openbell:", "nobody:"))
    assert preflight.main(["--root", str(image), "--rehearse"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == 'demo: PostgreSQL: password authentication failed for user "nobody"'
