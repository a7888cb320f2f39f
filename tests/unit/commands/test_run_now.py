"""A run that a person asks for: followed to its end, refused, or as a past slot."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.commands import run_now
from openbell.control import Control
from openbell.journal import Journal
from openbell.slots import local_instant
from tests.unit.commands.conftest import NOW
from tests.unit.runner.fakes import wait_for


def answered_by(root: Path, answer: Callable[[str], None]) -> threading.Thread:
    """Be the loop: wait for a request and answer it."""

    def loop() -> None:
        control = Control(root / "control", "demo")
        control.prepare()
        wait_for(lambda: bool(control.requests()), "a request")
        (request,) = control.requests()
        answer(request.id)

    thread = threading.Thread(target=loop)
    thread.start()
    return thread


def prepared(root: Path) -> None:
    """Make what the loop makes at its start."""
    Control(root / "control", "demo").prepare()


@pytest.mark.parametrize("outcome, code", [("succeeded", 0), ("failed", 1)])
def test_a_run_now_is_followed_to_its_end(
    root: Path, lines: Journal, capsys: pytest.CaptureFixture[str], outcome: str, code: int
) -> None:
    """The lines of this run, and of no other, are told as they come; the exit code is its outcome."""
    prepared(root)
    lines.write("run_end", NOW, {"bot": "b", "run_id": "before"}, outcome="succeeded")

    def answer(request: str) -> None:
        run = {"bot": "b", "run_id": "r1"}
        lines.write("run_start", NOW, run, trigger="manual", request=request)
        lines.write("signal", NOW, run, symbol="AAPL", signal=0.5, fast=3)
        lines.write("decision", NOW, run, symbol="AAPL", action="hold", reason="flat")
        lines.write(
            "decision", NOW, run, symbol="IBM", action="buy", qty=2, reason="it rose", status="filled", filled_price=1.5
        )
        lines.write("note", NOW, {"bot": "b", "run_id": "other"}, message="of another run")
        lines.write("note", NOW, run, message="weights", aapl=0.4, ibm=0.6)
        lines.write("output", NOW, run, text="printed")
        lines.write("error", NOW, run, error="ValueError: x", traceback="Traceback")
        lines.write("run_end", NOW, run, outcome=outcome, tick_duration_ms=12.5, orders=1)

    loop = answered_by(root, answer)
    assert run_now.main([]) == code
    loop.join()
    assert capsys.readouterr().out.splitlines() == [
        "b: run r1 started (trigger manual)",
        "  AAPL: signal 0.5 (fast 3)",
        "  AAPL: hold: flat",
        "  IBM: buy 2: it rose [filled at 1.5]",
        "  weights (aapl 0.4, ibm 0.6)",
        "  printed",
        "  error: ValueError: x",
        "Traceback",
        f"b: {outcome} in 12.5 ms, 1 orders",
    ]


def test_a_refused_run_now_says_why(root: Path, lines: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """The loop's reason is the command's."""
    prepared(root)
    loop = answered_by(
        root, lambda request: lines.write("request_refused", NOW, bot="b", request=request, reason="the bot is paused")
    )
    assert run_now.main(["--bot", "b"]) == 1
    loop.join()
    assert capsys.readouterr().err == "b: not run: the bot is paused\n"


def test_a_run_now_without_a_loop_gives_up(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A container whose loop does not answer is told of after a bounded wait."""
    prepared(root)
    monkeypatch.setattr(run_now, "START_WITHIN", -1.9)
    assert run_now.main([]) == 1
    assert "it did not start within" in capsys.readouterr().err


def test_a_run_now_of_an_unknown_bot_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names those that there are."""
    assert run_now.main(["--bot", "x"]) == 1
    assert capsys.readouterr().err == "x: no such bot; there is b\n"


def test_a_past_slot_is_asked_for_by_the_strategys_clock(
    root: Path, lines: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """The request has the slot; a dry run says which it is and asks for nothing."""
    prepared(root)
    yesterday = (datetime.now(UTC) - timedelta(days=2)).replace(hour=0, minute=5, second=0, microsecond=0)
    slot = local_instant(yesterday.replace(tzinfo=None), "America/New_York")
    assert run_now.main([f"--slot={yesterday:%Y-%m-%dT%H:%M}", "--dry-run"]) == 0
    assert f"b: the slot of {yesterday:%a %Y-%m-%d} 00:05:00 E" in capsys.readouterr().out
    assert Control(root / "control", "demo").requests() == []
    asked: list[object] = []

    def answer(request: str) -> None:
        asked.extend(one.slot for one in Control(root / "control", "demo").requests())
        lines.write("request_refused", NOW, bot="b", request=request, reason="this slot has run already: succeeded")

    loop = answered_by(root, answer)
    assert run_now.main([f"--slot={yesterday:%Y-%m-%dT%H:%M}"]) == 1
    loop.join()
    assert asked == [slot]
    assert capsys.readouterr().err == "b: not run: this slot has run already: succeeded\n"


@pytest.mark.parametrize(
    "slot, told",
    [
        ("today", 'SLOT: found "today"; allowed: a date and a time such as 2026-11-20T09:35, in America/New_York'),
        ("2099-01-01T00:05", "SLOT: Thu 2099-01-01 00:05:00 EST is yet to come; allowed: a slot that has passed"),
        (
            "2026-01-02T00:06",
            (
                "SLOT: no bot is due at Fri 2026-01-02 00:06:00 EST; b was due at Fri 2026-01-02 00:05:00 EST and "
                "Fri 2026-01-02 00:10:00 EST"
            ),
        ),
    ],
)
def test_what_is_no_past_slot_is_refused(root: Path, capsys: pytest.CaptureFixture[str], slot: str, told: str) -> None:
    """In one line that says what is allowed, and which slots are near."""
    prepared(root)
    assert run_now.main([f"--slot={slot}"]) == 1
    assert capsys.readouterr().err == told + "\n"


def test_an_older_loop_leaves_a_request_for_a_slot_alone(root: Path) -> None:
    """It would run the bot now: what it looks for, a "bot", is not there."""
    Control(root / "control", "demo").request("b", "alice", NOW, NOW - timedelta(hours=1))
    (path,) = (root / "control" / "demo" / "requests").iterdir()
    assert "bot" not in json.loads(path.read_text())
