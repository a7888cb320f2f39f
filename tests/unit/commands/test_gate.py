"""What a new container must show before the old release is let go."""

import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from openbell import heartbeat
from openbell.commands import gate
from openbell.control import Control, Pause
from openbell.journal import Journal
from tests.unit.strategy_file import write

TOML = 'timezone = "UTC"\n[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "1s"\n'
DAILY = 'timezone = "UTC"\n[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "24h"\n'
QUICK = ["--beat", "0.2", "--runs", "--limit", "0.3"]


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """A container of the strategy demo that was started a minute ago and beats; its journal."""
    for name in ("journal", "state", "control"):
        monkeypatch.setenv(f"OPENBELL_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("OPENBELL_FOLDER", str(write(tmp_path, TOML)))
    monkeypatch.setenv("OPENBELL_STRATEGY", "demo")
    monkeypatch.setattr(gate, "started", lambda: datetime.now(UTC).timestamp() - 60)
    journal = Journal(tmp_path / "journal", "demo", "new", echo=False)
    journal.folder.mkdir(parents=True)
    heartbeat.write(journal.folder, heartbeat.Heartbeat(datetime.now(UTC), "new", ()))
    yield journal
    journal.close()


def run(journal: Journal, outcome: str, error: str = "", trigger: str = "loop") -> None:
    """Write the lines of a run of bot b."""
    now = datetime.now(UTC)
    journal.write("run_start", now, {"bot": "b"}, trigger=trigger)
    if error:
        journal.write("error", now, {"bot": "b"}, error=error)
    journal.write("run_end", now, {"bot": "b"}, outcome=outcome, trigger=trigger)


def test_a_run_that_succeeded_opens_the_gate(container: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """The first one of the bot that is due."""
    run(container, "succeeded")
    assert gate.main(QUICK) == 0
    assert "the first run of b succeeded" in capsys.readouterr().out


def test_a_run_that_failed_closes_it(container: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """With the error's last line; that a later one succeeded does not count."""
    run(container, "failed", "ValueError: no good")
    run(container, "succeeded")
    assert gate.main(QUICK) == gate.FAILED
    assert capsys.readouterr().err == "b: its first run failed: ValueError: no good\n"


def test_runs_of_other_boots_and_of_people_do_not_count(
    container: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither for nor against it."""
    old = Journal(tmp_path / "journal", "demo", "old", echo=False)
    run(old, "succeeded")
    run(old, "failed", "of the old one")
    old.close()
    run(container, "failed", "asked for", trigger="manual")
    assert gate.main(QUICK) == gate.FAILED
    assert "b: no run succeeded within 0.3 s" in capsys.readouterr().err


def test_what_is_not_due_soon_is_not_waited_for(container: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """Its rehearsal was before the old container was touched."""
    (Path(os.environ["OPENBELL_FOLDER"]) / "strategy.toml").write_text(DAILY)
    assert gate.main([*QUICK, "--within", "0"]) == 0
    assert "nothing is due soon" in capsys.readouterr().out


def test_a_run_that_was_due_meanwhile_counts(container: Journal) -> None:
    """A slot that came due in the swap is run at once, and must succeed, though the next is far away."""
    (Path(os.environ["OPENBELL_FOLDER"]) / "strategy.toml").write_text(DAILY)
    run(container, "timed_out")
    assert gate.main([*QUICK, "--within", "0"]) == gate.FAILED


def test_a_paused_bot_is_not_waited_for(container: Journal, tmp_path: Path) -> None:
    """It has no run to succeed."""
    control = Control(tmp_path / "control", "demo")
    control.prepare()
    control.pause("b", Pause(datetime.now(UTC) - timedelta(hours=1), None, "alice", "earnings"))
    assert gate.main(QUICK) == 0


def test_a_loop_that_does_not_beat_closes_it(container: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """A beat from before the container's start is the old one's."""
    minutes = (datetime.now(UTC) - timedelta(minutes=5)).timestamp()
    os.utime(container.folder / "beat.json", (minutes, minutes))
    assert gate.main(QUICK) == gate.FAILED
    assert capsys.readouterr().err == "demo: no sign of life within 0.2 s\n"


def test_the_old_containers_beat_does_not_count(container: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """While both have the folder, only a beat of this container opens the gate; one of openbell 0.1.0 names none."""
    path = container.folder / "beat.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"host": "the old one"}))
    assert gate.main(["--beat", "0.2"]) == gate.FAILED
    assert "demo: no sign of life within 0.2 s" in capsys.readouterr().err
    path.write_text(json.dumps({key: value for key, value in content.items() if key != "host"}))
    assert gate.main(["--beat", "0.2"]) == 0


def test_a_stream_must_beat_itself(container: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """Its run has no end to wait for."""
    text = DAILY.replace('every = "24h"', 'kind = "stream"')
    (Path(os.environ["OPENBELL_FOLDER"]) / "strategy.toml").write_text(text)
    assert gate.main(QUICK) == gate.FAILED
    heartbeat.touch_stream(container.folder, "b")
    assert gate.main(QUICK) == 0
    assert "b streams" in capsys.readouterr().out


class _Page(BaseHTTPRequestHandler):
    answer = 200

    def do_GET(self) -> None:
        """Answer as the test wants."""
        self.send_response(self.answer)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("answer,expected", [(200, 0), (503, gate.FAILED)])
def test_the_supervisor_must_say_that_it_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: int, expected: int
) -> None:
    """On its own page."""
    monkeypatch.delenv("OPENBELL_STRATEGY", raising=False)
    monkeypatch.setattr(_Page, "answer", answer)
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        monkeypatch.setenv("OPENBELL_LISTEN", f"0.0.0.0:{server.server_port}")
        assert gate.main(["--beat", "0.3"]) == expected
        server.shutdown()
        thread.join()
    assert ("it answers 503" in capsys.readouterr().err) is bool(expected)
