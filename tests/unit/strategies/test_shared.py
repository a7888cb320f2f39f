"""Code that all strategies share: `_shared` beside their folders, or within one in an image."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.strategy_folders.package_check import package_problems
from openbell.commands import prune_shared
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
    """So a change of shared code is another release of each strategy that uses it."""
    before = loader.release(strategies / "demo")
    (strategies / "_shared").rename(strategies / "demo" / "_shared")
    assert loader.load(strategies / "demo")["run"](None) == 5
    assert loader.release(strategies / "demo") != before


def test_shared_code_is_no_strategy_and_no_package(strategies: Path) -> None:
    """It needs no manifest and no lock."""
    assert [folder.name for folder in strategy_folders(strategies)] == ["demo"]
    assert list(package_problems(strategies / "demo")) == []


SHARED = {
    "levels.py": "import numbers_of_ours as n\n",
    "numbers_of_ours.py": "from tables import rows\n",
    "tables/__init__.py": "",
    "tables/rows.py": "import levels\n",
    "other.py": "import importlib\n",
    "prices.csv": "levels\n",
}
ALL = ["levels.py", "numbers_of_ours.py", "other.py", "prices.csv", "tables"]


@pytest.mark.parametrize(
    "files, kept",
    [
        ({"strategy.py": "import re\nPATTERN = re.compile(text)\n"}, ["prices.csv"]),
        ({"strategy.py": "import levels\n"}, ["levels.py", "numbers_of_ours.py", "prices.csv", "tables"]),
        ({"strategy.py": "from tables.rows import x\n"}, ["levels.py", "numbers_of_ours.py", "prices.csv", "tables"]),
        ({"strategy.py": "import helper", "helper/deep.py": "import levels"}, ALL[:2] + ALL[3:]),
        ({"strategy.toml": 'market = "levels:Prices"\n'}, ALL[:2] + ALL[3:]),
        ({"strategy.py": "import other\n"}, ALL),
        ({"strategy.py": "from importlib import import_module\n"}, ALL),
        ({"strategy.py": "__import__(name)\n"}, ALL),
        ({"strategy.py": "import joblib\n"}, ALL),
        ({"strategy.py": "import pandas as pd\npd.read_pickle(path)\n"}, ALL),
        ({"strategy.py": "exec(code)\n"}, ALL),
        ({"strategy.py": "sys.path.append('_shared/tables')\n"}, ALL),
        ({"strategy.py": "import levels_\n", "model.bin": "\x00other\x00"}, ALL),
    ],
)
def test_an_image_keeps_what_its_strategy_may_use(tmp_path: Path, files: dict[str, str], kept: list[str]) -> None:
    """Also by a shared module or a string; where the code can import what it does not name, everything."""
    for name, text in {**files, **{f"_shared/{name}": text for name, text in SHARED.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert prune_shared.main([str(tmp_path)]) == 0
    assert sorted(path.name for path in (tmp_path / "_shared").iterdir()) == kept
    assert all((tmp_path / name).exists() for name in files)


def test_nothing_is_left_of_shared_code_that_is_not_used(tmp_path: Path) -> None:
    """So the image is the same as one without any."""
    (tmp_path / "strategy.py").write_text("")
    (tmp_path / "_shared").mkdir()
    (tmp_path / "_shared" / "levels.py").write_text("")
    assert prune_shared.main([str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["strategy.py"]
