"""A real loop closes what its strategy holds when the page asks for it."""

import os
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell.control import Control
from openbell.journal import Event, since
from openbell.ledger import Ledger
from tests.unit.runner.fakes import wait_for

TOML = 'timezone = "UTC"\n[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "1h"\n'
BUYS = "def run(ctx):\n    ctx.order('AAPL', 'buy', 3, reason='a test')\n"


def events(journal: Path, kind: str) -> list[Event]:
    """Return the journal's lines of one event."""
    return [
        line for line in since(journal / "demo", datetime.now(UTC).date() - timedelta(days=1)) if line["event"] == kind
    ]


def test_the_page_closes_what_a_run_has_bought(tmp_path: Path) -> None:
    """By the ordinary path of orders, once; what became of it is in the journal, and the loop goes on."""
    folder = tmp_path / "strategies" / "demo"
    folder.mkdir(parents=True)
    (folder / "strategy.toml").write_text(TOML)
    (folder / "strategy.py").write_text(BUYS)
    places = {f"OPENBELL_{name.upper()}": str(tmp_path / name) for name in ("journal", "state", "control")}
    environment = {**os.environ, **places, "OPENBELL_FOLDER": str(folder), "OPENBELL_STRATEGY": "demo"}
    command = [str(Path(sys.executable).with_name("openbell")), "run"]
    control, journal = Control(tmp_path / "control", "demo"), tmp_path / "journal"
    with (tmp_path / "output").open("w") as output:
        loop = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: bool(events(journal, "service_start")), "the start", 30)
        control.request("b", "page", datetime.now(UTC))
        wait_for(lambda: bool(events(journal, "run_end")), "the run", 30)
        control.request_flatten("page", datetime.now(UTC))

        def flat() -> bool:
            return any("flat: nothing is held" in str(line["text"]) for line in events(journal, "output"))

        wait_for(flat, "closing", 30)
    finally:
        loop.terminate()
        loop.wait(30)
    decided = [(line["action"], line["reason"], line["status"]) for line in events(journal, "decision")]
    assert decided == [("buy", "a test", "filled"), ("sell", "flatten", "filled")]
    with closing(Ledger(next((tmp_path / "state").rglob("ledger.sqlite")))) as ledger:
        assert ledger.holdings() == {}
    assert loop.returncode == 0
