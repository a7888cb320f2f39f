"""Code that all strategies share: `_shared` beside their folders, or within one in an image."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.strategy_checks.packages import package_problems
from openbell.manifest import strategy_folders
from openbell.strategy import loader
from tests.unit.strategy_file import GOOD, write

CODE = "import levels_of_ours\n\n\ndef run(ctx):\n    return levels_of_ours.LEVEL\n"


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Leave the interpreter's path and modules as they were."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def strategies(tmp_path: Path) -> Path:
    """Give two strategies that share a module."""
    write(tmp_path, GOOD)
    (tmp_path / "demo" / "strategy.py").write_text(CODE)
    (tmp_path / "_shared").mkdir()
    (tmp_path / "_shared" / "levels_of_ours.py").write_text("LEVEL = 5\n")
    return tmp_path


def test_a_strategy_imports_what_all_share(strategies: Path) -> None:
    """By the module's own name."""
    assert loader.load(strategies / "demo")["run"](None) == 5


def test_in_an_image_it_lies_within_the_folder_and_counts_for_its_release(strategies: Path) -> None:
    """So a change of shared code is another release of each strategy."""
    before = loader.release(strategies / "demo")
    (strategies / "_shared").rename(strategies / "demo" / "_shared")
    assert loader.load(strategies / "demo")["run"](None) == 5
    assert loader.release(strategies / "demo") != before


def test_shared_code_is_no_strategy_and_no_package(strategies: Path) -> None:
    """It needs no manifest and no lock."""
    assert [folder.name for folder in strategy_folders(strategies)] == ["demo"]
    assert list(package_problems(strategies / "demo")) == []
