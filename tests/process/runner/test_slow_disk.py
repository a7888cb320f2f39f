"""`openbell run` on a disk where each sync takes its time, as on an SD card."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell.journal import Event, since
from tests.unit.runner.fakes import wait_for

BOTS = 30
SYNC = 0.2  # seconds
CODE = """
def run(ctx):
    ctx.state["runs"] = ctx.state.get("runs", 0) + 1
    ctx.order("AAPL", "buy", 1, reason="it is due")
"""
# Python imports it at its start. Syncs of all processes wait for each other, as they do on one disk.
SLOW = f"""
import fcntl, os, time
made = os.open(__file__ + ".made", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
def slow(real, disk=os.open(__file__, os.O_RDONLY | os.O_CLOEXEC)):
    def sync(file):
        own = os.open(f"/proc/self/fd/{{disk}}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(own, fcntl.LOCK_EX)
            time.sleep({SYNC})
            os.write(made, b".")
            real(file)
        finally:
            os.close(own)
    return sync
os.fsync, os.fdatasync = slow(os.fsync), slow(os.fdatasync)
"""


def test_many_bots_due_at_once_all_trade(tmp_path: Path) -> None:
    """Their claims, orders and ends share their syncs: all are done within seconds, each with one order, none fails."""
    folder = tmp_path / "strategy"
    folder.mkdir()
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW)
    due = (datetime.now(UTC) + timedelta(seconds=9)).replace(microsecond=0)
    bots = "".join(f'[[bot]]\nid = "b{number}"\nsymbols = ["AAPL"]\nat = "{due:%H:%M:%S}"\n' for number in range(BOTS))
    (folder / "strategy.toml").write_text(f'timezone = "UTC"\nmarket = "sample"\nstale = "trade"\n{bots}')
    (folder / "strategy.py").write_text(CODE)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "slow"), "OPENBELL_STRATEGY": "demo"}
    environment |= {"OPENBELL_FOLDER": str(folder)}
    environment |= {f"OPENBELL_{name.upper()}": str(tmp_path / name) for name in ("journal", "state", "control")}
    command = [str(Path(sys.executable).parent / "openbell"), "run"]
    loop = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    def events(kind: str) -> list[Event]:
        return [line for line in since(tmp_path / "journal" / "demo", due.date()) if line["event"] == kind]

    try:
        wait_for(lambda: bool(events("service_start")), "the start of the loop", 60)
        assert datetime.now(UTC) < due, "the loop was not there in time: the test says nothing"
        wait_for(lambda: len(events("run_end")) == BOTS, "the end of all runs", 90)
    finally:
        loop.send_signal(signal.SIGTERM)
        loop.wait(60)
    assert {line["outcome"] for line in events("run_end")} == {"succeeded"}
    assert events("error") == []
    assert [line["status"] for line in events("decision")] == BOTS * ["filled"]
    # Each run alone needs five: claim, intent, the account's order, its answer, state.
    assert (tmp_path / "slow" / "sitecustomize.py.made").stat().st_size <= 4 * BOTS
