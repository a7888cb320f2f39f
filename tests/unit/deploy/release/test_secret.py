"""Where secrets come from."""

from pathlib import Path

import pytest

from deploy.errors import CommandError
from deploy.release.secrets import of
from openbell.manifest import Manifest, load_named
from tests.unit.strategy_file import BOT, TOP, write


def manifest(folder: Path, name: str, *secrets: str) -> Manifest:
    """Return the manifest of a strategy that names these secrets."""
    text = f'{TOP}secrets = [{", ".join(map(repr, secrets))}]\n{BOT}at = "09:35"\n'
    return load_named(write(folder, text, name) / "strategy.toml", name)


def test_each_strategy_gets_what_it_names(tmp_path: Path) -> None:
    """And nothing else of what is set."""
    manifests = [manifest(tmp_path, "a", "KEY"), manifest(tmp_path, "b", "KEY", "OTHER"), manifest(tmp_path, "c")]
    found = of(manifests, {"KEY": "k", "OTHER": "o", "NOT_NAMED": "n"})
    assert found == {"a": {"KEY": "k"}, "b": {"KEY": "k", "OTHER": "o"}}


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    """NAME_FILE is its path; the line end that editors leave is not part of it."""
    (tmp_path / "key").write_text("two\nlines\n")
    assert of([manifest(tmp_path, "a", "KEY")], {"KEY_FILE": str(tmp_path / "key")}) == {"a": {"KEY": "two\nlines"}}


def test_what_is_missing_is_named_at_once(tmp_path: Path) -> None:
    """All of it, with who wants it and what to do."""
    manifests = [manifest(tmp_path, "a", "KEY", "OTHER"), manifest(tmp_path, "b", "KEY")]
    with pytest.raises(CommandError) as caught:
        of(manifests, {"OTHER": ""})
    assert str(caught.value) == (
        "without a value: KEY (named by strategies/a/strategy.toml), OTHER (named by strategies/a/strategy.toml), "
        "KEY (named by strategies/b/strategy.toml): set it in .env, or its file as NAME_FILE=path"
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """With the reason, and without its content."""
    with pytest.raises(CommandError, match=r"KEY_FILE: /nowhere/key cannot be read: No such file or directory"):
        of([manifest(tmp_path, "a", "KEY")], {"KEY_FILE": "/nowhere/key"})
