"""The program that is sent to servers: one text, for the oldest Python that is supported there."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.remote.session import KEPT, keep_program, place_program
from deploy.ssh import host, program

MODULES = sorted(program.REMOTE.glob("*.py"))


def run(*words: str, folder: Path, given: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    """Run a command of the program with what is kept in this folder, and with this input instead of the program alone."""
    given = program.packed() if given is None else given
    command = program.command(*words, folder=str(folder))
    return subprocess.run(command, input=given, capture_output=True, check=False)


def test_every_module_is_sent(tmp_path: Path) -> None:
    """Each in an order in which it finds what it imports."""
    assert {*program.MODULES, "__init__"} == {path.stem for path in MODULES}
    done = run("nothing", folder=tmp_path)
    assert b"KeyError: 'nothing'" in done.stderr, done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_is_one_for_old_pythons(path: Path) -> None:
    """Its syntax is that of 3.9, no annotation is evaluated, and it imports the standard library and its siblings alone."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 9))
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([one.name for one in node.names] if isinstance(node, ast.Import) else [str(node.module)])
    }
    ours = {name for name in imported if name.startswith("deploy.remote")}
    assert {name.partition(".")[0] for name in imported - ours} <= sys.stdlib_module_names
    if path.stem != "__init__":
        assert "__future__" in imported


def test_no_module_asks_for_more_than_old_pythons_have() -> None:
    """Servers have 3.9 (Debian 11) or 3.10 (Ubuntu 22.04); the tests' servers have newer ones."""
    vermin = Path(sys.executable).with_name("vermin")
    words = (str(vermin), "--target=3.9-", "--violations", *map(str, MODULES))
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "sent,said",
    [
        (program.packed()[:-1], b"did not arrive whole"),
        (program.packed()[:-1] + b"x", b"was changed on its way"),
    ],
)
def test_a_program_that_is_not_what_was_sent_is_not_run(tmp_path: Path, sent: bytes, said: bytes) -> None:
    """Its hash is in the command line."""
    done = run("images", folder=tmp_path, given=sent)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_program_that_was_kept_is_not_sent_again(tmp_path: Path) -> None:
    """Its input is the command's own from the first byte, and its hash is checked all the same."""
    keep_program(tmp_path / KEPT, program.source())
    done = run("add-audit", str(tmp_path / "root"), folder=tmp_path, given=b'{"action": "halt"}')
    assert (done.returncode, done.stdout, done.stderr) == (0, b"kept\n", b"")
    assert '"action": "halt"' in (tmp_path / "root/audit.jsonl").read_text()


@pytest.mark.parametrize(
    "damage",
    [lambda kept: kept.write_text("import os"), lambda kept: kept.unlink(), lambda kept: kept.write_bytes(b"")],
)
def test_a_kept_program_that_is_not_what_was_sent_is_not_run(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """It is sent again."""
    keep_program(tmp_path / KEPT, program.source())
    (kept,) = (tmp_path / KEPT).iterdir()
    damage(kept)
    done = run("add-audit", str(tmp_path / "root"), folder=tmp_path, given=program.packed() + b'{"action": "halt"}')
    assert (done.returncode, done.stdout, done.stderr) == (0, b"send\n", b"")
    assert '"action": "halt"' in (tmp_path / "root/audit.jsonl").read_text()


def test_few_programs_are_kept(tmp_path: Path) -> None:
    """Those of the newest deploys; one that cannot be stored is no problem."""
    for number in range(5):
        keep_program(tmp_path / "programs", f"# {number}")
        os.utime(max((tmp_path / "programs").iterdir(), key=lambda one: one.stat().st_mtime_ns), (number, number))
    assert sorted(one.read_text() for one in (tmp_path / "programs").iterdir()) == ["# 2", "# 3", "# 4"]
    (tmp_path / "file").write_text("")
    keep_program(tmp_path / "file", "# no folder")


@pytest.mark.parametrize("word", ["it's", 'a "b"', "a\\b\\", "!!", "$HOME `id` %s", "two\nlines", "ü", "", "a'\\''b"])
def test_a_line_for_login_shells_means_the_same_words(word: str) -> None:
    """By the shells that are here; the line has no character that others read in another way."""
    line = host.shell_line(("printf", "%s|", word))
    inside = line.partition("'")[2].rpartition("'")[0]
    assert not set("'!\n") & set(inside)
    assert "\\\\" not in inside
    for shell in ("sh", "bash"):
        done = subprocess.run((shell, "-c", line), capture_output=True, check=True)
        assert host.after_welcome(b"Welcome" + done.stdout).decode() == f"{word}|"
        assert host.after_welcome(done.stderr) == b""


def test_transactions_share_the_program_that_is_kept(tmp_path: Path) -> None:
    """Twenty copies would fill a small disk; what is kept is only taken if it is that very program."""
    folder, first, second = (tmp_path / name for name in ("programs", "first", "second"))
    keep_program(folder, "# one")
    (kept,) = folder.iterdir()
    place_program(folder, "# one", first)
    assert first.samefile(kept)
    kept.unlink()
    kept.write_text("# damaged")
    place_program(folder, "# one", second)
    assert (first.read_text(), second.read_text()) == ("# one", "# one")
    keep_program(folder, "# one")
    assert kept.read_text() == "# one"
