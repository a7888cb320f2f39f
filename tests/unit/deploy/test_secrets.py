"""Where secrets come from."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy import secrets
from deploy.errors import CommandError
from deploy.secrets import by_strategy
from openbell.manifest import Manifest, load_named
from tests.unit.strategy_file import BOT, TOP, write

ROOT = Path(__file__).parents[3]
PATH = {"PATH": "/usr/bin:/bin"}


def manifest(folder: Path, name: str, *secrets: str) -> Manifest:
    """Return the manifest of a strategy that names these secrets."""
    text = f'{TOP}secrets = [{", ".join(map(repr, secrets))}]\n{BOT}at = "09:35"\n'
    return load_named(write(folder, text, name) / "strategy.toml", name)


def test_each_strategy_gets_what_it_names(tmp_path: Path) -> None:
    """And nothing else of what is set."""
    manifests = [manifest(tmp_path, "a", "KEY"), manifest(tmp_path, "b", "KEY", "OTHER"), manifest(tmp_path, "c")]
    found = by_strategy(manifests, {"KEY": "k", "OTHER": "o", "NOT_NAMED": "n"})
    assert found == {"a": {"KEY": "k"}, "b": {"KEY": "k", "OTHER": "o"}}


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    """NAME_FILE is its path; the line end that editors leave is not part of it."""
    (tmp_path / "key").write_text("two\nlines\n")
    assert by_strategy([manifest(tmp_path, "a", "KEY")], {"KEY_FILE": str(tmp_path / "key")}) == {
        "a": {"KEY": "two\nlines"}
    }


def test_what_is_missing_is_named_at_once(tmp_path: Path) -> None:
    """All of it, with who wants it and what to do."""
    manifests = [manifest(tmp_path, "a", "KEY", "OTHER"), manifest(tmp_path, "b", "KEY")]
    with pytest.raises(CommandError) as caught:
        by_strategy(manifests, {"OTHER": ""})
    assert str(caught.value) == (
        "without a value: KEY (named by strategies/a/strategy.toml), OTHER (named by strategies/a/strategy.toml), "
        "KEY (named by strategies/b/strategy.toml): set NAME, NAME_FILE or NAME_COMMAND in .env or the environment"
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """With the reason, and without its content."""
    with pytest.raises(CommandError, match=r"KEY_FILE: /nowhere/key cannot be read: No such file or directory"):
        by_strategy([manifest(tmp_path, "a", "KEY")], {"KEY_FILE": "/nowhere/key"})


@pytest.mark.parametrize(
    "command,expected",
    [
        ("printf 'two words'", "two words"),
        (r"printf 's3cret\n'", "s3cret"),
        (r"printf 's3cret\n\n'", "s3cret\n"),
        (r"printf '%s' '$HOME; id'", "$HOME; id"),
    ],
)
def test_a_secret_may_be_what_a_command_prints(tmp_path: Path, command: str, expected: str) -> None:
    """NAME_COMMAND is run without a shell; the one line end behind its output is not part of the secret."""
    values = {**PATH, "KEY_COMMAND": command}
    assert by_strategy([manifest(tmp_path, "a", "KEY")], values) == {"a": {"KEY": expected}}


@pytest.mark.parametrize(
    "command,expected",
    [
        ("sh -c 'echo s3cret; echo s3cret >&2; exit 3'", "KEY_COMMAND: sh failed with exit code 3; run the command by hand to see why"),
        ("no-such-program read x", "KEY_COMMAND: no-such-program cannot be started: No such file or directory; run the command by hand to see why"),
        ("true", "KEY_COMMAND: true printed nothing"),
        ("op 'read", "KEY_COMMAND: is not a command: allowed: words with closed quotes, such as op read op://vault/item/field"),
        ("sleep 30", "KEY_COMMAND: sleep did not end within 0 s; run the command by hand to see why"),
    ],
)  # fmt: skip
def test_a_command_that_fails_is_one_line_without_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, expected: str
) -> None:
    """What the command printed may hold the secret, so no message does."""
    if command.startswith("sleep"):
        monkeypatch.setattr(secrets, "PATIENCE", 0.1)
    with pytest.raises(CommandError) as caught:
        by_strategy([manifest(tmp_path, "a", "KEY")], {**PATH, "KEY_COMMAND": command})
    assert str(caught.value) == expected


def test_the_value_goes_before_the_file_and_the_file_before_the_command(tmp_path: Path) -> None:
    """A command is not run where it is not needed."""
    (tmp_path / "key").write_text("file")
    values = {"KEY": "plain", "KEY_FILE": str(tmp_path / "key"), "KEY_COMMAND": "false"}
    assert secrets.value("KEY", values) == "plain"
    del values["KEY"]
    assert secrets.value("KEY", values) == "file"


def test_a_secret_that_is_not_set_stays_unset(tmp_path: Path) -> None:
    """What concerns a strategy that cannot start is the strategy's to tell."""
    values = {**PATH, "B_COMMAND": "echo b", "C": "c"}
    found = secrets.filled([manifest(tmp_path, "a", "A", "B")], values)
    assert found == {**values, "B": "b"}


def test_a_line_of_cron_gets_the_secrets_of_its_strategy(tmp_path: Path) -> None:
    """The program reads .env and becomes the command, which finds the values in its environment."""
    (tmp_path / "own").mkdir()
    manifest(tmp_path / "own", "a", "KEY", "PLAIN")
    (tmp_path / ".env").write_text("OPENBELL_STRATEGIES=own\nKEY_COMMAND=echo two words\nPLAIN=x y\nOTHER=o\n")
    done = cron(tmp_path, "a", "sh", "-c", 'echo "$KEY/$PLAIN/$OTHER"')
    assert (done.returncode, done.stdout) == (0, "two words/x y/\n")


def test_a_line_of_cron_whose_secret_cannot_be_had_says_so(tmp_path: Path) -> None:
    """One line in the strategy's log, and the run does not start."""
    (tmp_path / "own").mkdir()
    manifest(tmp_path / "own", "a", "KEY")
    (tmp_path / ".env").write_text("OPENBELL_STRATEGIES=own\nKEY_COMMAND=false\n")
    done = cron(tmp_path, "a", "echo", "started")
    assert (done.returncode, done.stdout) == (3, "")
    assert (
        done.stderr == "openbell: a: KEY_COMMAND: false failed with exit code 1; run the command by hand to see why\n"
    )


def cron(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run what a line of cron runs."""
    command: Sequence[str] = (sys.executable, "-m", "deploy.with_secrets", *words)
    environment = {**PATH, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
