"""Pauses and resumes of a bot from the command line."""

from datetime import timedelta
from pathlib import Path

import pytest

from openbell.commands import pause, resume, run_now
from openbell.control import Control


@pytest.mark.parametrize("length", [None, "2h"])
def test_a_pause_is_stored(root: Path, capsys: pytest.CaptureFixture[str], length: str | None) -> None:
    """With its reason, its owner and its end, if it has one; the answer says until when."""
    options = ["--for", length] if length else []
    assert pause.main(["b", *options, "--reason", "earnings", "--by", "alice"]) == 0
    stored = Control(root / "control", "demo").paused("b")
    assert stored is not None
    assert (stored.by, stored.reason) == ("alice", "earnings")
    assert (stored.until is None) == (length is None)
    if stored.until is not None:
        assert stored.until - stored.since == timedelta(hours=2)
    assert capsys.readouterr().out.startswith("b: paused until ")


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["x", "--reason", "r"], 1, "x: no such bot; there is b"),
        (["b", "--reason", "r", "--for", "soon"], 2, '--for: found "soon"; allowed: a duration such as'),
        (["b", "--reason", "r", "--for", "0s"], 2, '--for: found "0s"; allowed: a duration such as'),
    ],
)
def test_a_pause_that_cannot_be_meant_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    """It says what was found and what is allowed, and stores nothing."""
    assert pause.main(arguments) == code
    assert capsys.readouterr().err.startswith(words)
    assert not list((root / "control").rglob("*.json"))


def test_a_pause_needs_a_reason(root: Path) -> None:
    """The status of a paused bot says why."""
    with pytest.raises(SystemExit):
        pause.main(["b"])


def test_a_pause_that_cannot_be_stored_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A control volume without room fails the command."""
    (root / "control" / "demo").write_text("a file where the folder should be")
    assert pause.main(["b", "--reason", "r"]) == 1
    assert "Not a directory" in capsys.readouterr().err


def test_a_resume_says_what_it_did(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Resuming a bot that runs is no error."""
    pause.main(["b", "--reason", "r"])
    assert resume.main(["b"]) == 0
    assert resume.main(["b"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["b: resumed", "b: was not paused"]


def test_commands_outside_a_container_say_so(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the environment of a container no command guesses."""
    monkeypatch.delenv("OPENBELL_STRATEGY")
    assert pause.main(["b", "--reason", "r"]) == 1
    assert resume.main(["b"]) == 1
    assert run_now.main([]) == 1
    assert capsys.readouterr().err.count("OPENBELL_STRATEGY is not set") == 3
