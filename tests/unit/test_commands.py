"""The command line inside a container: pauses, resumes, runs now, prints journals and slots, checks, pins."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell import __main__ as command_line
from openbell.commands import check, journal, pause, resume, run_now, stamp_image
from openbell.commands import next as next_slots
from openbell.control import Control
from openbell.journal import Journal
from openbell.manifest import load
from openbell.slots import local_instant
from openbell.strategy.loader import release
from tests.unit.runner.fakes import wait_for

NOW = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
TOML = 'timezone = "America/New_York"\n[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "5m"\ntimeout = "2s"\n'
CODE = "def run(ctx):\n    pass\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of a container of the strategy demo, and its environment."""
    for name in ("journal", "state", "control"):
        monkeypatch.setenv(f"OPENBELL_{name.upper()}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    (tmp_path / "strategies" / "demo").mkdir(parents=True)
    (tmp_path / "strategies" / "demo" / "strategy.toml").write_text(TOML)
    (tmp_path / "strategies" / "demo" / "strategy.py").write_text(CODE)
    monkeypatch.setenv("OPENBELL_FOLDER", str(tmp_path / "strategies" / "demo"))
    monkeypatch.setenv("OPENBELL_STRATEGY", "demo")
    return tmp_path


@pytest.fixture
def lines(root: Path) -> Iterator[Journal]:
    """The journal of the strategy demo."""
    one = Journal(root / "journal", "demo", "boot", echo=False)
    yield one
    if one._file >= 0:
        os.close(one._file)


# pause and resume


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


# run-now


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


# journal


def test_a_journal_is_printed_line_by_line(root: Path, lines: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line is the file's own, for grep and jq; filters hold together."""
    for symbol, event in (("AAPL", "signal"), ("IBM", "signal"), ("AAPL", "decision")):
        lines.write(event, datetime.now(UTC), {"bot": "b"}, symbol=symbol)
    assert journal.main(["demo"]) == 0
    (path,) = (root / "journal" / "demo").glob("*.jsonl")
    assert capsys.readouterr().out == path.read_text()
    assert journal.main(["demo", "--symbol", "AAPL", "--event", "decision", "--bot", "b"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["symbol"], line["event"]) for line in told] == [("AAPL", "decision")]


def test_a_journal_begins_where_it_is_asked_to(root: Path, lines: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """Of older lines none is printed, also not from the same day's file."""
    now = datetime.now(UTC)
    for age in (timedelta(days=3), timedelta(minutes=90), timedelta(minutes=1)):
        lines.write("note", now - age, age=str(age))
    assert journal.main(["demo", "--since", "1h"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert journal.main(["demo", "--since", f"{now - timedelta(days=4):%Y-%m-%d}"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_an_unknown_journal_names_the_known(root: Path, lines: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error is answered with what there is."""
    assert journal.main(["dmeo"]) == 1
    assert capsys.readouterr().err == "dmeo: no journal of that strategy; there is none\n"
    lines.write("note", NOW)
    assert journal.main(["dmeo"]) == 1
    assert capsys.readouterr().err == "dmeo: no journal of that strategy; did you mean demo?\n"


@pytest.mark.parametrize(
    "options,words",
    [
        (["--symbol", "APL"], 'demo: no line since 1d has symbol "APL"; did you mean AAPL?'),
        (["--bot", "x", "--symbol", "AAPL"], 'demo: no line since 1d has bot "x"; there is b'),
        (["--bot", "b", "--event", "error"], 'demo: no line since 1d has event "error"; there is signal'),
        (["--since", "1s", "--symbol", "AAPL"], 'demo: no line since 1s has symbol "AAPL"'),
        (["--since", "1s"], "demo: no such line since 1s: give an earlier start, such as SINCE=30d"),
    ],
)
def test_a_journal_without_such_a_line_says_so(
    root: Path, lines: Journal, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    """Silence would look like a strategy that decided nothing."""
    lines.write("signal", datetime.now(UTC) - timedelta(minutes=5), {"bot": "b"}, symbol="AAPL")
    assert journal.main(["demo", *options]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"{words}\n")


def test_a_beginning_that_is_none_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what is allowed."""
    assert journal.main(["demo", "--since", "yesterday"]) == 2
    assert '--since: found "yesterday"; allowed: a duration such as' in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2h", NOW - timedelta(hours=2)),
        ("3000d", NOW - timedelta(days=3000)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T10:00:00+01:00", datetime(2026, 3, 1, 9, 0, tzinfo=UTC)),
        ("soon", None),
    ],
)
def test_since(text: str, expected: datetime | None) -> None:
    """A duration counts back from now; a date is UTC unless it says otherwise."""
    assert journal.since_instant(text, NOW) == expected


# next, check, pin


def test_the_next_slots_are_told_in_the_strategys_zone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As many as asked for, one line each."""
    assert next_slots.main(["--strategies", str(root / "strategies"), "--count", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    (bot,) = load(root / "strategies" / "demo").bots
    told = list(next_slots.lines(bot, NOW, 2))
    assert told[0].startswith("b                        Mon 2026-03-02 04:10:00 EST  here ")
    assert told[1].endswith("in 0:10:00")


def test_next_names_what_is_missing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No folder, no such strategy, no valid manifest: each is said, with a code."""
    folder = str(root / "strategies")
    assert next_slots.main(["--strategies", str(root / "nowhere")]) == 1
    assert next_slots.main(["--strategies", folder, "--strategy", "x"]) == 1
    (root / "strategies" / "demo" / "strategy.toml").write_text("[[bot]]\n")
    assert next_slots.main(["--strategies", folder]) == 1
    told = capsys.readouterr().err.splitlines()
    assert "no such folder" in told[0]
    assert "x: no such strategy" in told[1]
    assert told[2:]
    assert all(line.startswith("demo/strategy.toml: ") for line in told[2:])


def test_check_finds_nothing_in_good_strategies(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It counts them, and imports none."""
    (root / "strategies" / "demo" / "strategy.py").write_text("raise SystemExit\ndef run(ctx): pass\n")
    before = sys.modules.get("strategy")  # of another test
    assert check.main(["--strategies", str(root / "strategies")]) == 0
    assert capsys.readouterr().out.startswith("1 strategies with 1 bots: no problems")
    assert sys.modules.get("strategy") is before


@pytest.mark.parametrize(
    "code, words",
    [
        (None, "demo/strategy.py: file: found no such file"),
        ("def run(ctx:\n", "demo/strategy.py: file: found "),
        ("def walk(ctx): pass\n", "demo/strategy.py: run: found no function of that name"),
    ],
)
def test_check_names_each_problem(root: Path, capsys: pytest.CaptureFixture[str], code: str | None, words: str) -> None:
    """One line each: the file, the key, what was found and what is allowed."""
    path = root / "strategies" / "demo" / "strategy.py"
    path.unlink()
    if code is not None:
        path.write_text(code)
    assert check.main(["--strategies", str(root / "strategies")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(words)
    assert "; allowed: " in line


@pytest.mark.parametrize("code", ["from other import run\n", "from other import go as run\n", "run = print\n", CODE])
def test_check_accepts_a_run_however_it_is_made(root: Path, code: str) -> None:
    """Defined, imported or assigned."""
    (root / "strategies" / "demo" / "strategy.py").write_text(code)
    assert check.main(["--strategies", str(root / "strategies")]) == 0


@pytest.mark.parametrize(
    "replaced,by,files,words",
    [
        ('broker = "paper"', 'market = "my_market:Mine"', {}, "allowed: a class in a file that exists: "),
        ('broker = "paper"', 'broker = "my_broker:Mine"', {"my_broker.py": "class Min: ..."}, "did you mean Min?"),
        ('broker = "paper"', 'broker = "my_broker:Mine"', {"my_broker.py": "class"}, "a Python module that compiles"),
        (
            "",
            "",
            {"corporate-actions.csv": "symbol,day\n"},
            "the first line of corporate-actions.csv is symbol,day,ratio,cash",
        ),
        ('"AAPL"', '"MSFTT"', {}, 'found "MSFTT"; allowed: a symbol of the market sample: AAPL, FB, GOOG, IBM, MSFT'),
    ],
)
def test_check_follows_what_a_manifest_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], replaced: str, by: str, files: dict[str, str], words: str
) -> None:
    """A class of the strategy's own exists, the shipped prices have its symbols, and its splits can be read."""
    folder = tmp_path / "idea"
    folder.mkdir()
    toml = 'timezone = "UTC"\nbroker = "paper"\n[[bot]]\nsymbols = ["AAPL"]\nevery = "1m"\n'
    (folder / "strategy.toml").write_text(toml.replace(replaced, by))
    (folder / "strategy.py").write_text("def run(ctx): ...\n")
    for name, text in files.items():
        (folder / name).write_text(text)
    assert check.main(["--strategies", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("idea/")
    assert words in line


def test_check_needs_a_folder(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong folder is no clean bill of health."""
    assert check.main(["--strategies", str(root / "nowhere")]) == 1
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("toml, zone", [(TOML, "America/New_York"), ("[[bot]]\n", "UTC")])
def test_pin_makes_clock_and_release_facts_of_an_image(root: Path, toml: str, zone: str) -> None:
    """The zone is the manifest's, UTC until that is valid; the release is what the folder holds."""
    folder = root / "strategies" / "demo"
    (folder / "strategy.toml").write_text(toml)
    (root / "etc").mkdir()
    (root / "etc" / "localtime").write_text("something else")
    assert stamp_image.main(["demo", "--folder", str(folder), "--root", str(root)]) == 0
    assert (root / "etc" / "localtime").readlink() == Path("/usr/share/zoneinfo") / zone
    assert (root / "etc" / "timezone").read_text() == f"{zone}\n"
    assert (folder / "release").read_text() == release(folder) + "\n"


def test_a_release_changes_with_every_file(root: Path) -> None:
    """And with nothing else: not with bytecode, not with where the folder is."""
    folder = root / "strategies" / "demo"
    before = release(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "strategy.pyc").write_bytes(b"x")
    (folder / "release").write_text(before)
    assert release(folder) == before
    (folder / "more.py").write_text("")
    assert release(folder) != before


# The command line itself


@pytest.mark.parametrize("arguments, code", [(["help"], 0), (["--help"], 0), ([], 0), (["rnu"], 2)])
def test_the_command_line_lists_its_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    """Asked for help, or not understood."""
    monkeypatch.setattr(sys, "argv", ["openbell", *arguments])
    assert command_line.main() == code
    told = capsys.readouterr()
    assert "usage: openbell COMMAND" in (told.err if code else told.out)


def test_every_command_can_be_had(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is listed is there, with a line of help and a main."""
    for name, (_, text) in command_line.COMMANDS.items():
        assert text
        if name in {"run", "supervise"}:
            continue
        monkeypatch.setattr(sys, "argv", ["openbell", name, "--help"])
        with pytest.raises(SystemExit) as caught:
            command_line.main()
        assert caught.value.code == 0, name


# run-now as a past slot


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
