"""A strategy's packages: asked for, locked for every version of Python that runs it, and taken by its functions."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy.errors import CommandError
from deploy.log import log_to_stdout
from deploy.serverless.package import requirements
from deploy.strategy_folders import packages

LOG = log_to_stdout("text")
INDEX = "--index-url"
ROOT = Path(__file__).parents[4]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A strategy's folder; what locks is a stand-in that writes the names that are asked for."""
    uv = tmp_path / "uv"
    uv.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\nwords = sys.argv\n"
        "asked = pathlib.Path(words[3]).read_text()\n"
        "if 'nonsense' in asked: sys.exit('no such package: nonsense')\n"
        "pathlib.Path(words[words.index('-o') + 1]).write_text(' '.join(words) + asked)\n"
    )
    uv.chmod(0o755)
    monkeypatch.setattr(packages, "_uv", lambda _: str(uv))
    made = tmp_path / "mine"
    made.mkdir()
    return made


def test_what_is_asked_for_is_written_and_locked_for_all_versions_of_python(folder: Path) -> None:
    """An older wish for the same package gives way; comments stay; no index's address is written."""
    (folder / "requirements.in").write_text("# data\nPandas<2 # old\nhttpx\n")
    packages.add(folder, "pandas>=2 scikit-learn", LOG)
    assert (folder / "requirements.in").read_text() == "# data\nhttpx\npandas>=2\nscikit-learn\n"
    locked = (folder / "requirements.txt").read_text()
    for option in ("--universal", "--generate-hashes", "--no-emit-index-url", "--python-version 3.11"):
        assert option in locked
    assert INDEX not in locked


def test_what_cannot_be_locked_changes_nothing(folder: Path) -> None:
    """The message is one line with the file."""
    with pytest.raises(CommandError, match=r"mine/requirements.in: cannot be locked: no such package: nonsense$"):
        packages.add(folder, "nonsense", LOG)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("words", ["pandas>", "-r /etc/passwd", "http://x"])
def test_what_is_no_package_is_refused(folder: Path, words: str) -> None:
    """Before anything is written."""
    with pytest.raises(CommandError, match=r"^PACKAGE: found"):
        packages.add(folder, words, LOG)
    assert list(folder.iterdir()) == []


def test_a_lock_needs_something_to_lock(folder: Path) -> None:
    """The message names the command that makes it."""
    with pytest.raises(CommandError, match="make add STRATEGY=mine"):
        packages.lock(folder, LOG)


def test_functions_take_the_strategys_own_lock(tmp_path: Path) -> None:
    """All versions of a library that a universal lock has are kept, and the strategy's before openbell's own."""
    (tmp_path / "requirements.txt").write_text(
        "numpy==2.4 ; python_full_version < '3.12' \\\n    --hash=sha256:a\n"
        "numpy==2.5 ; python_full_version >= '3.12' \\\n    --hash=sha256:b\n"
        "pytz==2025.1 \\\n    --hash=sha256:c\n"
    )
    lines = requirements("aws", tmp_path).splitlines()
    assert [line.split(" ")[0] for line in lines if line.startswith("numpy")] == ["numpy==2.4", "numpy==2.5"]
    assert [line.split(" ")[0] for line in lines if line.startswith("pytz")] == ["pytz==2025.1"]
    assert any(line.startswith("schedule==") for line in lines)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("lock", sorted(ROOT.glob("strategies/*/requirements.txt")), ids=lambda path: path.parent.name)
def test_each_lock_of_an_example_is_for_the_hosts_python_and_the_images(lock: Path, python: str) -> None:
    """Each package that it has is there in exactly one version: its backtest here and its image are made from the same lock."""
    lines = re.findall(r"^([\w.-]+==[^\\\n]+)", lock.read_text(), re.MULTILINE)
    wanted = [Requirement(line.strip()) for line in lines]
    environment = {"python_version": python, "python_full_version": f"{python}.1"}
    chosen = Counter(one.name for one in wanted if one.marker is None or one.marker.evaluate(environment))
    assert chosen
    assert set(chosen.values()) == {1}
