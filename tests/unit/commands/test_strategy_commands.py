"""Commands about a strategy: its next slots, what is wrong with it, what an image says of it, and the list of them all."""

import sys
from pathlib import Path

import pytest

from openbell import __main__ as command_line
from openbell.command_list import COMMANDS
from openbell.commands import check, stamp_image
from openbell.commands import next as next_slots
from openbell.manifest import load
from openbell.strategy.loader import release
from tests.unit.commands.conftest import CODE, NOW, TOML


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
    for name, (_, text) in COMMANDS.items():
        assert text
        if name in {"run", "supervise"}:
            continue
        monkeypatch.setattr(sys, "argv", ["openbell", name, "--help"])
        with pytest.raises(SystemExit) as caught:
            command_line.main()
        assert caught.value.code == 0, name
